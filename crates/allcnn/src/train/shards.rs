//! A batch in shards: parts of fixed places, whose gradients are added by one fixed binary tree.
//!
//! Floating-point addition is not associative, so the order of the additions is part of the result. Here it depends on the
//! number of shards alone: ((g0 + g1) + (g2 + g3)) + ((g4 + g5) + (g6 + g7)), whoever computes which of them. Processes that
//! hold whole subtrees exchange the sums above them, and weights are the same to the bit for any number of processes.

use allcnn_device::{Device, Error, Parameter};

/// The shards of every batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shards {
    /// How many there are of a batch, a power of two.
    all: usize,
    /// The first of this process, and how many it has, a power of two.
    first: usize,
    own: usize,
    /// Images of a shard; the last ones of a batch may have fewer, or none.
    rows: usize,
}

impl Shards {
    /// `all` shards of batches of at most `batch` images, of which the process `rank` of `size` takes its part.
    pub(super) fn new(all: usize, batch: usize, rank: usize, size: usize) -> Self {
        assert!(
            all.is_power_of_two() && size.is_power_of_two() && size <= all,
            "{all} shards, {size} processes"
        );
        let own = all / size;
        Self { all, first: rank * own, own, rows: batch.div_ceil(all) }
    }

    /// How many shards this process has.
    pub(super) fn own(&self) -> usize {
        self.own
    }

    /// Images of a shard.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The number in the whole batch of the process's `own`-th shard.
    pub(super) fn number(&self, own: usize) -> u16 {
        (self.first + own) as u16
    }

    /// The part of a batch that is the process's `own`-th shard.
    pub(super) fn part<'b, T>(&self, own: usize, batch: &'b [T]) -> &'b [T] {
        batch.chunks(self.rows).nth(self.first + own).unwrap_or_default()
    }
}

/// The gradients of a process's shards, added up.
pub(super) struct GradientSum<D: Device> {
    /// For each level of the tree, the gradients that wait for those they are added to.
    levels: Vec<Vec<D::Buffer>>,
}

impl<D: Device> GradientSum<D> {
    /// Room for gradients of these lengths of so many shards, a power of two: a copy for each level of the tree.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(super) fn new(device: &D, lens: &[usize], shards: usize) -> Result<Self, Error> {
        let level = || lens.iter().map(|&len| device.alloc(len)).collect();
        Ok(Self { levels: (0..shards.ilog2()).map(|_| level()).collect::<Result<_, _>>()? })
    }

    /// Takes the gradient of the `shard`-th shard; they come in their order. After the last one it is the sum of all.
    pub(super) fn add(&mut self, device: &D, shard: usize, parameters: &mut [Parameter<D::Buffer>]) {
        // The levels at which this shard is the last of its subtree.
        let complete = shard.trailing_ones() as usize;
        let Some(lowest) = self.levels.first_mut() else { return };
        for (sum, parameter) in lowest.iter_mut().zip(&*parameters) {
            if complete == 0 {
                device.copy(&parameter.gradient, sum, 0);
            } else {
                device.add(&parameter.gradient, sum);
            }
        }
        for level in 1..complete {
            let (below, above) = self.levels.split_at_mut(level);
            above[0].iter_mut().zip(&below[level - 1]).for_each(|(sum, part)| device.add(part, sum));
        }
        if complete == 0 {
            return;
        }
        let (below, above) = self.levels.split_at_mut(complete);
        match above.first_mut() {
            Some(waiting) => {
                waiting.iter_mut().zip(&below[complete - 1]).for_each(|(to, sum)| device.copy(sum, to, 0))
            }
            None => {
                parameters
                    .iter_mut()
                    .zip(&below[complete - 1])
                    .for_each(|(parameter, sum)| device.copy(sum, &mut parameter.gradient, 0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::{Factors, Reference};

    use super::*;

    /// Numbers whose sum depends on the order of the additions.
    fn gradient(shard: usize) -> f32 {
        [1e8, 1.0, -1e8, 1.0, 0.5, 3.0, -2.0, 0.25][shard % 8] * (1 + shard / 8) as f32
    }

    /// The sum of the gradients by the tree.
    fn tree(shards: std::ops::Range<usize>) -> f32 {
        match shards.len() {
            1 => gradient(shards.start),
            len => tree(shards.start..shards.start + len / 2) + tree(shards.start + len / 2..shards.end),
        }
    }

    #[test]
    fn gradients_are_added_by_the_tree_step_after_step() {
        for shards in [1, 2, 4, 8, 16] {
            let mut parameters = [Parameter {
                value: vec![0.0],
                gradient: vec![0.0],
                velocity: vec![0.0],
                factors: Factors::default(),
            }];
            let mut sum = GradientSum::<Reference>::new(&Reference, &[1], shards).unwrap();
            for _step in 0..2 {
                for shard in 0..shards {
                    parameters[0].gradient[0] = gradient(shard);
                    sum.add(&Reference, shard, &mut parameters);
                }
                assert_eq!(parameters[0].gradient[0], tree(0..shards), "{shards} shards");
            }
        }
        let in_turn = (0..8).map(gradient).sum::<f32>();
        assert_ne!(tree(0..8), in_turn, "the order matters for these numbers");
    }

    #[test]
    fn every_process_has_its_fixed_places() {
        let batch: Vec<u32> = (0..10).collect();
        let whole = Shards::new(4, 10, 0, 1);
        let parts = |shards: Shards| {
            (0..shards.own()).map(|own| shards.part(own, &batch).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(parts(whole), [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8], vec![9]]);
        let second = Shards::new(4, 10, 1, 2);
        assert_eq!(parts(second), parts(whole)[2..]);
        assert_eq!((second.number(0), second.number(1), second.rows()), (2, 3, 3));
        // A short batch: the places stay, and the last shards have fewer images or none.
        assert_eq!(whole.part(1, &batch[..4]), [3]);
        assert!(whole.part(2, &batch[..4]).is_empty() && second.part(1, &batch[..4]).is_empty());
    }
}
