//! Preparation of a training: data, fitted preprocessing, preprocessed splits.

use super::beginning::Beginning;
use super::error::TrainError;
use super::task::Task;
use crate::augment::{Augment, MIN_ROOM};
use crate::data::{self, DataSet, Images, Note};
use crate::input::Samples;
use crate::net::Network;
use crate::observer::{Event, Observer, Phase, Stopwatch, larger_input, report_left_out};
use crate::preprocess::{Cache, Geometry, Preprocessor};
use crate::recipe::Recipe;
use crate::run::{Manifest, RunFolder, TrainRequest};
use crate::text::shown::escaped;

/// For images on disk, the preprocessing is fitted on at most this number.
const FITTED_FILES: usize = 1000;

/// Finds the data of a resumed run, and where it is now, which is recorded if it is new.
pub(super) fn find(
    run: &RunFolder,
    manifest: &mut Manifest,
    request: &TrainRequest,
    network: &Network,
    stopwatch: &mut Stopwatch,
    observer: &mut dyn Observer,
) -> Result<(String, DataSet), TrainError> {
    let given = Some(request.data.as_str()).filter(|given| *given != manifest.data.source);
    let (location, mut data) = manifest.data.find(run.path(), given, &mut |location| {
        load(&TrainRequest { data: location.into(), ..request.clone() }, network, stopwatch, observer)
    })?;
    if manifest.data.validation_images == 0 && !data.validation.is_empty() {
        data.validation = Images::default();
        observer
            .observe(Event::Warning("the validation images are not used: this run was begun without them"));
    }
    if manifest.data.record_new_location(&location, given.is_some(), run.path()) {
        run.write_manifest(manifest)?;
    }
    Ok((location, data))
}

/// The preprocessed splits of a data set.
pub(super) struct Splits<'a> {
    pub(super) train: Samples<'a>,
    pub(super) validation: Option<Samples<'a>>,
    pub(super) test: Samples<'a>,
}

impl<'a> Splits<'a> {
    pub(super) fn of(
        data: &'a DataSet,
        preprocessor: &'a Preprocessor,
        network: &Network,
    ) -> Result<Self, TrainError> {
        let samples = |images: &'a Images| -> Result<Samples<'a>, TrainError> {
            Ok(Samples::new(images, preprocessor)?.on_canvas(network.input().into()))
        };
        let validation = Some(&data.validation).filter(|images| !images.is_empty());
        Ok(Self {
            train: samples(&data.train)?,
            validation: validation.map(samples).transpose()?,
            test: samples(&data.test)?,
        })
    }

    /// The splits that there are.
    pub(super) fn all(&self) -> impl Iterator<Item = &Samples<'a>> {
        [&self.train].into_iter().chain(&self.validation).chain([&self.test])
    }

    /// The training task on these splits.
    pub(super) fn task<'b>(
        &'b self,
        network: &'b Network,
        classes: &'b [String],
        recipe: &'b Recipe,
        beginning: &'b Beginning,
    ) -> Task<'b> {
        let Self { train, validation, test } = self;
        let (begun, frozen) = (beginning.tensors(), beginning.frozen);
        Task { network, classes, recipe, train, validation: validation.as_ref(), test, begun, frozen }
    }
}

/// Opens the data resized to the network's input; for heavy augmentation in its own size, as the network's input
/// is a larger canvas.
pub(super) fn load(
    request: &TrainRequest,
    network: &Network,
    stopwatch: &mut Stopwatch,
    observer: &mut dyn Observer,
) -> Result<DataSet, TrainError> {
    let (input, augment) = (network.input(), request.recipe.augment);
    if input.channels != 3 {
        return Err(TrainError::Mismatch(format!(
            "the network {} takes pictures of {} channels, expected 3 (RGB)",
            network.name(),
            input.channels
        )));
    }
    let options = data::Options {
        size: (augment != Augment::Heavy).then_some((input.height, input.width)),
        holdout: request.holdout,
        validation: request.validation(),
        fold: request.fold.clone(),
        reading: request.reading.clone(),
        labels: request.labels,
        limit: request.limit,
        framing: request.framing.unwrap_or_else(|| augment.framing()),
        on_disk: augment == Augment::CropFlip,
        ..data::Options::default()
    };
    let mut tell = |progress: data::Progress| {
        stopwatch.begin(Phase::of(progress.stage));
        observer.observe(Event::Loading(progress));
    };
    let data = data::open(&request.data, &options, &mut tell)?;
    stopwatch.end();
    if data.train.is_empty() {
        return Err(TrainError::Mismatch(format!(
            "{} has a test split only: nothing to train on\n\
             give --holdout 10% to train on these images and test on the last tenth of each class",
            escaped(&data.name)
        )));
    }
    // Patience alone asks for validation images, wherever they are from.
    let is_unasked = |note: &&Note| **note == Note::OwnValidation && request.validation.is_none();
    for note in data.notes.iter().filter(|note| !is_unasked(note)) {
        let text = note.to_string();
        observer.observe(match larger_input(note, network) {
            Some(larger) => Event::Shrunk { note: &text, larger },
            None if note.is_warning() => Event::Warning(&text),
            None => Event::Note(&text),
        });
    }
    report_left_out(&data, observer);
    let (height, width) = (data.train.height, data.train.width);
    if augment == Augment::Heavy && (input.height < MIN_ROOM * height || input.width < MIN_ROOM * width) {
        return Err(TrainError::Mismatch(format!(
            "heavy augmentation moves the images ({height}x{width}) on a canvas of at least {MIN_ROOM} times their \
             sides, the network {} takes {}x{}\ngive --model large-all-cnn, another --input or --augment flip-shift; in a sweep \
             leave the network out with --models",
            network.name(),
            input.height,
            input.width
        )));
    }
    Ok(data)
}

/// The preprocessing: that of the weights to begin with, or fitted on the training images, or read from the cache.
pub(super) fn fit(
    request: &TrainRequest,
    beginning: &mut Beginning,
    data: &DataSet,
    observer: &mut dyn Observer,
) -> Result<Preprocessor, TrainError> {
    let geometry = Geometry { height: data.train.height, width: data.train.width, channels: 3 };
    let recipe = &request.recipe;
    if let Some(preprocessor) = beginning.take_preprocessor(recipe.preprocess, geometry) {
        observer.observe(Event::Note(&format!(
            "preprocessing {}, as it was fitted for these weights",
            recipe.preprocess
        )));
        return Ok(preprocessor);
    }
    if request.from.is_some() {
        observer.observe(Event::Note(&format!(
            "preprocessing {}, fitted anew on these images",
            recipe.preprocess
        )));
    }
    observer.observe(Event::Fitting(recipe.preprocess));
    let pixels = &data.train.sample(FITTED_FILES)?;
    let Ok(folder) = data::data_folder() else {
        return Ok(Preprocessor::fit(recipe.preprocess, pixels, geometry)?);
    };
    let folder = folder.join("preprocess");
    let (preprocessor, cache) =
        Preprocessor::fit_cached(recipe.preprocess, &data.fingerprint, &folder, pixels, geometry)?;
    if let Cache::NotStored(reason) = cache {
        observer
            .observe(Event::Warning(&format!("the preprocessing could not be kept for next time: {reason}")));
    }
    Ok(preprocessor)
}
