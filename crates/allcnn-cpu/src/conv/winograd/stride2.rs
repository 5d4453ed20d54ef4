//! The transforms of 3x3 convolutions with stride 2.
//!
//! Along a line, the outer two taps see every second pixel and the middle tap sees the pixels between: the convolution
//! is the sum of one with two taps and one with a single tap, each with stride 1 on its own half of the pixels.
//! F(4, 2) takes 5 points and F(4, 1) the finite 4 of them; both end in the same At, so they are added at the points.
//! A line of 9 pixels is transformed to 5 + 4 points and gives 4 outputs: with both directions 81 products instead of
//! 144. Going back, the roles change: 5 gradients of outputs, transformed to the 5 points, give 4 pixels of either half.
//!
//! The points are a, -a, b, -b and infinity, with 0 left out, so that lines keep their even and odd terms. a = 1/2 and
//! b = 5/4 are exact and have about the smallest errors of the pairs tried (0.4 to 1, 1 to 2): half of those of
//! a = 1/sqrt2, b = sqrt2. The row of -a in Bt is negated, so that N is the same for a and -a.

use super::transform::Line;
use crate::simd::Simd;

/// Side of a tile of pixels, and of its points.
pub(super) const SIDE: usize = 9;
/// Points that the sums of products stand at.
pub(super) const SUMS: usize = 5;
/// Those of them that are finite, which the middle tap needs.
pub(super) const FINITE: usize = 4;
/// Side of a tile of outputs.
pub(super) const OUTPUTS: usize = 4;
pub(super) const A: f32 = 0.5;
pub(super) const B: f32 = 1.25;
pub(super) const AA: f32 = A * A;
pub(super) const BB: f32 = B * B;
/// 1 / N of +-a and of +-b.
pub(super) const BY_N_A: f32 = 1.0 / (2.0 * A * (AA - BB));
pub(super) const BY_N_B: f32 = 1.0 / (2.0 * B * (BB - AA));

/// Bt d: nine pixels to the five points of the even ones and the four of the odd ones.
#[derive(Clone, Copy)]
pub(super) struct Input;

impl Line for Input {
    type Inputs<T: Copy> = [T; SIDE];
    type Outputs<T: Copy> = [T; SIDE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, d: [S::V; SIDE]) -> [S::V; SIDE] {
        let [e0, e1, e2, e3] = finite(s, [d[0], d[2], d[4], d[6]]);
        let [o0, o1, o2, o3] = finite(s, [d[1], d[3], d[5], d[7]]);
        [e0, e1, e2, e3, infinity(s, [d[0], d[4], d[8]]), o0, o1, o2, o3]
    }
}

/// Bt d of one half: five values to the five points.
#[derive(Clone, Copy)]
pub(super) struct OuterInput;

impl Line for OuterInput {
    type Inputs<T: Copy> = [T; SUMS];
    type Outputs<T: Copy> = [T; SUMS];
    #[inline(always)]
    fn apply<S: Simd>(s: S, d: [S::V; SUMS]) -> [S::V; SUMS] {
        let [a, minus_a, b, minus_b] = finite(s, [d[0], d[1], d[2], d[3]]);
        [a, minus_a, b, minus_b, infinity(s, [d[0], d[2], d[4]])]
    }
}

/// Bt d of the other half: four values to the finite points.
#[derive(Clone, Copy)]
pub(super) struct MiddleInput;

impl Line for MiddleInput {
    type Inputs<T: Copy> = [T; FINITE];
    type Outputs<T: Copy> = [T; FINITE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, d: [S::V; FINITE]) -> [S::V; FINITE] {
        finite(s, d)
    }
}

/// Products of (x +- a)(x^2 - b^2) and of (x +- b)(x^2 - a^2), the second of each pair negated.
#[inline(always)]
fn finite<S: Simd>(s: S, d: [S::V; 4]) -> [S::V; 4] {
    let square_a = s.mul(s.splat(A), s.mul_add(s.splat(-BB), d[0], d[2]));
    let cube_a = s.mul_add(s.splat(-BB), d[1], d[3]);
    let square_b = s.mul(s.splat(B), s.mul_add(s.splat(-AA), d[0], d[2]));
    let cube_b = s.mul_add(s.splat(-AA), d[1], d[3]);
    [s.add(square_a, cube_a), s.sub(square_a, cube_a), s.add(square_b, cube_b), s.sub(square_b, cube_b)]
}

