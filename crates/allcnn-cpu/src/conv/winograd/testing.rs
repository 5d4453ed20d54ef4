//! What the tests of the passes' pieces share: small convolutions, and the same sums as plain loops in f64.

use allcnn_device::{ConvShape, Precision, Shape};

use super::super::pass::Direction;
use super::products::multiplies_pairs;
use super::scheme::{Scheme, Transforms, with_transforms};
use super::transform::tests::column;
use super::transform::{Array, Line};
use crate::engine::{Choice, CpuOptions, Engine};
use crate::isa::Isa;

/// Calls `test` with a convolution of each scheme, whose tiles stick out and whose channels fill neither panels nor
/// vectors, on each instruction set, in bf16 where Winograd multiplies it; algorithms are taken even where they do not
/// pay.
pub(super) fn each_scheme(test: impl Fn(&Engine, &ConvShape)) {
    let sets = Isa::available().into_iter().flat_map(|isa| [(isa, Precision::F32), (isa, Precision::Bf16)]);
    for (isa, precision) in sets {
        let options = CpuOptions { threads: Some(2), isa: Some(isa), choice: Choice::First, precision };
        let engine = Engine::new(options).unwrap();
        for (kernel, stride, padding, height) in
            [(2, 1, 1, 11), (3, 1, 1, 8), (3, 1, 1, 11), (5, 1, 2, 11), (3, 2, 1, 11)]
        {
            let input = Shape { batch: 2, height, width: 9, channels: 21 };
            let shape = ConvShape { input, out_channels: 53, kernel, stride, padding, groups: 1 };
            if precision == Precision::F32 || multiplies_pairs(&shape, &engine) {
                test(&engine, &shape);
            }
        }
    }
}

/// Values between -1 and 1 that repeat nowhere near.
pub(super) fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|at| ((at + 7919 * seed) as f32 * 0.7133).sin()).collect()
}

/// Panics where a value is farther from the expected one than roundings take it: those of f32, or those of the factors of
/// sums of a few hundred products.
#[track_caller]
pub(super) fn assert_close(engine: &Engine, value: f32, expected: f64, what: std::fmt::Arguments<'_>) {
    let error = (f64::from(value) - expected).abs();
    let (relative, absolute) = match engine.precision() {
        Precision::F32 => (1e-4, 1e-4),
        Precision::Bf16 => (2e-2, 1.0),
    };
    let most = relative * expected.abs() + absolute;
    assert!(error < most, "{}, {}, {what}: {value} is not {expected}", engine.isa(), engine.precision());
}

/// The matrices of a scheme, [output][input].
pub(super) struct Matrices {
    pub(super) weights: Vec<Vec<f64>>,
    pub(super) input: Vec<Vec<f64>>,
    pub(super) output_transposed: Vec<Vec<f64>>,
}

impl Matrices {
    pub(super) fn of(scheme: Scheme) -> Self {
        fn of<T: Transforms>(_: T) -> Matrices {
            let weights = matrix::<T::Weights>();
            Matrices {
                weights,
                input: matrix::<T::Input>(),
                output_transposed: matrix::<T::OutputTransposed>(),
            }
        }
        with_transforms!(scheme, transforms => of(transforms))
    }
}

fn matrix<L: Line>() -> Vec<Vec<f64>> {
    let columns: Vec<_> = (0..L::INPUTS).map(|at| column::<L>(Isa::Portable, at)).collect();
    let row = |at: usize| columns.iter().map(|column| f64::from(column.elements()[at])).collect();
    (0..L::OUTPUTS).map(row).collect()
}

/// M x Mt in one row and column, for the value of x in each.
pub(super) fn transformed(
    matrix: &[Vec<f64>],
    (row, column): (usize, usize),
    x: impl Fn(usize, usize) -> f64,
) -> f64 {
    let mut sum = 0.0;
    for (i, down) in matrix[row].iter().enumerate() {
        for (j, across) in matrix[column].iter().enumerate() {
            sum += down * across * x(i, j);
        }
    }
    sum
}

/// The index of a pixel's first channel; `None` outside the image. Rows and columns may have wrapped around.
pub(super) fn pixel(size: Shape, image: usize, row: usize, column: usize) -> Option<usize> {
    let inside = row < size.height && column < size.width;
    inside.then(|| ((image * size.height + row) * size.width + column) * size.channels)
}

/// A data pass by plain loops.
pub(super) fn data_pass(
    shape: &ConvShape,
    direction: Direction,
    source: &[f32],
    weights: &[f32],
) -> Vec<f64> {
    let (input, output, kernel) = (shape.input, shape.output(), shape.kernel);
    let destination = if direction == Direction::Forward { output } else { input };
    let mut sums = vec![0.0; destination.len()];
    for to in 0..output.len() / output.channels {
        let (image, y, x) =
            (to / output.width / output.height, to / output.width % output.height, to % output.width);
        for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
            let row = (y * shape.stride + ky).wrapping_sub(shape.padding);
            let column = (x * shape.stride + kx).wrapping_sub(shape.padding);
            let Some(from) = pixel(input, image, row, column) else { continue };
            for (o, i) in (0..output.channels).flat_map(|o| (0..input.channels).map(move |i| (o, i))) {
                let weight = f64::from(weights[((o * kernel + ky) * kernel + kx) * input.channels + i]);
                let (out, into) = (to * output.channels + o, from + i);
                match direction {
                    Direction::Forward => sums[out] += weight * f64::from(source[into]),
                    Direction::Backward => sums[into] += weight * f64::from(source[out]),
                }
            }
        }
    }
    sums
}
