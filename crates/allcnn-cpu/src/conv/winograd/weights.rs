//! Backward-weights in the transformed domain: dU[point] = sum over tiles of V[point]t Z[point], then dw = Gt dU G.

use allcnn_device::ConvShape;

use super::super::pass::{Declined, WeightsPass};
use super::batches::WinogradBatches;
use super::from_points;
use super::job::{Job, Slots};
use super::products::Products;
use super::weights_plan::WeightsPlan;
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::threads::SharedMut;

/// The algorithm, prepared for one shape.
#[derive(Debug)]
pub(in super::super) struct WinogradWeights {
    plan: WeightsPlan,
    workers: usize,
}

impl WinogradWeights {
    /// Takes shapes that have transforms, where these pay.
    pub(in super::super) fn choose(
        shape: ConvShape,
        engine: &Engine,
    ) -> Result<Box<dyn WeightsPass>, Declined> {
        let plan = WeightsPlan::new(&shape, engine)?;
        if plan.products == Products::F32 {
            return WinogradBatches::choose(&shape, engine);
        }
        Ok(Box::new(Self { plan, workers: engine.threads().count() }))
    }
}

impl WeightsPass for WinogradWeights {
    fn name(&self) -> &'static str {
        self.plan.products.name()
    }

    fn multiply_adds(&self) -> usize {
        self.plan.tiling.multiply_adds()
    }

    fn workspace_len(&self) -> usize {
        let plan = &self.plan;
        plan.parts * plan.copy_len() + self.workers * plan.layout().end + plan.outside()
    }

    fn takes_pairs(&self) -> bool {
        self.plan.products == Products::Bf16
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
        let plan = &self.plan;
        let (input, d_output) = (input.stored(), d_output.stored());
        let (copies, rest) = workspace.split_at_mut(plan.parts * plan.copy_len());
        let (outside, scratch) = rest.split_at_mut(plan.outside());
        outside.fill(0.0);
        let (outside, layout, copy_len) = (&*outside, plan.layout(), plan.copy_len());
        let shared = SharedMut::new(copies);
        engine.threads().run_with_scratch(plan.units(), scratch, layout.end, |unit, scratch| {
            let (unit, slots) = (plan.unit(unit), Slots::of(scratch, layout));
            let copy = shared.part(unit.part * copy_len..(unit.part + 1) * copy_len);
            Job { plan, input, d_output, outside, unit, slots, copy }.compute(engine);
        });
        from_points::finish(&plan.sums(), engine, copies, d_weights, d_bias);
    }
}
