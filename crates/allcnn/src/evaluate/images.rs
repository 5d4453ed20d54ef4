//! The images on which a run is evaluated: its own data or other data, with labels mapped to the network's
//! classes.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

use super::error::EvaluateError;
use crate::augment::Augment;
use crate::data::{DataSet, Identities, IdentitySet, Images, Note};
use crate::observer::{Event, Observer, report_left_out};
use crate::preprocess::Geometry;
use crate::run::{DataLocationError, GivenData, Manifest, Opened, RunFolder, known_images, open_data};
use crate::split::Split;
use crate::text::shown::escaped;

/// Opens `data`, or the run's own data if `None`, resized to `geometry`. With `in_memory`, images are loaded even
/// if the training left them on disk. The run's own data is split as for the training.
///
/// # Errors
/// Data that cannot be read; imported weights, which have no data of their own.
pub(crate) fn open(
    data: Option<GivenData<'_>>,
    (run, manifest): (&RunFolder, &Manifest),
    geometry: Geometry,
    in_memory: bool,
    observer: &mut dyn Observer,
) -> Result<Opened, DataLocationError> {
    let opened = open_and_report_notes(data, (run, manifest), geometry, in_memory, observer)?;
    report_left_out(&opened.data, observer);
    Ok(opened)
}

/// Like [`open`], but without reporting ignored files.
pub(crate) fn open_and_report_notes(
    data: Option<GivenData<'_>>,
    (run, manifest): (&RunFolder, &Manifest),
    geometry: Geometry,
    in_memory: bool,
    observer: &mut dyn Observer,
) -> Result<Opened, DataLocationError> {
    let mut progress = |progress| observer.observe(Event::Loading(progress));
    let opened = open_data((run.path(), manifest), geometry, data, in_memory, &mut progress)?;
    let told = |note: &&Note| note.is_warning() && !note.is_of_training();
    for note in opened.data.notes.iter().filter(told) {
        observer.observe(Event::Warning(&note.to_string()));
    }
    Ok(opened)
}

/// Returns the images of `split` with labels mapped to indices into `known`. Class names match if equal after
/// Unicode normalization.
pub(crate) fn relabelled(
    data: &mut DataSet,
    split: Split,
    known: &[String],
) -> Result<Images, EvaluateError> {
    let mut images = split.take(data)?;
    let alike = |name: &str| name.nfc().collect::<String>();
    let known_alike: Vec<String> = known.iter().map(|class| alike(class)).collect();
    let index = |class: &String| {
        let exact = known.iter().position(|known| known == class);
        exact.or_else(|| known_alike.iter().position(|known| *known == alike(class)))
    };
    let indices: Vec<Option<usize>> = data.classes.iter().map(index).collect();
    let mut unknown = BTreeSet::new();
    for label in &mut images.labels {
        match indices[*label as usize] {
            Some(index) => *label = index as u32,
            None => _ = unknown.insert(data.classes[*label as usize].as_str()),
        }
    }
    if unknown.is_empty() {
        return Ok(images);
    }
    let list = |names: Vec<&str>| {
        let more = if names.len() > 10 { ", ..." } else { "" };
        escaped(&names.into_iter().take(10).collect::<Vec<_>>().join(", ")) + more
    };
    Err(EvaluateError::UnknownClasses(format!(
        "the data {} has classes that the network does not know: {}\nit knows {}",
        escaped(&data.name),
        list(unknown.into_iter().collect()),
        list(known.iter().map(String::as_str).collect())
    )))
}

/// The training images of a run, as identities. If the run did not record them and had its images in memory, they
/// are computed from `own`, or else from the run's data if it is found.
pub(crate) fn known(
    (run, manifest): (&RunFolder, &Manifest),
    geometry: Geometry,
    own: Option<&DataSet>,
    observer: &mut dyn Observer,
) -> Result<Option<IdentitySet>, EvaluateError> {
    let noted = known_images::trained(run)?;
    if noted.is_some() || manifest.imported.is_some() {
        return Ok(noted);
    }
    if manifest.recipe.augment != Augment::CropFlip {
        let set_of = |data: &DataSet| {
            let mut set = IdentitySet::default();
            set.add(&Identities::of(&data.train));
            set
        };
        let found = || open_data((run.path(), manifest), geometry, None, false, &mut |_| ());
        if let Some(set) = own.map(set_of).or_else(|| found().ok().map(|found| set_of(&found.data))) {
            return Ok(Some(set));
        }
    }
    if own.is_none() {
        observer.observe(Event::Warning(
            "this run does not know its training images (it was begun by an earlier version): some of these may be among \
             them",
        ));
    }
    Ok(None)
}