/// Product of (x^2 - a^2)(x^2 - b^2), of which the even powers are there.
#[inline(always)]
fn infinity<S: Simd>(s: S, [d0, d2, d4]: [S::V; 3]) -> S::V {
    s.mul_add(s.splat(AA * BB), d0, s.mul_add(s.splat(-(AA + BB)), d2, d4))
}

/// G g: the outer taps at the five points, the middle tap at the four.
#[derive(Clone, Copy)]
pub(super) struct Weights;

impl Line for Weights {
    type Inputs<T: Copy> = [T; 3];
    type Outputs<T: Copy> = [T; SIDE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; SIDE] {
        let (first_a, first_b) = (s.mul(s.splat(BY_N_A), g[0]), s.mul(s.splat(BY_N_B), g[0]));
        let (last_a, last_b) = (s.mul(s.splat(A * BY_N_A), g[2]), s.mul(s.splat(B * BY_N_B), g[2]));
        let (middle_a, middle_b) = (s.mul(s.splat(BY_N_A), g[1]), s.mul(s.splat(BY_N_B), g[1]));
        [
            s.add(first_a, last_a),
            s.sub(first_a, last_a),
            s.add(first_b, last_b),
            s.sub(first_b, last_b),
            g[2],
            middle_a,
            middle_a,
            middle_b,
            middle_b,
        ]
    }
}

/// Gt u: the weight transform, transposed, for the gradients at the points.
#[derive(Clone, Copy)]
pub(super) struct WeightsTransposed;

impl Line for WeightsTransposed {
    type Inputs<T: Copy> = [T; SIDE];
    type Outputs<T: Copy> = [T; 3];
    #[inline(always)]
    fn apply<S: Simd>(s: S, u: [S::V; SIDE]) -> [S::V; 3] {
        [
            pair(s, [s.add(u[0], u[1]), s.add(u[2], u[3])], [BY_N_A, BY_N_B]),
            pair(s, [s.add(u[5], u[6]), s.add(u[7], u[8])], [BY_N_A, BY_N_B]),
            s.add(u[4], pair(s, [s.sub(u[0], u[1]), s.sub(u[2], u[3])], [A * BY_N_A, B * BY_N_B])),
        ]
    }
}

/// At t: five points to four outputs.
#[derive(Clone, Copy)]
pub(super) struct Output;

impl Line for Output {
    type Inputs<T: Copy> = [T; SUMS];
    type Outputs<T: Copy> = [T; OUTPUTS];
    #[inline(always)]
    fn apply<S: Simd>(s: S, t: [S::V; SUMS]) -> [S::V; OUTPUTS] {
        let [y0, y1, y2, y3] = powers(s, [t[0], t[1], t[2], t[3]]);
        [y0, y1, y2, s.add(y3, t[4])]
    }
}

/// At t of the finite points alone.
#[derive(Clone, Copy)]
pub(super) struct MiddleOutput;

impl Line for MiddleOutput {
    type Inputs<T: Copy> = [T; FINITE];
    type Outputs<T: Copy> = [T; OUTPUTS];
    #[inline(always)]
    fn apply<S: Simd>(s: S, t: [S::V; FINITE]) -> [S::V; OUTPUTS] {
        powers(s, t)
    }
}

/// Four sums of the values at the finite points times the points' powers.
#[inline(always)]
fn powers<S: Simd>(s: S, [a, minus_a, b, minus_b]: [S::V; 4]) -> [S::V; 4] {
    let even = [s.add(a, minus_a), s.add(b, minus_b)];
    let odd = [s.sub(a, minus_a), s.sub(b, minus_b)];
    [s.add(even[0], even[1]), pair(s, odd, [A, B]), pair(s, even, [AA, BB]), pair(s, odd, [A * AA, B * BB])]
}

