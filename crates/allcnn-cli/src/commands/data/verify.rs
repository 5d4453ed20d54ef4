//! `allcnn data verify`: decodes every image, finds duplicates, and with `--near` near-duplicates.

use std::path::Path;

use allcnn::data::near::{self, Compared, Near, NearGroup};
use allcnn::data::verify::{Verification, verify};
use allcnn::data::{self, DataSet, Error, Options};
use allcnn::preprocess::Geometry;
use allcnn::run::RunFolder;
use allcnn::text::shown::escaped;
use allcnn::{near_features, report};
use serde::Serialize;

use super::info::{MAX_LISTED, words};
use super::opened::{open, options};
use crate::args::{Common, DataVerifyArgs};
use crate::commands::picture;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::output::{self, counted, thousands};
use crate::progress::Progress;
use crate::training_progress::LoadingProgress;

/// Height and width at which pictures without classes are compared.
const LOOSE: (usize, usize) = (96, 96);
/// Images of a group that are listed at most.
const MAX_OF_GROUP: usize = 10;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    found: &'a Verification,
    #[serde(skip_serializing_if = "Option::is_none")]
    near: Option<&'a Near>,
}

/// Verifies the data and prints the findings. The exit code is that of failure if files cannot be read, images of one split
/// are also in another, or duplicates have different classes; near-duplicates do not change it.
pub(super) fn run(arguments: &DataVerifyArgs) -> anyhow::Result<Exit> {
    let look = &arguments.look;
    if let Some(page) = &arguments.out {
        picture::check_name("--out", page, "html")?;
    }
    let run = arguments.run.as_deref().map(RunFolder::open).transpose()?;
    let mut set = open_any(arguments, options(look))?;
    let found = verify(&set);
    let on_disk = set.train.are_on_disk() || set.test.are_on_disk();
    if let Some(run) = run.as_ref().filter(|_| !on_disk) {
        // Once more, in the size and the framing in which the run's network sees pictures.
        let Geometry { height, width, .. } = run.read_preprocessing()?.geometry();
        let framing = run.manifest()?.framing();
        set = open_any(arguments, Options { size: Some((height, width)), framing, ..options(look) })?;
    }
    let near = arguments.near.then(|| find_near(arguments, run.as_ref(), &set)).transpose()?;
    if let (Some(page), Some(near)) = (&arguments.out, &near) {
        report::write_near(near, &set, page)?;
    }
    if look.output.json {
        output::json(&Document { found: &found, near: near.as_ref() })?;
    } else {
        let near = near.as_ref().map(near_words).unwrap_or_default();
        output::text(&format!("{}\n{}{near}", words(&found.summary), findings(&found)))?;
    }
    Ok(if found.clean { Exit::DONE } else { Exit::FAILED })
}

/// Opens the data. For a comparison, pictures need no classes.
fn open_any(arguments: &DataVerifyArgs, wanted: Options) -> anyhow::Result<DataSet> {
    let look = &arguments.look;
    let again = wanted.size.is_some();
    let wanted = Options { max_bad_percent: 100.0, ..wanted };
    let opened = open(&look.data, &wanted, look.output);
    let without_classes = |error: &anyhow::Error| {
        arguments.near && matches!(error.downcast_ref::<Error>(), Some(Error::NoClasses(_)))
    };
    match opened {
        Err(error) if without_classes(&error) => {
            let progress = Progress::of(look.output);
            let mut loading = LoadingProgress::new(progress);
            let wanted = Options { size: wanted.size.or(Some(LOOSE)), ..wanted };
            let set = data::open_loose(Path::new(&look.data), &wanted, &mut |at| loading.show(at))?;
            loading.end();
            if !again {
                progress.note("note: there are no class folders; all pictures are compared, without classes");
            }
            Ok(set)
        }
        opened => opened,
    }
}

