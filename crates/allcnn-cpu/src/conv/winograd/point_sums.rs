//! Where the sums of backward-weights lie: dU, the gradients of the weights at the points, and those of the bias.

use super::tiling::Tiling;
use crate::products::f32::Panels;

/// dU, [point][panel][input channel][stored column], and the gradients of the bias behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PointSums {
    pub(super) tiling: Tiling,
    pub(super) panels: Panels,
    /// Input channels, zero-padded to whole tiles.
    pub(super) depth: usize,
}

impl PointSums {
    /// Values of one point of dU.
    pub(super) fn point_len(&self) -> usize {
        self.depth * self.panels.stored_all()
    }

    /// Where a panel starts in a point.
    pub(super) fn panel_start(&self, panel: usize) -> usize {
        self.depth * self.panels.stored_before(panel)
    }

    /// Where the sums for the bias begin.
    pub(super) fn bias_start(&self) -> usize {
        self.tiling.scheme.products() * self.point_len()
    }

    /// All values.
    pub(super) fn len(&self) -> usize {
        self.bias_start() + self.panels.stored_all()
    }
}
