//! [`open`]: finds what DATA names, has it read, and divides it into its splits.
use crate::dataset::{DataSet, Images, fingerprint};
use crate::error::Error;
use crate::fetch::data_folder;
use crate::formats::{self, Loaded, cifar, shapes};
use crate::framing::Framing;
use crate::holdout::Holdout;
use crate::names::readable;
use crate::note::Note;
use crate::options::Options;
use crate::picture::Picture;
use crate::progress::{Progress, Stage};
use crate::reading::Reading;
use crate::sizes::Sizes;
use crate::source::Source;
use crate::split::{Found, Part, divide};
use bytes::Bytes;
use rayon::prelude::*;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Opens DATA: `shapes`, `cifar10`, `cifar100`, or the path of a folder or an archive (`./cifar10` for a folder of
/// that name). See [`Options`] for what becomes the test split.
///
/// # Errors
/// Missing or unknown data, damaged files, fewer than two classes, more unreadable images than
/// [`Options::max_bad_percent`].
pub fn open(
    data: impl AsRef<OsStr>,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<DataSet, Error> {
    let data = data.as_ref();
    let (name, loaded, path) = match data.to_str() {
        Some("shapes") => {
            progress(Progress { stage: Stage::Reading, done: 0, total: None });
            ("shapes".to_string(), shapes::load()?, PathBuf::from("shapes"))
        }
        Some(name @ ("cifar10" | "cifar100")) => {
            let path = fetched(name)?;
            (name.to_string(), load(&path, options, progress)?, path)
        }
        _ => {
            let path = PathBuf::from(data);
            let name = readable(path.file_name().unwrap_or(data)).into_owned();
            (name, load(&path, options, progress)?, path)
        }
    };
    finish(name, &path, loaded, options)
}

/// Opens an archive in memory as [`open`] does one on disk.
pub(crate) fn open_bytes(archive: Bytes, options: &Options) -> Result<DataSet, Error> {
    let path = Path::new("memory");
    let loaded = formats::load(&Source::of_bytes(path, archive)?, options, &mut |_| {})?;
    finish("memory".into(), path, loaded, options)
}

/// Whether DATA is the name of a data set, and not a path.
pub fn is_named(data: &str) -> bool {
    matches!(data, "shapes" | "cifar10" | "cifar100")
}

/// Whether DATA has a test split of its own; reads as little as it can.
///
/// # Errors
/// As [`open`], but for unreadable images.
pub fn has_test_split(
    data: impl AsRef<OsStr>,
    reading: &Reading,
    progress: &mut dyn FnMut(Progress),
) -> Result<bool, Error> {
    let size = Some((cifar::SIDE, cifar::SIDE));
    let holdout = Some(Holdout::default());
    let few = Options {
        size,
        holdout,
        limit: Some(1),
        reading: reading.clone(),
        max_bad_percent: 100.0,
        ..Options::default()
    };
    Ok(open(data, &few, progress)?.notes.contains(&Note::HoldoutReplacesTest))
}

/// The archive or folder of a named data set.
fn fetched(data: &str) -> Result<PathBuf, Error> {
    let (name, files): (_, [_; 4]) = match data {
        "cifar10" => (
            "cifar10",
            [
                "cifar-10-binary.tar.gz",
                "cifar-10-batches-bin",
                "cifar-10-python.tar.gz",
                "cifar-10-batches-py",
            ],
        ),
        _ => (
            "cifar100",
            ["cifar-100-binary.tar.gz", "cifar-100-binary", "cifar-100-python.tar.gz", "cifar-100-python"],
        ),
    };
    let folder = data_folder()?;
    let found = files.iter().map(|file| folder.join(file)).find(|path| path.exists());
    found.ok_or(Error::NotFetched { name, folder, expected: files[0] })
}

/// Reads whatever is at `path`.
fn load(path: &Path, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    progress(Progress { stage: Stage::Listing, done: 0, total: None });
    let source = Source::open(path)?;
    formats::load(&source, options, progress)
}

/// Checks what was read, divides it and takes its fingerprint.
fn finish(name: String, path: &Path, loaded: Loaded, options: &Options) -> Result<DataSet, Error> {
    let Loaded { kind, classes, mut train, mut validation, mut test, skipped, ignored, bad, total, .. } =
        loaded;
    let (mut notes, divided) = (loaded.notes, loaded.divided);
    let images = [&train, &validation, &test].map(|split| split.len()).iter().sum();
    let on_disk = train.are_on_disk() || test.are_on_disk();
    let own = [train.height, train.width];
    let sizes = loaded.sizes.or_else(|| Sizes::all_alike(images, own).filter(|_| !on_disk));
    if bad as f64 > total as f64 * options.max_bad_percent / 100.0
        || (total > 0 && train.is_empty() && test.is_empty())
    {
        let named = skipped.iter().rev().take(bad).rev().take(3);
        let first: Vec<String> =
            named.map(|skipped| format!("{} ({})", skipped.file, skipped.reason)).collect();
        let limit_percent = options.max_bad_percent;
        return Err(Error::TooManyBad { bad, total, limit_percent, first: first.join("; ") });
    }
    if options.on_disk && !train.are_on_disk() && !test.are_on_disk() {
        return Err(Error::NotOnDisk(path.to_path_buf()));
    }
    if let [class] = classes.as_slice() {
        if !options.whole && !options.one_class {
            return Err(Error::OneClass { path: path.to_path_buf(), class: class.clone() });
        }
        notes.push(Note::OneClass { class: class.clone() });
    }
    if total == 0 {
        return Err(Error::Empty(path.to_path_buf()));
    }
    let test_only = train.is_empty() && !options.takes_test_images() && !options.whole;
    notes.extend(test_only.then_some(Note::TestOnly));
    notes.extend(untrained(&classes, &train, [&validation, &test]));
    if !divided {
        let found = [&train, &test].map(|images| Found { labels: &images.labels, groups: &[] });
        let (parts, decided) = divide(found, &classes, options)?;
        notes.extend(decided);
        (train, test) = take([train, test], parts)?;
    }
    if let Some(share) = options.validation.filter(|_| !options.whole && !train.is_empty()) {
        if validation.is_empty() {
            let (kept, held) = share.split(&train.labels, &classes)?;
            (train, validation) = (train.select(&kept)?, train.select(&held)?);
            notes.push(Note::ValidationTaken { images: validation.len() });
        } else {
            notes.push(Note::OwnValidation);
        }
    }
    let no_coarse = !options.labels.are_fine() && loaded.labels.are_fine();
    notes.extend(no_coarse.then_some(Note::NoCoarseLabels));
    if let Some((height, width)) = options.size {
        notes.extend(sizes.filter(|sizes| is_shrunk(sizes, height, width)).map(|sizes| Note::Shrunk {
            sizes,
            height,
            width,
        }));
        // Of other forms the pictures were framed when they were decoded.
        let framing = if kind.has_own_size() { options.framing.of_small() } else { Framing::Whole };
        let framed = [train, validation, test].map(|images| frame_all(images, framing, (height, width)));
        let [framed_train, framed_validation, framed_test] = framed;
        (train, validation, test) = (framed_train?, framed_validation?, framed_test?);
    }
    let fingerprint = fingerprint(&classes, &train, &validation, &test);
    Ok(DataSet { name, classes, train, validation, test, skipped, ignored, notes, fingerprint, kind, sizes })
}

/// Networks of pictures that are at least so high or wide see enough of any photograph.
const LARGE_INPUT: usize = 128;

/// Whether most images lose at least half of their rows and columns to a network of small pictures.
fn is_shrunk(sizes: &Sizes, height: usize, width: usize) -> bool {
    let [rows, columns] = sizes.median;
    height.max(width) < LARGE_INPUT && rows >= 2 * height && columns >= 2 * width
}

/// What is to be said where classes of held-out images have no training image.
fn untrained(classes: &[String], train: &Images, held_out: [&Images; 2]) -> Option<Note> {
    let trained = train.class_counts(classes.len());
    let held: Vec<Vec<usize>> = held_out.iter().map(|images| images.class_counts(classes.len())).collect();
    let is_untrained = |class: &usize| trained[*class] == 0 && held.iter().any(|counts| counts[*class] > 0);
    let classes: Vec<String> =
        (0..classes.len()).filter(is_untrained).map(|class| classes[class].clone()).collect();
    (!train.is_empty() && !classes.is_empty()).then_some(Note::UntrainedClasses { classes })
}

/// The training and the test images, as parts of what was found.
fn take(mut found: [Images; 2], parts: [Part; 2]) -> Result<(Images, Images), Error> {
    let chosen = parts.each_ref().map(|part| {
        let indices = part.indices.as_ref();
        indices.map(|indices| found[part.of].select(indices)).transpose()
    });
    let [train, test] = [0, 1].map(|split| parts[split].of);
    let mut of =
        |split: usize, chosen: Option<Images>| chosen.unwrap_or_else(|| std::mem::take(&mut found[split]));
    let [chosen_train, chosen_test] = chosen;
    Ok((of(train, chosen_train?), of(test, chosen_test?)))
}

/// Images that are framed at a time, on all threads.
const FRAMED_AT_ONCE: usize = 512;

/// All images in a size.
fn frame_all(mut images: Images, framing: Framing, (height, width): (usize, usize)) -> Result<Images, Error> {
    let [rows, columns] = [images.height, images.width];
    if images.is_empty() || framing.keeps([rows, columns], [height, width]) {
        return Ok(Images { height, width, ..images });
    }
    let mut pixels = Images::reserve(images.len(), height, width)?;
    for block in images.pixels.chunks(FRAMED_AT_ONCE * images.image_len()) {
        let framed: Vec<Vec<u8>> = block
            .par_chunks(images.image_len())
            .map(|image| {
                let picture = Picture { height: rows, width: columns, pixels: image.to_vec() };
                // Both sizes are above 0, which is all that framing asks for.
                let framed = framing.apply(picture, height, width);
                framed.map_or_else(|_| vec![0; height * width * 3], |picture| picture.pixels)
            })
            .collect();
        framed.iter().for_each(|image| pixels.extend_from_slice(image));
    }
    (images.height, images.width, images.pixels) = (height, width, pixels);
    Ok(images)
}
