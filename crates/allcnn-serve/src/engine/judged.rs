//! A run's answers for its held-out images.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use allcnn::data::Images;
use allcnn::evaluate::{EvaluateOptions, evaluate};
use allcnn::score::{Evaluation, Scores};
use allcnn::split::Split;
use allcnn_device::Device;

use super::error::EngineError;
use crate::runs::OpenRun;

/// A run's answers for its held-out images.
pub(crate) struct Judged {
    pub run: Arc<OpenRun>,
    pub evaluation: Evaluation,
    pub scores: Scores,
    pub images: Images,
    pub split: Split,
}

impl Judged {
    /// Evaluates a run until `stop` is set.
    pub(super) fn new<D: Device>(
        device: &D,
        run: &Arc<OpenRun>,
        stop: &AtomicBool,
    ) -> Result<Self, EngineError> {
        let evaluated = evaluate(device, &run.folder, &EvaluateOptions::default(), stop, &mut ())?;
        let evaluated = evaluated.ok_or(EngineError::Ended)?;
        let (evaluation, scores) = (evaluated.evaluation, evaluated.scores);
        Ok(Self {
            run: Arc::clone(run),
            evaluation,
            scores,
            images: evaluated.images,
            split: evaluated.split,
        })
    }

    /// The images of class `label` that were taken for class `predicted`, or all that were taken for a wrong one; the surest
    /// answers first.
    pub(crate) fn images_of(&self, cell: Option<(u32, u32)>) -> Vec<usize> {
        let scores = &self.scores;
        let is_wanted = |&image: &usize| {
            let (label, predicted) = (scores.labels[image], scores.predicted(image));
            cell.map_or(label != predicted, |cell| cell == (label, predicted))
        };
        let mut images: Vec<usize> = (0..scores.labels.len()).filter(is_wanted).collect();
        images.sort_by(|&one, &other| scores.probability(other).total_cmp(&scores.probability(one))); // stable
        images
    }
}
