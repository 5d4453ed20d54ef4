//! What to evaluate, and how.

use crate::data::Reading;
use crate::run::WhichCheckpoint;
use crate::split::Split;

/// What to evaluate, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluateOptions {
    /// Data to evaluate in place of the run's own.
    pub data: Option<String>,
    /// How to read that data where its format leaves that open.
    pub reading: Reading,
    /// The split to evaluate.
    pub split: Split,
    /// The checkpoint to evaluate.
    pub checkpoint: WhichCheckpoint,
    /// Whether to use calibrated probabilities, which needs the checkpoint's temperature.
    pub calibrated: bool,
    /// Views per image: with 0 or 1 the unaugmented image only; more add views augmented as in the training, or
    /// flipped and shifted if the training did not augment.
    pub views: u32,
    /// Batch size; 0 for the run's own.
    pub batch: usize,
}
