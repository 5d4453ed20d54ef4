//! A run as it is exported: weights, classes, preprocessing.

use super::error::ExportError;
use crate::input::InputTransform;
use crate::parameters::Tensor;
use crate::run::{Checkpoint, Manifest, RunError, RunFolder, WhichCheckpoint};

/// The trained network of a run, with all that it takes to use it.
pub struct Trained {
    /// Which checkpoint it is.
    pub which: WhichCheckpoint,
    /// The settings of the run.
    pub manifest: Manifest,
    /// Network, classes and weights.
    pub checkpoint: Checkpoint,
    /// From pictures to the network's input.
    pub transform: InputTransform,
}

impl Trained {
    /// Reads a run.
    ///
    /// # Errors
    /// A run without weights, or a damaged one.
    pub fn open(run: &RunFolder, which: WhichCheckpoint) -> Result<Self, RunError> {
        let (manifest, checkpoint) = which.trained(run)?;
        let transform = run.input_transform(&checkpoint.network)?;
        Ok(Self { which: which.at_hand(run), manifest, checkpoint, transform })
    }

    /// The weights and the bias of a convolution, or center and rho of a learned norm.
    pub(super) fn tensors_of(&self, layer: &str) -> Option<[&Tensor; 2]> {
        let find = |part: &str| {
            let name = format!("{layer}.{part}");
            self.checkpoint.values.iter().find(|tensor| tensor.name == name)
        };
        let both = |parts: [&str; 2]| Some([find(parts[0])?, find(parts[1])?]);
        both(["weight", "bias"]).or_else(|| both(["center", "rho"]))
    }

    /// The names of the classes as a JSON list.
    pub(super) fn classes_json(&self) -> Result<String, ExportError> {
        serde_json::to_string(&self.checkpoint.classes).map_err(|error| ExportError::Wrong(error.to_string()))
    }
}
