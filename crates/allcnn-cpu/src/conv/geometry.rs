//! Which source pixels the destination pixels of a data pass see.
//!
//! Forward, output pixel o sees input pixel o * stride + k - padding through tap k. Backward, input pixel i sees output pixel
//! o where i + padding = o * stride + k. A stride divides the input's rows and columns into phases: going back, the pixels of
//! a phase see the same few taps, so that no product with an inserted zero is done.

use allcnn_device::{ConvShape, Shape};

use super::pass::Direction;

/// A position of the kernel, and how far the source pixel under it lies from the one that a destination pixel begins at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tap {
    pub ky: usize,
    pub kx: usize,
    pub row: isize,
    pub column: isize,
}

/// What a tap sees of a source that is divided into phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PhaseTap {
    /// The phase's first row and column.
    pub phase: [usize; 2],
    /// Rows and columns of the phase from the one that a destination pixel begins at.
    pub row: isize,
    pub column: isize,
}

impl Tap {
    /// What it sees of a source whose phases have every `step`-th row and column.
    pub(super) fn in_phase(self, step: usize) -> PhaseTap {
        let step = step as isize;
        let phase = [self.row, self.column].map(|distance| distance.rem_euclid(step) as usize);
        PhaseTap { phase, row: self.row.div_euclid(step), column: self.column.div_euclid(step) }
    }
}

/// Destination pixels that see the same taps: rows `row`, `row + step`, ..., and columns alike.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub row: usize,
    pub column: usize,
    pub step: usize,
    /// Rows and columns of an image that belong to the grid.
    pub height: usize,
    pub width: usize,
    /// Source rows (and columns) from where a pixel of the grid begins to where its neighbor does. Row `row` begins at 0.
    pub source_step: usize,
    pub taps: Vec<Tap>,
}

impl Grid {
    /// All pixels of images of `size`.
    pub(super) fn dense(size: Shape, source_step: usize, taps: Vec<Tap>) -> Self {
        Self { row: 0, column: 0, step: 1, height: size.height, width: size.width, source_step, taps }
    }

    /// The grids of a pass, which together have all destination pixels.
    pub(super) fn all(shape: &ConvShape, direction: Direction) -> Vec<Self> {
        match direction {
            Direction::Forward => vec![Self::forward(shape)],
            Direction::Backward => Self::backward(shape),
        }
    }

    fn forward(shape: &ConvShape) -> Self {
        let distance = |k: usize| k as isize - shape.padding as isize;
        let taps = kernel(shape).map(|(ky, kx)| Tap { ky, kx, row: distance(ky), column: distance(kx) });
        Self::dense(shape.output(), shape.stride, taps.collect())
    }

    /// For i = phase + stride * q, o = q + (phase + padding - k) / stride where that is whole.
    fn backward(shape: &ConvShape) -> Vec<Self> {
        let &ConvShape { input: Shape { height, width, .. }, stride, padding, .. } = shape;
        let distance = |phase: usize, k: usize| {
            let distance = (phase + padding) as isize - k as isize;
            (distance % stride as isize == 0).then_some(distance / stride as isize)
        };
        let taps = |row: usize, column: usize| {
            let tap = |(ky, kx)| Some(Tap { ky, kx, row: distance(row, ky)?, column: distance(column, kx)? });
            kernel(shape).filter_map(tap).collect()
        };
        let grid = |(row, column)| Self {
            row,
            column,
            step: stride,
            height: (height - row).div_ceil(stride),
            width: (width - column).div_ceil(stride),
            source_step: 1,
            taps: taps(row, column),
        };
        let columns = stride.min(width);
        (0..stride.min(height))
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .map(grid)
            .collect()
    }
}

/// Rows and columns of the kernel, in the order of the weights.
fn kernel(shape: &ConvShape) -> impl Iterator<Item = (usize, usize)> + use<> {
    let kernel = shape.kernel;
    (0..kernel * kernel).map(move |at| (at / kernel, at % kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes() -> impl Iterator<Item = ConvShape> {
        let input = Shape { batch: 1, height: 5, width: 8, channels: 1 };
        [[1, 1, 0], [3, 1, 1], [3, 2, 1], [2, 3, 0], [5, 2, 4], [1, 2, 0], [5, 7, 2]].into_iter().map(
            move |[kernel, stride, padding]| ConvShape {
                input,
                out_channels: 1,
                kernel,
                stride,
                padding,
                groups: 1,
            },
        )
    }

    /// Each product of a convolution as (input pixel, output pixel, weight), found by the definition.
    fn products(shape: &ConvShape) -> Vec<[[usize; 2]; 3]> {
        let (input, output) = (shape.input, shape.output());
        let mut all = Vec::new();
        for (y, x) in (0..output.height).flat_map(|y| (0..output.width).map(move |x| (y, x))) {
            for (ky, kx) in kernel(shape) {
                let [iy, ix] =
                    [y * shape.stride + ky, x * shape.stride + kx].map(|i| i.wrapping_sub(shape.padding));
                if iy < input.height && ix < input.width {
                    all.push([[iy, ix], [y, x], [ky, kx]]);
                }
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn the_grids_of_a_pass_have_every_product_of_the_convolution_once() {
        for shape in shapes() {
            for direction in [Direction::Forward, Direction::Backward] {
                let is_forward = direction == Direction::Forward;
                let source = if is_forward { shape.input } else { shape.output() };
                let mut all = Vec::new();
                for grid in Grid::all(&shape, direction) {
                    let pixels =
                        (0..grid.height).flat_map(|row| (0..grid.width).map(move |column| (row, column)));
                    for ((row, column), tap) in
                        pixels.flat_map(|pixel| grid.taps.iter().map(move |tap| (pixel, tap)))
                    {
                        let from = [(row, tap.row), (column, tap.column)]
                            .map(|(at, distance)| ((at * grid.source_step) as isize + distance) as usize);
                        let to = [grid.row + row * grid.step, grid.column + column * grid.step];
                        if from[0] < source.height && from[1] < source.width {
                            let [input, output] = if is_forward { [from, to] } else { [to, from] };
                            all.push([input, output, [tap.ky, tap.kx]]);
                        }
                    }
                }
                all.sort_unstable();
                assert_eq!(all, products(&shape), "{direction:?}, {shape:?}");
            }
        }
    }

    #[test]
    fn a_tap_sees_the_same_pixel_by_way_of_its_phase() {
        for distance in -7..7 {
            for step in 1..4 {
                let tap = Tap { row: distance, column: -distance, ..Tap::default() };
                let PhaseTap { phase, row, column } = tap.in_phase(step);
                assert!(phase.into_iter().all(|first| first < step));
                let pixel = [(row, phase[0]), (column, phase[1])]
                    .map(|(at, first)| at * step as isize + first as isize);
                assert_eq!(pixel, [tap.row, tap.column]);
            }
        }
    }
}
