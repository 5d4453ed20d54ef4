//! Training or testing: what a pass draws, and from which numbers.

use allcnn_device::{Device, Dropout, RegionDraw, Sampling};

use crate::net::{LayerKind, evaluation_draw};

/// Training or evaluation mode of a pass (compare `train()` and `eval()` in PyTorch).
pub enum Mode<'s, D: Device> {
    /// With dropout, random fractional pooling regions, and values that poolings draw, all from the step number and the seed. The
    /// regions are those of all shards of a batch.
    Train {
        /// The step.
        step: &'s D::Step,
        /// The seed of the training.
        seed: u64,
        /// Which part of the step's batch this is, from 0: each has masks and drawn values of its own.
        shard: u16,
    },
    /// Without dropout, with fixed fractional pooling regions ([`super::Plan::set_view`]), and with the expectation of what poolings draw.
    Evaluate,
}

impl<D: Device> Clone for Mode<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Device> Copy for Mode<'_, D> {}

impl<'s, D: Device> Mode<'s, D> {
    /// A dropout of values in the buffer `slot`, and the step that seeds its mask; `None` without dropout.
    pub(super) fn dropout(self, rate: f32, slot: usize) -> Option<(Dropout, &'s D::Step)> {
        match self {
            Self::Train { step, seed, shard } if rate > 0.0 => {
                let layer = u32::from(shard) << 16 | slot as u32;
                Some((Dropout { rate, seed, layer, channels: None }, step))
            }
            _ => None,
        }
    }

    /// The dropout of a layer that writes `slot`. Whole channels are dropped in all shards alike.
    pub(super) fn layer_dropout(self, kind: &LayerKind, slot: usize) -> Option<(Dropout, &'s D::Step)> {
        let (dropout, step) = self.dropout(kind.dropout(), slot)?;
        let channels = kind.dropped_channels();
        let layer = if channels.is_some() { slot as u32 } else { dropout.layer };
        Some((Dropout { layer, channels, ..dropout }, step))
    }

    /// The masks of the weights of a layer that writes `slot`; `None` in testing.
    pub(super) fn drop_connect(self, rate: f32, slot: usize) -> Option<(Dropout, &'s D::Step)> {
        const OF_WEIGHTS: u32 = 1 << 15; // the layer's dropout of values has numbers of its own
        let (dropout, step) = self.dropout(rate, slot)?;
        Some((Dropout { layer: dropout.layer | OF_WEIGHTS, ..dropout }, step))
    }

    /// What a pooling that writes `slot` draws its values from, and the step; `None` where it computes their expectation.
    pub(super) fn sampling(self, slot: usize) -> Option<(Sampling, &'s D::Step)> {
        match self {
            Self::Train { step, seed, shard } => {
                Some((Sampling { seed, layer: u32::from(shard) << 16 | slot as u32 }, step))
            }
            Self::Evaluate => None,
        }
    }

    /// The random draw for the fractional pooling that writes `slot`; outside training the step is `view`.
    pub(super) fn regions(self, slot: usize, view: &'s D::Step) -> (RegionDraw, &'s D::Step) {
        match self {
            Self::Train { step, seed, .. } => (RegionDraw { seed, layer: slot as u32 }, step),
            Self::Evaluate => (evaluation_draw(slot), view),
        }
    }
}