fn find_near(arguments: &DataVerifyArgs, run: Option<&RunFolder>, set: &DataSet) -> anyhow::Result<Near> {
    let output = arguments.look.output;
    let mut loading = LoadingProgress::new(Progress::of(output));
    let mut show = |at| loading.show(at);
    let Some(run) = run else {
        return Ok(near::find(set, arguments.similarity.unwrap_or(near::MIN_SIMILARITY), &mut show));
    };
    let least = arguments.similarity.unwrap_or(near_features::MIN_SIMILARITY);
    let common = Common { device: arguments.device, threads: arguments.threads, output };
    let device = device::open(&common)?;
    Ok(on_device!(device, |device| near_features::find(
        &device,
        (run, arguments.checkpoint.into()),
        set,
        least,
        &mut show
    ))?)
}

fn findings(found: &Verification) -> String {
    if found.clean && found.repeated_in_train == 0 {
        return "every image can be read, and none is there twice\n".to_owned();
    }
    let mut text = String::new();
    let mut line = |count, thing, verbs, what| text += &count_line(count, thing, verbs, what);
    let (unreadable, is) = (found.summary.skipped.len(), ["is", "are"]);
    line(unreadable, "file", ["cannot", "cannot"], "be read");
    line(found.test_images_in_train, "test image", is, "among the training images too");
    line(found.validation_images_in_train, "validation image", is, "among the training images too");
    line(found.test_images_in_validation, "test image", is, "among the validation images too");
    line(found.repeated_in_train, "training image", is, "there more than once");
    line(found.contradicting_labels, "image", ["equals", "equal"], "one of another class");
    for (earlier, later) in found.equal.iter().take(MAX_LISTED) {
        text += &format!("  {} = {}\n", escaped(earlier), escaped(later));
    }
    text
}

/// `2 test images are near training images`, with the first of the verbs if there is one image; empty if there is none.
fn count_line(count: usize, thing: &str, [one, many]: [&str; 2], what: &str) -> String {
    let verb = if count == 1 { one } else { many };
    if count == 0 { String::new() } else { format!("{} {verb} {what}\n", counted(count, thing)) }
}

/// The counts of near-duplicates, and the first groups, as text.
fn near_words(near: &Near) -> String {
    let what = match near.compared {
        Compared::Pictures => "nearly the same",
        Compared::Features => "nearly the same to the network",
    };
    let number = |count: usize| thousands(count as u64);
    let left_out = match near.left_out {
        0 => String::new(),
        left_out => format!("; {} that cannot be read are left out", number(left_out)),
    };
    let mut text = format!(
        "\n{what}, from a similarity of {} on, among {} images{left_out}\n",
        near.least_similarity,
        number(near.images)
    );
    if near.groups.is_empty() {
        return text + "no two images\n";
    }
    let is = ["is", "are"];
    for (count, thing, verbs, what) in [
        (near.test_images_near_train, "test image", is, "near training images"),
        (near.validation_images_near_train, "validation image", is, "near training images"),
        (near.test_images_near_validation, "test image", is, "near validation images"),
        (near.groups_across_splits, "group", is, "across splits"),
        (near.groups_within_split, "group", is, "within a split"),
        (near.groups_with_different_labels, "group", ["has", "have"], "images of different classes"),
    ] {
        text += &count_line(count, thing, verbs, what);
    }
    text.extend(near.groups.iter().take(MAX_LISTED).map(group_line));
    if let Some(more) = near.groups.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        text += &format!("... and {} more groups; --json has all\n", number(more));
    }
    text
}

/// A group as a line.
fn group_line(group: &NearGroup) -> String {
    let image = |image: &near::NearImage| {
        format!("{} ({}, {})", escaped(&image.file), image.split, escaped(&image.class))
    };
    let mut images: Vec<String> = group.some(MAX_OF_GROUP).into_iter().map(image).collect();
    if let Some(more) = group.images.len().checked_sub(MAX_OF_GROUP).filter(|more| *more > 0) {
        images.push(format!("{} more", thousands(more as u64)));
    }
    format!("  {:.3}  {}\n", group.similarity, images.join(" ~ "))
}
