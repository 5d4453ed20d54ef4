//! A network and images small enough for the reference device, and ways to train the one on the other.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use allcnn::data::Images;
use allcnn::input::Samples;
use allcnn::net::{Init, Network};
use allcnn::observer::Event;
use allcnn::preprocess::{Geometry, Method, Preprocessor};
use allcnn::recipe::{Recipe, Schedule};
use allcnn::run::Checkpoint;
use allcnn::run::RunFolder;
use allcnn::train::{Limits, Outcome, Task, TrainError, Trainer};
use allcnn_device::random::{Purpose, Stream};
use allcnn_device::{Device, Reference, SingleProcess};

pub(crate) const SIDE: usize = 8;

/// Three convolutions with dropout at every place that can have it.
pub(crate) fn network() -> Network {
    Network::from_toml(
        "name = \"tiny\"\ninput = [8, 8, 3]\nclasses = 3\ninput_dropout = 0.1\n\
         layers = [ { conv = 6, kernel = 3 }, { conv = 8, kernel = 3, stride = 2, dropout = 0.2 },\n\
         { conv = 3, kernel = 1 }, { global_average = true } ]\n",
    )
    .unwrap()
}

/// Layers that compete, draw and learn.
pub(crate) fn kinds() -> Network {
    Network::from_toml(
        "name = \"kinds\"\ninput = [8, 8, 3]\nclasses = 3\ninput_dropout = 0.1\n\
         layers = [ { conv = 6, kernel = 3 }, { pool = \"stochastic\", kernel = 3, stride = 2, dropout = 0.2 },\n\
         { conv = 8, kernel = 3, activation = \"identity\" }, { lwta = 2, dropout = 0.2 }, { probout = 2 },\n\
         { pool = \"learned-norm\", kernel = 2, stride = 2, dropout = 0.2 },\n\
         { conv = 3, kernel = 1 }, { global_average = true } ]\n",
    )
    .unwrap()
}

/// Layers without shared filters: locally connected ones, dropout of channels, and DropConnect.
pub(crate) fn unshared() -> Network {
    Network::from_toml(
        "name = \"unshared\"\ninput = [8, 8, 3]\nclasses = 3\ninput_dropout = 0.1\n\
         layers = [ { conv = 6, kernel = 3, stride = 2, channel_dropout = 0.2 }, { local = 5, kernel = 3, dropout = 0.2 },\n\
         { local = 4, kernel = 3, stride = 2 },\n\
         { conv = 8, kernel = 2, padding = \"valid\", drop_connect = 0.5, dropout = 0.2 },\n\
         { conv = 3, kernel = 1, activation = \"identity\" } ]\n",
    )
    .unwrap()
}

pub(crate) fn classes() -> Vec<String> {
    ["across", "down", "plain"].map(String::from).to_vec()
}

/// Stripes across, stripes down, or none, of random color and strength, with noise.
pub(crate) fn images(count: usize, seed: u64) -> Images {
    let mut images = Images::new(SIDE, SIDE);
    for index in 0..count {
        let mut random = Stream::new(seed, Purpose::Test, 0, index as u32).sequence();
        let label = index % 3;
        let color = [random.range(40.0, 120.0), random.range(40.0, 120.0), random.range(40.0, 120.0)];
        for row in 0..SIDE {
            for column in 0..SIDE {
                let stripe = [row % 2, column % 2, 0][label] as f32 * 90.0;
                let pixel = color.map(|value| (value + stripe + random.range(-15.0, 15.0)) as u8);
                images.pixels.extend(pixel);
            }
        }
        images.labels.push(label as u32);
        images.names.push(format!("{index:04}.png"));
    }
    images
}

pub(crate) fn recipe() -> Recipe {
    Recipe {
        epochs: 3,
        batch: 8,
        learning_rate: 0.1,
        schedule: Schedule::Constant,
        seed: 11,
        init: Init::He,
        table1_dropout: None,
        dropout: None,
        ..Recipe::quick()
    }
}

