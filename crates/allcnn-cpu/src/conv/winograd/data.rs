//! Forward and backward-data. Going back is going forward from d_output with the weights rotated and transposed.

use allcnn_device::ConvShape;

use super::super::blocks_out::BlocksOut;
use super::super::destination::Destination;
use super::super::pass::{DataPass, Declined, Direction};
use super::ahead::Ahead;
use super::chunk::{Chunk, Target};
use super::data_plan::DataPlan;
use super::products::Products;
use super::to_points;
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::epilogue::Finish;
use crate::stored::Storage;
use crate::threads::SharedMut;

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
        self.plan.products.name()
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
        self.plan.outside() + self.workers * self.plan.scratch_len()
    }

    fn takes_pairs(&self) -> bool {
        self.plan.products == Products::Bf16
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
        let (plan, workers) = (&self.plan, self.workers);
        let (outside, scratch) = workspace.split_at_mut(plan.outside());
        outside.fill(0.0);
        let outside = &*outside;
        let source = source.stored();
        let gated = finish.gated();
        let is_streamed = destination.exceeds_caches();
        let destination = match destination.stored().storage() {
            Storage::F32 => {
                Target::Values(Destination::new(destination, plan.tiling.destination.channels, finish))
            }
            storage => {
                let words = SharedMut::new(destination.overwrite(storage));
                Target::Pairs(BlocksOut { finish, words, storage, is_streamed })
            }
        };
        engine.threads().run_with_scratch(plan.units(), scratch, plan.scratch_len(), |unit, slots| {
            let (tiles, panels) = (plan.tiles(unit), plan.panels(unit));
            // As many chunks as there are workers are in work, so that this one is likely to be this worker's next.
            let next = plan.tiles(unit + workers);
            let (source_next, gated_next) =
                (plan.tiling.source_pixels(&next), plan.tiling.destination_pixels(&next));
            let products = plan.tile_products(unit);
            let [from, to] = [plan.tiling.source.channels, plan.tiling.destination.channels];
            let ahead = [
                Ahead::new(source, from, source_next, products),
                Ahead::new(gated, to, gated_next, products),
            ];
            Chunk { plan, source, weights, outside, tiles, panels, destination, slots, ahead }
                .compute(engine);
        });
    }
}