/// x * X + y * Y
#[inline(always)]
pub(super) fn pair<S: Simd>(s: S, [x, y]: [S::V; 2], factors: [f32; 2]) -> S::V {
    s.mul_add(s.splat(factors[0]), x, s.mul(s.splat(factors[1]), y))
}

/// A y: the output transform, transposed, for the gradients of four outputs.
#[derive(Clone, Copy)]
pub(super) struct OutputTransposed;

impl Line for OutputTransposed {
    type Inputs<T: Copy> = [T; OUTPUTS];
    type Outputs<T: Copy> = [T; SUMS];
    #[inline(always)]
    fn apply<S: Simd>(s: S, y: [S::V; OUTPUTS]) -> [S::V; SUMS] {
        let even_a = s.mul_add(s.splat(AA), y[2], y[0]);
        let even_b = s.mul_add(s.splat(BB), y[2], y[0]);
        let odd_a = s.mul(s.splat(A), s.mul_add(s.splat(AA), y[3], y[1]));
        let odd_b = s.mul(s.splat(B), s.mul_add(s.splat(BB), y[3], y[1]));
        [s.add(even_a, odd_a), s.sub(even_a, odd_a), s.add(even_b, odd_b), s.sub(even_b, odd_b), y[3]]
    }
}

#[cfg(test)]
mod tests {
    use super::super::transform::tests::{apply, column};
    use super::*;
    use crate::isa::Isa;

    const D: [f32; SIDE] = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, -6.0, 5.0];
    const G: [f32; 3] = [2.0, -1.0, 0.5];

    fn close(a: f32, b: f32) {
        assert!((a - b).abs() < 2e-5, "{a} is not {b}");
    }

    #[test]
    fn forward_is_the_correlation_with_stride_2() {
        for isa in Isa::available() {
            let (v, u) = (apply::<Input>(isa, D), apply::<Weights>(isa, G));
            let mut sums = [0.0; SUMS];
            (0..SIDE).for_each(|point| sums[point % SUMS] += v[point] * u[point]);
            for (i, y) in apply::<Output>(isa, sums).into_iter().enumerate() {
                close(y, (0..3).map(|k| D[2 * i + k] * G[k]).sum());
            }
            // The nine points are those of the two halves.
            let outer = apply::<OuterInput>(isa, [0, 2, 4, 6, 8].map(|i| D[i]));
            let middle = apply::<MiddleInput>(isa, [1, 3, 5, 7].map(|i| D[i]));
            assert_eq!((&v[..SUMS], &v[SUMS..]), (&outer[..], &middle[..]), "{isa}");
        }
    }

    #[test]
    fn backward_is_the_transposed_correlation() {
        // With padding 1: pixel i gets output o through tap k where i + 1 = 2 o + k.
        let d = [3.0, -1.0, 4.0, 1.0, -5.0];
        for isa in Isa::available() {
            let (v, u) = (apply::<OuterInput>(isa, d), apply::<Weights>(isa, [G[2], G[1], G[0]]));
            let outer = apply::<Output>(isa, std::array::from_fn(|point| v[point] * u[point]));
            let middle = apply::<MiddleOutput>(isa, std::array::from_fn(|point| v[point] * u[SUMS + point]));
            for i in 0..2 * OUTPUTS {
                let pixel = if i % 2 == 1 { outer[i / 2] } else { middle[i / 2] };
                let taps = (0..3).filter(|&k| k <= i + 1 && (i + 1 - k) % 2 == 0);
                close(pixel, taps.map(|k| d[(i + 1 - k) / 2] * G[k]).sum());
            }
        }
    }

    #[test]
    fn the_transposed_transforms_are_the_transposes() {
        for isa in Isa::available() {
            for i in 0..OUTPUTS {
                let a = column::<OutputTransposed>(isa, i);
                (0..SUMS).for_each(|point| close(a[point], column::<Output>(isa, point)[i]));
            }
            for k in 0..3 {
                let g = column::<Weights>(isa, k);
                (0..SIDE).for_each(|point| close(g[point], column::<WeightsTransposed>(isa, point)[k]));
            }
        }
    }
}
