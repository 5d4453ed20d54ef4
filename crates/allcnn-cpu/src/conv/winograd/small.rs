//! The transforms of 3x3 convolutions with stride 1 on small tiles: five pixels along a line give three outputs. For small
//! images, out of which tiles of four outputs stick too far: 6x6 outputs take 100 products instead of 144.
//!
//! The points are those of stride 2 (`stride2`): a, -a, b, -b and infinity, so the pixels' transform is the same.

use super::stride2::{A, AA, B, BB, BY_N_A, BY_N_B, SUMS as SIDE, pair};
use super::transform::Line;
use crate::simd::Simd;

/// Outputs of a tile along a line, and taps.
const THREE: usize = 3;

/// G g: three taps to the five points.
#[derive(Clone, Copy)]
pub(super) struct Weights;

impl Line for Weights {
    type Inputs<T: Copy> = [T; THREE];
    type Outputs<T: Copy> = [T; SIDE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, g: [S::V; THREE]) -> [S::V; SIDE] {
        spread(s, g, [BY_N_A, BY_N_B])
    }
}

/// Gt u: the weight transform, transposed, for the gradients at the points.
#[derive(Clone, Copy)]
pub(super) struct WeightsTransposed;

impl Line for WeightsTransposed {
    type Inputs<T: Copy> = [T; SIDE];
    type Outputs<T: Copy> = [T; THREE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, u: [S::V; SIDE]) -> [S::V; THREE] {
        gather(s, u, [BY_N_A, BY_N_B])
    }
}

/// At t: five points to three outputs.
#[derive(Clone, Copy)]
pub(super) struct Output;

impl Line for Output {
    type Inputs<T: Copy> = [T; SIDE];
    type Outputs<T: Copy> = [T; THREE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, t: [S::V; SIDE]) -> [S::V; THREE] {
        gather(s, t, [1.0, 1.0])
    }
}

/// A y: the output transform, transposed, for the gradients of three outputs.
#[derive(Clone, Copy)]
pub(super) struct OutputTransposed;

impl Line for OutputTransposed {
    type Inputs<T: Copy> = [T; THREE];
    type Outputs<T: Copy> = [T; SIDE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, y: [S::V; THREE]) -> [S::V; SIDE] {
        spread(s, y, [1.0, 1.0])
    }
}

/// A polynomial of degree 2 at the points, scaled at +-a and +-b.
#[inline(always)]
fn spread<S: Simd>(s: S, c: [S::V; THREE], [scale_a, scale_b]: [f32; 2]) -> [S::V; SIDE] {
    let even_a = pair(s, [c[2], c[0]], [AA * scale_a, scale_a]);
    let even_b = pair(s, [c[2], c[0]], [BB * scale_b, scale_b]);
    let (odd_a, odd_b) = (s.mul(s.splat(A * scale_a), c[1]), s.mul(s.splat(B * scale_b), c[1]));
    [s.add(even_a, odd_a), s.sub(even_a, odd_a), s.add(even_b, odd_b), s.sub(even_b, odd_b), c[2]]
}

/// The transpose of [`spread`].
#[inline(always)]
fn gather<S: Simd>(
    s: S,
    [a, minus_a, b, minus_b, infinity]: [S::V; SIDE],
    [scale_a, scale_b]: [f32; 2],
) -> [S::V; THREE] {
    let even = [s.add(a, minus_a), s.add(b, minus_b)];
    let odd = [s.sub(a, minus_a), s.sub(b, minus_b)];
    [
        pair(s, even, [scale_a, scale_b]),
        pair(s, odd, [A * scale_a, B * scale_b]),
        s.add(infinity, pair(s, even, [AA * scale_a, BB * scale_b])),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::stride2::OuterInput as Input;
    use super::super::transform::tests::{apply, column};
    use super::*;
    use crate::isa::Isa;

    fn close(a: f32, b: f32) {
        assert!((a - b).abs() < 2e-5, "{a} is not {b}");
    }

    #[test]
    fn the_whole_of_it_is_a_correlation() {
        let (d, g) = ([3.0, -1.0, 4.0, 1.0, -5.0], [2.0, -1.0, 0.5]);
        for isa in Isa::available() {
            let (v, u) = (apply::<Input>(isa, d), apply::<Weights>(isa, g));
            let y = apply::<Output>(isa, std::array::from_fn(|point| v[point] * u[point]));
            for (i, y) in y.into_iter().enumerate() {
                close(y, (0..THREE).map(|k| d[i + k] * g[k]).sum());
            }
        }
    }

    #[test]
    fn the_transposed_transforms_are_the_transposes() {
        for isa in Isa::available() {
            for i in 0..THREE {
                let (a, g) = (column::<OutputTransposed>(isa, i), column::<Weights>(isa, i));
                for point in 0..SIDE {
                    close(a[point], column::<Output>(isa, point)[i]);
                    close(g[point], column::<WeightsTransposed>(isa, point)[i]);
                }
            }
        }
    }
}
