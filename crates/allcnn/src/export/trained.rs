//! A run as it is exported: weights, classes, preprocessing.

use super::error::ExportError;
use crate::input::InputTransform;
use crate::parameters::Tensor;
use crate::run::{Checkpoint, Manifest, RunFolder, WhichCheckpoint};

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
    pub fn open(run: &RunFolder, which: WhichCheckpoint) -> Result<Self, ExportError> {
        let (manifest, checkpoint) = which.trained(run)?;
        let transform = run.input_transform(&checkpoint.network)?;
        Ok(Self { which: which.at_hand(run), manifest, checkpoint, transform })
    }

    /// The weights and the bias of a layer.
    pub(super) fn tensors_of(&self, layer: &str) -> Option<[&Tensor; 2]> {
        let find = |part: &str| {
            let name = format!("{layer}.{part}");
            self.checkpoint.values.iter().find(|tensor| tensor.name == name)
        };
        Some([find("weight")?, find("bias")?])
    }

    /// The names of the classes as a JSON list.
    pub(super) fn classes_json(&self) -> Result<String, ExportError> {
        serde_json::to_string(&self.checkpoint.classes).map_err(|error| ExportError::Wrong(error.to_string()))
    }
}
