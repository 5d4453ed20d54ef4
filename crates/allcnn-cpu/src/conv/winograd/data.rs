//! Forward and backward-data. Going back is going forward from d_output with the weights rotated and transposed.

use allcnn_device::ConvShape;

use super::super::destination::Destination;
use super::super::pass::{DataPass, Declined, Direction};
use super::chunk::Chunk;
use super::data_plan::DataPlan;
use super::to_points;
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::epilogue::Finish;

/// The algorithm, prepared for one shape and direction.
#[derive(Debug)]
pub(in super::super) struct Winograd {
    plan: DataPlan,
    workers: usize,
}

impl Winograd {
    /// Takes shapes that have transforms, where these pay.
    pub(in super::super) fn choose(
        shape: ConvShape,
        direction: Direction,
        engine: &Engine,
    ) -> Result<Box<dyn DataPass>, Declined> {
        let plan = DataPlan::new(&shape, direction, engine)?;
        Ok(Box::new(Self { plan, workers: engine.threads().count() }))
    }
}

impl DataPass for Winograd {
    fn name(&self) -> &'static str {
        "winograd"
    }

    fn weights_len(&self) -> usize {
        self.plan.weights_len()
    }

    fn prepare(&self, engine: &Engine, weights: &[f32], transformed: &mut [f32]) {
        to_points::transform(&self.plan, engine, weights, transformed);
    }

    fn multiply_adds(&self) -> usize {
        self.plan.tiling.multiply_adds()
    }

    fn workspace_len(&self) -> usize {
        self.plan.stride + self.workers * self.plan.scratch_len()
    }

    fn compute(
        &self,
        engine: &Engine,
        source: &Buffer,
        weights: &[f32],
        finish: Finish<'_>,
        destination: &mut Buffer,
        workspace: &mut [f32],
    ) {
        let plan = &self.plan;
        let (outside, scratch) = workspace.split_at_mut(plan.stride);
        outside.fill(0.0);
        let outside = &*outside;
        let destination = Destination::new(destination, plan.tiling.destination.channels, finish);
        engine.threads().run_with_scratch(plan.units(), scratch, plan.scratch_len(), |unit, slots| {
            let (tiles, panels) = (plan.tiles(unit), plan.panels(unit));
            Chunk { plan, source, weights, outside, tiles, panels, destination, slots }.compute(engine);
        });
    }
}
