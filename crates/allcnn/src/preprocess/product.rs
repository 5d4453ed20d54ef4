//! A symmetric matrix times many vectors, each result bitwise independent of the other vectors.
//!
//! Every output is one chain of fused multiply-adds over the inputs in order, at any vector width, so it depends
//! neither on the other vectors of the call nor on threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Outputs computed together: the width of a packed panel.
const PANEL: usize = 32;
/// Vectors that share one load of the panel.
const TILE: usize = 6;
/// Vectors per task.
const GROUP: usize = 8 * TILE;

/// A symmetric matrix `[n, n]`, packed as panels `[n / 32, n, 32]`, the last one zero-padded.
pub(super) struct SymmetricMatrix {
    size: usize,
    panels: Vec<f32>,
}

impl SymmetricMatrix {
    /// Packs the matrix whose element at (row, column) is `element(row, column)`.
    pub(super) fn from_fn(size: usize, element: impl Fn(usize, usize) -> f32 + Sync) -> Self {
        let mut panels = vec![0.0; size.div_ceil(PANEL) * size * PANEL];
        panels.par_chunks_mut(size * PANEL).enumerate().for_each(|(index, panel)| {
            for (row, values) in panel.chunks_exact_mut(PANEL).enumerate() {
                for (column, value) in (index * PANEL..size).zip(values) {
                    *value = element(row, column);
                }
            }
        });
        Self { size, panels }
    }

    /// The number of rows and columns.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The element at (row, column).
    pub(super) fn at(&self, row: usize, column: usize) -> f32 {
        self.panels[(column / PANEL * self.size + row) * PANEL + column % PANEL]
    }

    /// Computes `outputs[i] = self · inputs[i]` for consecutive vectors. `fill(i, input)` writes input `i`.
    pub(super) fn multiply(&self, fill: impl Fn(usize, &mut [f32]) + Sync, outputs: &mut [f32]) {
        let size = self.size;
        assert!(outputs.len().is_multiple_of(size), "{} outputs, not a multiple of {size}", outputs.len());
        let arch = Arch::new();
        // Smaller groups if there are few vectors, so that every thread has work.
        let tiles = (outputs.len() / size).div_ceil(TILE).div_ceil(rayon::current_num_threads());
        let group = (tiles * TILE).clamp(1, GROUP);
        outputs.par_chunks_mut(group * size).enumerate().for_each_init(
            || vec![0.0; group * size],
            |inputs, (index, outputs)| {
                let count = outputs.len() / size;
                for (offset, input) in inputs.chunks_exact_mut(size).take(count).enumerate() {
                    fill(index * group + offset, input);
                }
                arch.dispatch(Group { matrix: self, inputs: &inputs[..count * size], outputs });
            },
        );
    }
}

/// One task: the whole matrix times a few vectors.
struct Group<'a> {
    matrix: &'a SymmetricMatrix,
    inputs: &'a [f32],
    outputs: &'a mut [f32],
}

impl WithSimd for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let size = self.matrix.size;
        for (index, panel) in self.matrix.panels.chunks_exact(size * PANEL).enumerate() {
            let inputs = self.inputs.chunks(TILE * size);
            for (inputs, outputs) in inputs.zip(self.outputs.chunks_mut(TILE * size)) {
                if inputs.len() == TILE * size {
                    tile::<S, TILE>(simd, panel, inputs, outputs, index);
                } else {
                    let singles = inputs.chunks_exact(size).zip(outputs.chunks_exact_mut(size));
                    singles.for_each(|(input, output)| tile::<S, 1>(simd, panel, input, output, index));
                }
            }
        }
    }
}

/// Computes the outputs of panel `index` for `COUNT` vectors, two registers of outputs at a time.
#[inline(always)]
fn tile<S: Simd, const COUNT: usize>(
    simd: S,
    panel: &[f32],
    inputs: &[f32],
    outputs: &mut [f32],
    index: usize,
) {
    let size = inputs.len() / COUNT;
    let rows: [&[f32]; COUNT] = std::array::from_fn(|i| &inputs[i * size..][..size]);
    let step = 2 * S::F32_LANES;
    for start in (0..PANEL).step_by(step) {
        let mut sums = [[simd.splat_f32s(0.0); 2]; COUNT];
        for (offset, weights) in panel.chunks_exact(PANEL).enumerate() {
            let (weights, _) = S::as_simd_f32s(&weights[start..start + step]);
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let input = simd.splat_f32s(row[offset]);
                sum[0] = simd.mul_add_f32s(input, weights[0], sum[0]);
                sum[1] = simd.mul_add_f32s(input, weights[1], sum[1]);
            }
        }
        let first = index * PANEL + start;
        for (sum, output) in sums.iter().zip(outputs.chunks_exact_mut(size)) {
            let values: &[f32] = pulp::bytemuck::cast_slice(sum);
            output.iter_mut().skip(first).zip(values).for_each(|(output, &value)| *output = value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allcnn_device::random::{Purpose, Stream};

    #[test]
    fn equals_the_plain_product_for_every_remainder() {
        for (size, count) in [(1, 1), (5, 7), (32, 6), (33, 13), (75, 50), (100, 1)] {
            let mut random = Stream::new(1, Purpose::Test, size as u64, 0).sequence();
            let lower: Vec<f32> = (0..size * size).map(|_| random.normal()).collect();
            let inputs: Vec<f32> = (0..size * count).map(|_| random.normal()).collect();
            let element = |row: usize, column: usize| lower[row.max(column) * size + row.min(column)];
            let matrix = SymmetricMatrix::from_fn(size, element);
            let mut outputs = vec![0.0; count * size];
            matrix.multiply(|i, input| input.copy_from_slice(&inputs[i * size..][..size]), &mut outputs);
            for (offset, &output) in outputs.iter().enumerate() {
                let (vector, row) = (offset / size, offset % size);
                let terms = (0..size).map(|k| element(row, k) as f64 * inputs[vector * size + k] as f64);
                let expected: f64 = terms.sum();
                assert!((output as f64 - expected).abs() < 1e-4, "{output} against {expected}, size {size}");
                assert_eq!(matrix.at(row, vector % size), element(row, vector % size));
            }
        }
    }
}
