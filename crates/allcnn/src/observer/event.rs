//! What a training tells while it runs, and where it is told.

use allcnn_device::Algorithm;

use super::cost::Cost;
use super::times::Times;
use crate::data;
use crate::preprocess::Method;
use crate::run::EpochRow;

/// Something that happened in a training.
#[derive(Debug)]
pub enum Event<'a> {
    /// The data is being read.
    Loading(data::Progress),
    /// Files of the data were left out.
    LeftOut(&'a data::Ignored),
    /// The preprocessing is being fitted.
    Fitting(Method),
    /// The length of the training was chosen to fit the time limit.
    Planned {
        /// What a step and an evaluation cost.
        cost: Cost,
        /// The steps that fit.
        total_steps: u64,
    },
    /// The last epoch was slower than planned: the training was cut shorter, to end within the time limit.
    Shortened {
        /// The steps that remain of the whole training.
        total_steps: u64,
    },
    /// The first step is about to begin.
    Started {
        /// Steps done before (of a resumed training).
        step: u64,
        /// Steps of the whole training.
        total_steps: u64,
        /// Steps of a full epoch.
        epoch_steps: u64,
        /// Training images.
        train_images: usize,
        /// Validation images; they choose the best epoch where there are some.
        validation_images: usize,
        /// Test images.
        test_images: usize,
        /// The names of the classes.
        classes: &'a [String],
    },
    /// A step is done.
    Step {
        /// Steps done, this one included.
        step: u64,
        /// Steps of the whole training.
        total_steps: u64,
        /// The epoch, from 1.
        epoch: u32,
        /// The mean loss of its images.
        loss: f64,
        /// The learning rate that it used.
        learning_rate: f64,
        /// Images a second since the epoch (or the resumed part of it) began.
        images_per_s: f64,
    },
    /// Held-out images are being measured.
    Evaluating {
        /// Images that were measured.
        done: usize,
        /// Images to measure.
        total: usize,
    },
    /// An epoch is done and evaluated.
    Epoch {
        /// Its figures.
        row: &'a EpochRow,
        /// True when no epoch before had so low an error on the images that choose the best one.
        best: bool,
    },
    /// A checkpoint is safely on the disk.
    Saved {
        /// The steps that it holds.
        step: u64,
    },
    /// How something is done, for those who want to know.
    Detail(&'a str),
    /// Where the time of this session went; told once, at its end.
    Times(&'a Times),
    /// How the data was read, where that is as it should be.
    Note(&'a str),
    /// Something that a person should know: the training goes on.
    Warning(&'a str),
}

/// Receives the events of a training, in order, on the thread that trains.
pub trait Observer {
    /// Takes note of `event`.
    fn observe(&mut self, event: Event<'_>);
}

/// Ignores everything.
impl Observer for () {
    fn observe(&mut self, _: Event<'_>) {}
}

impl<F: FnMut(Event<'_>)> Observer for F {
    fn observe(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// Tells which algorithms were chosen for each convolution: forward, backward-data, backward-weights.
pub(crate) fn tell_algorithms(chosen: &[(&str, [Algorithm; 3])], observer: &mut dyn Observer) {
    for (layer, passes) in chosen {
        let [forward, data, weights] = passes.map(|pass| pass.name);
        let text = format!("{layer}: forward {forward}, backward-data {data}, backward-weights {weights}");
        observer.observe(Event::Detail(&text));
    }
}
