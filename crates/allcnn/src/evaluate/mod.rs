//! Evaluates a finished (or stopped) run on its own data or on other data, as `allcnn eval` does.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use allcnn_device::Device;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use crate::augment::{Augment, MAX_SHIFT};
use crate::data::{self, DataSet, Identities, Identity, IdentitySet, Ignored, Images, Skipped};
use crate::data_place::{self, GivenData, Opened};
use crate::data_told::tell_left_out;
use crate::evaluate::{Evaluation, Scores, TestSet, Views, expect_finite, score};
use crate::known_images;
use crate::plan::{Plan, PlanPurpose};
use crate::predict::trained;
use crate::preprocess::Geometry;
use crate::run::{Manifest, RunFolder};
use crate::samples::Samples;
use crate::shown::escaped;
pub use crate::split::{NoSplit, Split};
use crate::train::{Checkpoint, Error, Event, Observer, tell_algorithms};

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// The one with the lowest error on the images that chose it.
    #[default]
    Best,
    /// The newest.
    Last,
}

impl Which {
    /// The one that is read: where no epoch was measured, the newest stands for the best.
    pub fn at_hand(self, run: &RunFolder) -> Self {
        if run.best().exists() { self } else { Self::Last }
    }

    /// The settings of a run and its checkpoint, which has to be of the run's network.
    ///
    /// # Errors
    /// A missing or damaged file, the weights of another network.
    pub fn trained(self, run: &RunFolder) -> Result<(Manifest, Checkpoint), Error> {
        let (manifest, checkpoint) = (run.manifest()?, self.read(run)?);
        run.expect_own(&manifest, &checkpoint)?;
        Ok((manifest, checkpoint))
    }

    /// Reads the checkpoint of a run.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn read(self, run: &RunFolder) -> Result<Checkpoint, Error> {
        Ok(match self {
            Which::Best => run.read_best()?,
            Which::Last => run.read(&run.last())?,
        })
    }
}

/// What is to be evaluated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examination {
    /// Other data than that of the run.
    pub data: Option<String>,
    /// What is said of other data where it does not tell itself.
    pub reading: data::Reading,
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
    /// Whether they are of the run's own data.
    pub own: bool,
    /// The split of the data that they are.
    pub split: Split,
    /// The images that the network was trained on, where some were.
    pub trained_on: Option<TrainedOn>,
    /// Images of the data that could not be read, or have no class.
    pub skipped: Vec<Skipped>,
    /// Other files that were left out of it, by reason.
    pub ignored: Vec<Ignored>,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

/// Images of an examination that the network was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrainedOn {
    /// How many.
    pub images: usize,
    /// Whether the figures are without them.
    pub left_out: bool,
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
    let (manifest, checkpoint) = wanted.checkpoint.trained(run)?;
    let preprocessor = run.read_preprocessing()?;
    let given = wanted.data.as_deref().map(|place| GivenData { place, reading: &wanted.reading });
    let mut opened = open(given, (run, &manifest), preprocessor.geometry(), false, observer)?;
    let split = if opened.own { wanted.split } else { wanted.split.or_only(&opened.data) };
    let images = relabelled(&mut opened.data, split, &checkpoint.classes)?;
    let input = checkpoint.network.input().into();
    let samples = Samples::new(&images, &preprocessor)?.on_canvas(input);
    let batch = if wanted.batch == 0 { manifest.recipe.batch } else { wanted.batch };
    let parameters = trained(device, &checkpoint)?;
    let mut plan = Plan::new(device, &checkpoint.network, batch.min(images.len()), PlanPurpose::Inference)?;
    tell_algorithms(&plan.algorithms(), observer);
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
    let Some(scores) = scores else { return Ok(None) };
    expect_finite(&[scores.loss() as f32])?;
    let identities = samples.identities();
    drop(shown);
    drop(samples);
    let mut examined = Examined {
        evaluation: scores.evaluation(&checkpoint.classes),
        scores,
        images,
        own: opened.own,
        split,
        trained_on: None,
        skipped: opened.data.skipped.clone(),
        ignored: opened.data.ignored.clone(),
        checkpoint,
    };
    if opened.own {
        let changed = known_images::changed(run, &examined.images, &identities)?;
        if !changed.is_empty() {
            observer.observe(Event::Warning(&changed_words(&changed, examined.images.len())));
        }
    }
    if split != Split::Train || !opened.own {
        let own = Some(&opened.data).filter(|_| opened.own);
        let known = known((run, &manifest), preprocessor.geometry(), own, observer)?;
        examined.tell_trained(&identities, known.as_ref(), observer)?;
    }
    Ok(Some(examined))
}

