//! Evaluates a finished (or stopped) run on its own data or on other data, as `allcnn eval` does.

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use crate::augment::{Augment, MAX_SHIFT};
use crate::data::{self, DataSet, Images};
use crate::evaluate::{Evaluation, Scores, TestSet, Views, score};
use crate::plan::{Plan, PlanPurpose};
use crate::predict::trained;
use crate::preprocess::Geometry;
use crate::run::{Manifest, RunFolder};
use crate::samples::Samples;
pub use crate::split::{NoSplit, Split};
use crate::train::{Checkpoint, Error, Event, Observer};

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The one with the lowest error on the images that chose it.
    #[default]
    Best,
    /// The newest.
    Last,
}

impl Which {
    /// Reads the checkpoint of a run.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn read(self, run: &RunFolder) -> Result<Checkpoint, Error> {
        Ok(match self {
            Which::Best => run.read_best()?,
            Which::Last => Checkpoint::read(&run.last())?,
        })
    }
}

/// What is to be evaluated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examination {
    /// Other data than that of the run.
    pub data: Option<String>,
    /// Which images.
    pub split: Split,
    /// Which checkpoint.
    pub checkpoint: Which,
    /// Looks at each image: 0 or 1 for one at the image as it is; more add some varied as in its training, or flipped
    /// and shifted where that did not vary them.
    pub views: u32,
    /// Images at a time; 0 for the run's own number.
    pub batch: usize,
}

/// The result of an examination.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The figures.
    pub evaluation: Evaluation,
    /// The answers to each image.
    pub scores: Scores,
    /// The images, with labels in the order of the checkpoint's classes.
    pub images: Images,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

/// Shows the images to the network of a run. Gives nothing when `stop` became true meanwhile; `done` is told how many
/// images are done, and of how many.
///
/// # Errors
/// Data that cannot be read or has classes that the network does not know; a damaged run; failures of the device.
pub fn examine<D: Device>(
    device: &D,
    run: &RunFolder,
    wanted: &Examination,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
    done: &mut dyn FnMut(usize, usize),
) -> Result<Option<Examined>, Error> {
    let manifest = run.manifest()?;
    let checkpoint = wanted.checkpoint.read(run)?;
    let preprocessor = run.read_preprocessing()?;
    let on_disk = manifest.recipe.augment == Augment::CropFlip;
    let data = open_sized(wanted.data.as_ref(), &manifest, preprocessor.geometry(), on_disk, observer)?;
    let images = relabelled(data, wanted, &checkpoint.classes)?;
    let input = checkpoint.network.input().into();
    let samples = Samples::new(&images, &preprocessor)?.on_canvas(input);
    let batch = if wanted.batch == 0 { manifest.recipe.batch } else { wanted.batch };
    let parameters = trained(device, &checkpoint)?;
    let mut plan = Plan::new(device, &checkpoint.network, batch.min(images.len()), PlanPurpose::Inference)?;
    plan.fix_weights(&parameters)?;
    let views = Views {
        count: wanted.views.max(1),
        augment: match manifest.recipe.augment {
            Augment::None => Augment::FlipShift { max_shift: MAX_SHIFT },
            own => own,
        },
        seed: manifest.recipe.seed,
    };
    let total = images.len();
    let mut shown = TestSet::new(device, &samples)?;
    let scores = score(&mut plan, &parameters, &mut shown, views, stop, &mut |images| done(images, total))?;
    Ok(scores.map(|scores| {
        let evaluation = scores.evaluation(&checkpoint.classes);
        Examined { evaluation, scores, images, checkpoint }
    }))
}

/// Opens `data`, or the run's own where none is given, in that size. The run's own is divided as it was
/// for the training.
///
/// # Errors
/// Data that cannot be read; imported weights, which have none of their own.
pub fn open(
    data: Option<&String>,
    manifest: &Manifest,
    geometry: Geometry,
    observer: &mut dyn Observer,
) -> Result<DataSet, Error> {
    open_sized(data, manifest, geometry, false, observer)
}

/// The same; images of a folder are left on disk if wanted.
fn open_sized(
    data: Option<&String>,
    manifest: &Manifest,
    Geometry { height, width, .. }: Geometry,
    on_disk: bool,
    observer: &mut dyn Observer,
) -> Result<DataSet, Error> {
    let (record, augment) = (&manifest.data, manifest.recipe.augment);
    let mut options = data::Options {
        size: Some((height, width)),
        labels: record.labels,
        framing: augment.framing(),
        on_disk,
        ..data::Options::default()
    };
    let Some(source) = data.or(manifest.own_data()) else {
        return Err(Error::Mismatch(
            "the weights of this run were imported, so it has no images of its own: give --data".into(),
        ));
    };
    let own = *source == record.source;
    if own {
        options.holdout = record.holdout.as_deref().map(str::parse).transpose()?;
        options.limit = record.limit;
    }
    let data = data::open(source, &options, &mut |progress| observer.observe(Event::Loading(progress)))?;
    // Images on disk have another fingerprint than the same ones in memory.
    let comparable = on_disk == (augment == Augment::CropFlip);
    let fingerprint = record.fingerprint_of(&data);
    if own && comparable && fingerprint != record.fingerprint {
        observer.observe(Event::Warning(&format!(
            "{source} has changed since the training: its fingerprint is {fingerprint}, was {}",
            record.fingerprint
        )));
    }
    for note in &data.notes {
        observer.observe(Event::Warning(&note.to_string()));
    }
    Ok(data)
}

/// The images of the split, labelled by the place of their class among the network's.
fn relabelled(mut data: DataSet, wanted: &Examination, known: &[String]) -> Result<Images, Error> {
    let mut images = wanted.split.take(&mut data)?;
    let place = |class: &String| {
        known.iter().position(|known| known == class).map(|place| place as u32).ok_or_else(|| {
            let list = known.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
            Error::Mismatch(format!(
                "the data {} has a class '{class}' that the network does not know; it knows {list}{}",
                data.name,
                if known.len() > 10 { ", ..." } else { "" }
            ))
        })
    };
    let places = data.classes.iter().map(place).collect::<Result<Vec<u32>, Error>>()?;
    images.labels.iter_mut().for_each(|label| *label = places[*label as usize]);
    Ok(images)
}
