//! Backward-weights in the transformed domain with products in f32: dU[point] = sum over tiles of V[point]t Z[point], then
//! dw = Gt dU G.

use allcnn_device::ConvShape;

use super::super::pass::{Declined, WeightsPass};
use super::batch::Batches;
use super::batch_plan::BatchPlan;
use super::from_points;
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::threads::SharedMut;

/// The algorithm, prepared for one shape.
#[derive(Debug)]
pub(super) struct WinogradBatches {
    plan: BatchPlan,
    workers: usize,
}

impl WinogradBatches {
    /// Takes shapes that have transforms, where these pay.
    pub(super) fn choose(shape: &ConvShape, engine: &Engine) -> Result<Box<dyn WeightsPass>, Declined> {
        Ok(Box::new(Self { plan: BatchPlan::new(shape, engine)?, workers: engine.threads().count() }))
    }
}

impl WeightsPass for WinogradBatches {
    fn name(&self) -> &'static str {
        "winograd"
    }

    fn multiply_adds(&self) -> usize {
        self.plan.sums.tiling.multiply_adds()
    }

    fn workspace_len(&self) -> usize {
        let plan = &self.plan;
        plan.parts * plan.sums.len() + self.workers * plan.scratch_len() + plan.outside()
    }

    fn compute(
        &self,
        engine: &Engine,
        input: &Buffer,
        d_output: &Buffer,
        d_weights: &mut [f32],
        d_bias: &mut [f32],
        workspace: &mut [f32],
    ) {
        let (plan, copy_len) = (&self.plan, self.plan.sums.len());
        let (copies, rest) = workspace[..self.workspace_len()].split_at_mut(plan.parts * copy_len);
        let (outside, scratch) = rest.split_at_mut(plan.outside());
        outside.fill(0.0);
        let (outside, shared) = (&*outside, SharedMut::new(copies));
        engine.threads().run_with_scratch(plan.shares(), scratch, plan.scratch_len(), |share, scratch| {
            let share = plan.share(share);
            let copy = shared.part(share.part * copy_len..(share.part + 1) * copy_len);
            Batches { plan, input, d_output, outside, share, scratch, copy }.compute(engine);
        });
        from_points::finish(&plan.sums, engine, copies, d_weights, d_bias);
    }
}