impl Examined {
    /// Says which images the network was trained on. Of other data than the run's own they are left out of the figures,
    /// unless there are no others.
    fn tell_trained(
        &mut self,
        identities: &Identities,
        known: Option<&IdentitySet>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let Some(known) = known else { return Ok(()) };
        let trained = |identity: Option<&Identity>| identity.is_some_and(|identity| known.contains(identity));
        let total = self.images.len();
        let new: Vec<usize> =
            identities.iter().enumerate().filter(|(_, is)| !trained(*is)).map(|(place, _)| place).collect();
        let images = total - new.len();
        let left_out = !self.own && !new.is_empty();
        if images > 0 {
            let (were, are) = if images == 1 { ("was", "is") } else { ("were", "are") };
            observer.observe(Event::Warning(&if left_out {
                format!("{images} of {total} images {were} trained on; the figures are of the other {}", new.len())
            } else if self.own {
                format!("{images} of {total} {} images {are} among the training images too", self.split)
            } else {
                format!("all {total} images were trained on: the figures say what was remembered, not what is known")
            }));
        }
        if left_out && images > 0 {
            self.images = self.images.select(&new)?;
            self.scores = self.scores.select(&new);
            self.evaluation = self.scores.evaluation(&self.checkpoint.classes);
        }
        self.trained_on = Some(TrainedOn { images, left_out }).filter(|trained| trained.images > 0);
        Ok(())
    }
}

/// The images that the run was trained on. A run that did not note them, and had them in memory, is asked for its `own` data,
/// which is looked for where it is not at hand.
pub(crate) fn known(
    (run, manifest): (&RunFolder, &Manifest),
    geometry: Geometry,
    own: Option<&DataSet>,
    observer: &mut dyn Observer,
) -> Result<Option<IdentitySet>, Error> {
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
        let found = || data_place::open((run.path(), manifest), geometry, None, false, &mut |_| ());
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

/// What is told of held-out images that are others now.
fn changed_words(changed: &[String], total: usize) -> String {
    const NAMED: usize = 3;
    let named = changed.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if changed.len() > NAMED { ", ..." } else { "" };
    let are = if changed.len() == 1 { "is not what it was" } else { "are not what they were" };
    format!("{} of {total} images {are} in the training: {named}{more}", changed.len())
}

/// Opens `data`, or the run's own where none is given, in that size; with `in_memory` also where the training left the
/// images on disk. The run's own is divided as it was for the training.
///
/// # Errors
/// Data that cannot be read; imported weights, which have none of their own.
pub fn open(
    data: Option<GivenData<'_>>,
    (run, manifest): (&RunFolder, &Manifest),
    geometry: Geometry,
    in_memory: bool,
    observer: &mut dyn Observer,
) -> Result<Opened, Error> {
    let mut progress = |progress| observer.observe(Event::Loading(progress));
    let opened = data_place::open((run.path(), manifest), geometry, data, in_memory, &mut progress)?;
    let told = |note: &&data::Note| note.is_warning() && !note.is_of_training();
    for note in opened.data.notes.iter().filter(told) {
        observer.observe(Event::Warning(&note.to_string()));
    }
    tell_left_out(&opened.data, observer);
    Ok(opened)
}

/// The images of the split, labelled by the place of their class among the network's. Names that are written alike are the
/// same, in whatever Unicode form.
pub(crate) fn relabelled(data: &mut DataSet, split: Split, known: &[String]) -> Result<Images, Error> {
    let mut images = split.take(data)?;
    let alike = |name: &str| name.nfc().collect::<String>();
    let known_alike: Vec<String> = known.iter().map(|class| alike(class)).collect();
    let place = |class: &String| {
        let exact = known.iter().position(|known| known == class);
        exact.or_else(|| known_alike.iter().position(|known| *known == alike(class)))
    };
    let places: Vec<Option<usize>> = data.classes.iter().map(place).collect();
    let mut unknown = BTreeSet::new();
    for label in &mut images.labels {
        match places[*label as usize] {
            Some(place) => *label = place as u32,
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
    Err(Error::Mismatch(format!(
        "the data {} has classes that the network does not know: {}\nit knows {}",
        escaped(&data.name),
        list(unknown.into_iter().collect()),
        list(known.iter().map(String::as_str).collect())
    )))
}