/// When to stop and to save.
pub(crate) struct Pace {
    pub deadline: Option<Instant>,
    pub save_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { deadline: None, save_every: Duration::from_secs(300) }
    }
}

/// Images with the preprocessing fitted on the training ones.
pub(crate) struct Data {
    pub train: Images,
    pub validation: Images,
    pub test: Images,
    pub preprocessor: Preprocessor,
    /// What is trained, unless another network is given.
    pub network: Network,
    /// The number of frozen layers.
    pub frozen: usize,
}

impl Data {
    pub(crate) fn new(train: usize, test: usize) -> Self {
        let (train, test) = (images(train, 1), images(test, 2));
        let geometry = Geometry { height: SIDE, width: SIDE, channels: 3 };
        let preprocessor = Preprocessor::fit(Method::MeanStd, &train.pixels, geometry).unwrap();
        Self { train, validation: Images::new(SIDE, SIDE), test, preprocessor, network: network(), frozen: 0 }
    }

    /// The same with validation images.
    pub(crate) fn with_validation(train: usize, validation: usize, test: usize) -> Self {
        Self { validation: images(validation, 3), ..Self::new(train, test) }
    }

    /// Trains `network` in `folder`, from `checkpoint` where there is one; `observer` gets the stop flag too.
    pub(crate) fn train_with(
        &self,
        network: &Network,
        recipe: &Recipe,
        folder: &Path,
        checkpoint: Option<&Checkpoint>,
        pace: Pace,
        observer: impl FnMut(Event<'_>, &AtomicBool),
    ) -> Result<Outcome, TrainError> {
        self.train_on(&Reference, network, recipe, folder, checkpoint, pace, observer)
    }

    /// The same on another device.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn train_on<D: Device>(
        &self,
        device: &D,
        network: &Network,
        recipe: &Recipe,
        folder: &Path,
        checkpoint: Option<&Checkpoint>,
        pace: Pace,
        mut observer: impl FnMut(Event<'_>, &AtomicBool),
    ) -> Result<Outcome, TrainError> {
        let run = RunFolder::create(folder).or_else(|_| {
            std::fs::write(folder.join("run.toml"), "").unwrap();
            RunFolder::open(folder)
        })?;
        let [train, validation, test] = [&self.train, &self.validation, &self.test]
            .map(|images| Samples::new(images, &self.preprocessor).unwrap());
        let (classes, validation) = (classes(), Some(&validation).filter(|images| !images.is_empty()));
        let (train, test, classes) = (&train, &test, &classes[..]);
        let task =
            Task { network, classes, recipe, train, validation, test, begun: &[], frozen: self.frozen };
        let mut trainer = Trainer::new(device, &SingleProcess, task)?;
        if let Some(checkpoint) = checkpoint {
            trainer.resume(checkpoint)?;
        }
        let stop = AtomicBool::new(false);
        let limits = Limits { deadline: pace.deadline, save_every: pace.save_every, ..Limits::until(&stop) };
        trainer.run(&run, &limits, &mut |event: Event<'_>| observer(event, &stop))
    }

    /// Trains to the end without a stop.
    pub(crate) fn train(&self, recipe: &Recipe, folder: &Path) -> Result<Outcome, TrainError> {
        self.train_with(&self.network, recipe, folder, None, Pace::default(), |_, _| ())
    }
}

/// A checkpoint without what depends on the clock.
pub(crate) fn timeless(mut checkpoint: Checkpoint) -> Checkpoint {
    checkpoint.progress.seconds = 0.0;
    checkpoint.progress.epoch_seconds = 0.0;
    for row in &mut checkpoint.progress.history {
        (row.seconds, row.images_per_s) = (0.0, 0.0);
    }
    checkpoint
}

/// The last checkpoint in a folder, without what depends on the clock.
pub(crate) fn last(folder: &Path) -> Checkpoint {
    timeless(Checkpoint::read(&folder.join("last.safetensors")).unwrap())
}

pub(crate) fn best(folder: &Path) -> Checkpoint {
    timeless(Checkpoint::read(&folder.join("best.safetensors")).unwrap())
}
