//! The events of a training, and the trait that receives them.

use allcnn_device::Algorithm;

use super::cost::Cost;
use super::times::Times;
use crate::data;
use crate::preprocess::Method;
use crate::run::EpochRow;

/// Something that happened during a training.
#[derive(Debug)]
pub enum Event<'a> {
    /// The data is being read.
    Loading(data::Progress),
    /// Files of the data were ignored.
    LeftOut(&'a data::Ignored),
    /// The preprocessing is being fitted.
    Fitting(Method),
    /// The number of steps was chosen to fit the time limit.
    Planned {
        /// The measured cost of steps and evaluations.
        cost: Cost,
        /// The steps that fit.
        total_steps: u64,
    },
    /// The number of epochs was chosen for the number of training images.
    LengthFitted {
        /// The measured cost of steps and evaluations.
        cost: Cost,
        /// The steps of the training.
        total_steps: u64,
        /// Steps per full epoch.
        epoch_steps: u64,
    },
    /// The error was not lower for as many epochs as the recipe is patient: the training ends.
    StoppedEarly {
        /// The epoch that was just done.
        epoch: u32,
        /// The epoch with the lowest error.
        best_epoch: u32,
    },
    /// The last epoch was slower than planned: the number of steps was reduced to finish within the time limit.
    Shortened {
        /// The new total of steps.
        total_steps: u64,
    },
    /// The first step is about to begin.
    Started {
        /// Steps done by earlier sessions.
        step: u64,
        /// Total steps.
        total_steps: u64,
        /// Steps per full epoch.
        epoch_steps: u64,
        /// Training images.
        train_images: usize,
        /// Validation images; if there are any, they select the best epoch.
        validation_images: usize,
        /// Test images.
        test_images: usize,
        /// The names of the classes.
        classes: &'a [String],
    },
    /// A step is done.
    Step {
        /// Steps done, including this one.
        step: u64,
        /// Total steps.
        total_steps: u64,
        /// The epoch, from 1.
        epoch: u32,
        /// The step's mean loss.
        loss: f64,
        /// The step's learning rate.
        learning_rate: f64,
        /// Images per second in this epoch (in this session).
        images_per_s: f64,
    },
    /// Held-out images are being evaluated.
    Evaluating {
        /// Images evaluated so far.
        done: usize,
        /// Images to evaluate.
        total: usize,
    },
    /// Images are being explained.
    Explaining {
        /// Images explained so far.
        done: usize,
        /// Images to explain.
        total: usize,
    },
    /// An epoch was completed and evaluated.
    Epoch {
        /// Its metrics.
        row: &'a EpochRow,
        /// Whether it has the lowest error so far on the images that select the best epoch.
        best: bool,
    },
    /// A checkpoint was written to disk.
    Saved {
        /// The number of steps it contains.
        step: u64,
    },
    /// A detail of the execution, for verbose output.
    Detail(&'a str),
    /// The times of this session by phase; reported once, at its end.
    Times(&'a Times),
    /// How the data was read, if as expected.
    Note(&'a str),
    /// The images are much larger than the network takes them.
    Shrunk {
        /// What was noted.
        note: &'a str,
        /// Height and width of an input that keeps more of them.
        larger: (usize, usize),
    },
    /// A problem that the user should know about; the training continues.
    Warning(&'a str),
}

/// Receives the events of a training, in order, on the training thread.
pub trait Observer {
    /// Handles `event`.
    fn observe(&mut self, event: Event<'_>);
}

/// Ignores all events.
impl Observer for () {
    fn observe(&mut self, _: Event<'_>) {}
}

impl<F: FnMut(Event<'_>)> Observer for F {
    fn observe(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// Reports the algorithms chosen for each convolution: forward, backward-data, backward-weights.
pub(crate) fn report_algorithms(chosen: &[(&str, [Algorithm; 3])], observer: &mut dyn Observer) {
    for (layer, passes) in chosen {
        let [forward, data, weights] = passes.map(|pass| pass.name);
        let text = format!("{layer}: forward {forward}, backward-data {data}, backward-weights {weights}");
        observer.observe(Event::Detail(&text));
    }
}
