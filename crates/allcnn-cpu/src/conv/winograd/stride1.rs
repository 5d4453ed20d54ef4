//! The interpolation points of stride 1 and the transforms that follow from them.
//!
//! The points are 0, a, -a, b, -b and infinity with a = 1/sqrt2 and b = sqrt2: the rounding errors are 3 to 5 times
//! smaller than with 0, +-1, +-2. All matrices follow from them (Toom and Cook, transposed): At evaluates a polynomial
//! of degree m - 1 at the points, transposed; G evaluates one of degree r - 1, divided by N_j, the product of the
//! differences to the other finite points; Bt interpolates, transposed, times N_j. Rows of a point and its negative
//! share their even and odd terms, so a line of six takes a dozen operations.

use super::transform::Line;
use crate::simd::Simd;

/// Side of a tile of stride 1, and of its points.
pub(super) const SIDE: usize = 6;

const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;
/// Squares, exact where a * a is not.
const AA: f32 = 0.5;
const BB: f32 = 2.0;
/// N of 0, of +-a and of +-b.
const N_ZERO: f32 = AA * BB;
const N_A: f32 = 2.0 * AA * (AA - BB);
const N_B: f32 = 2.0 * BB * (BB - AA);

/// a^i and b^i.
const fn powers(i: usize) -> [f32; 2] {
    let (mut a, mut b) = if i % 2 == 1 { (A, B) } else { (1.0, 1.0) };
    let mut k = 0;
    while k < i / 2 {
        (a, b) = (a * AA, b * BB);
        k += 1;
    }
    [a, b]
}

/// Bt d: six input values to six points.
#[derive(Clone, Copy)]
pub(super) struct Input;

impl Line for Input {
    type Inputs<T: Copy> = [T; SIDE];
    type Outputs<T: Copy> = [T; SIDE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, d: [S::V; SIDE]) -> [S::V; SIDE] {
        // Products of (x^2 - a^2)(x^2 - b^2), of x (x +- a)(x^2 - b^2) and of x (x +- b)(x^2 - a^2).
        let even_a = s.mul_add(s.splat(-BB), d[2], d[4]);
        let odd_a = s.mul(s.splat(A), s.mul_add(s.splat(-BB), d[1], d[3]));
        let even_b = s.mul_add(s.splat(-AA), d[2], d[4]);
        let odd_b = s.mul(s.splat(B), s.mul_add(s.splat(-AA), d[1], d[3]));
        let middle = s.splat(-(AA + BB));
        [
            s.mul_add(s.splat(N_ZERO), d[0], s.mul_add(middle, d[2], d[4])),
            s.add(even_a, odd_a),
            s.sub(even_a, odd_a),
            s.add(even_b, odd_b),
            s.sub(even_b, odd_b),
            s.mul_add(s.splat(N_ZERO), d[1], s.mul_add(middle, d[3], d[5])),
        ]
    }
}

/// At t: six points to M outputs.
#[derive(Clone, Copy)]
pub(super) struct Output<const M: usize>;

impl<const M: usize> Line for Output<M> {
    type Inputs<T: Copy> = [T; SIDE];
    type Outputs<T: Copy> = [T; M];
    #[inline(always)]
    fn apply<S: Simd>(s: S, t: [S::V; SIDE]) -> [S::V; M] {
        gather(s, t, t[0], [1.0, 1.0])
    }
}

/// A y: the output transform, transposed, for the gradients of M outputs.
#[derive(Clone, Copy)]
pub(super) struct OutputTransposed<const M: usize>;

impl<const M: usize> Line for OutputTransposed<M> {
    type Inputs<T: Copy> = [T; M];
    type Outputs<T: Copy> = [T; SIDE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, y: [S::V; M]) -> [S::V; SIDE] {
        spread(s, y, y[0], [1.0, 1.0])
    }
}

/// G g: R weights to six points.
#[derive(Clone, Copy)]
pub(super) struct Weights<const R: usize>;

impl<const R: usize> Line for Weights<R> {
    type Inputs<T: Copy> = [T; R];
    type Outputs<T: Copy> = [T; SIDE];
    #[inline(always)]
    fn apply<S: Simd>(s: S, g: [S::V; R]) -> [S::V; SIDE] {
        spread(s, g, s.mul(s.splat(1.0 / N_ZERO), g[0]), [1.0 / N_A, 1.0 / N_B])
    }
}

/// Gt u: the weight transform, transposed, for the gradients at six points.
#[derive(Clone, Copy)]
pub(super) struct WeightsTransposed<const R: usize>;

impl<const R: usize> Line for WeightsTransposed<R> {
    type Inputs<T: Copy> = [T; SIDE];
    type Outputs<T: Copy> = [T; R];
    #[inline(always)]
    fn apply<S: Simd>(s: S, u: [S::V; SIDE]) -> [S::V; R] {
        gather(s, u, s.mul(s.splat(1.0 / N_ZERO), u[0]), [1.0 / N_A, 1.0 / N_B])
    }
}

/// A polynomial at the six points: `zero` at 0, the scaled values at +-a and +-b, the last coefficient at infinity.
#[inline(always)]
fn spread<S: Simd, const N: usize>(
    s: S,
    coefficients: [S::V; N],
    zero: S::V,
    scales: [f32; 2],
) -> [S::V; SIDE] {
    let [a_even, a_odd] = even_and_odd(s, coefficients, 0, scales[0]);
    let [b_even, b_odd] = even_and_odd(s, coefficients, 1, scales[1]);
    [
        zero,
        s.add(a_even, a_odd),
        s.sub(a_even, a_odd),
        s.add(b_even, b_odd),
        s.sub(b_even, b_odd),
        coefficients[N - 1],
    ]
}

/// The even and the odd terms of a polynomial of at least degree 1 at a (`point` 0) or b (1), times a scale.
#[inline(always)]
fn even_and_odd<S: Simd, const N: usize>(
    s: S,
    coefficients: [S::V; N],
    point: usize,
    scale: f32,
) -> [S::V; 2] {
    let factor = |i: usize| s.splat(powers(i)[point] * scale);
    let mut terms = [s.mul(factor(0), coefficients[0]), s.mul(factor(1), coefficients[1])];
    for i in 2..N {
        terms[i % 2] = s.mul_add(factor(i), coefficients[i], terms[i % 2]);
    }
    terms
}

/// The transpose of [`spread`]: N sums of six points, those of +-a and +-b scaled.
#[inline(always)]
fn gather<S: Simd, const N: usize>(s: S, points: [S::V; SIDE], zero: S::V, scales: [f32; 2]) -> [S::V; N] {
    let [_, plus_a, minus_a, plus_b, minus_b, infinity] = points;
    let even = [s.add(plus_a, minus_a), s.add(plus_b, minus_b)];
    let odd = [s.sub(plus_a, minus_a), s.sub(plus_b, minus_b)];
    let mut sums = [zero; N];
    for (i, sum) in sums.iter_mut().enumerate() {
        let [of_a, of_b] = if i % 2 == 0 { even } else { odd };
        let [a, b] = powers(i);
        let of_b = s.mul(s.splat(b * scales[1]), of_b);
        let pairs = s.mul_add(s.splat(a * scales[0]), of_a, of_b);
        *sum = if i == 0 { s.add(zero, pairs) } else { pairs };
    }
    sums[N - 1] = s.add(sums[N - 1], infinity);
    sums
}

#[cfg(test)]
mod tests {
    use super::super::transform::tests::{apply, column};
    use super::*;
    use crate::isa::Isa;

    const POINTS: [f64; 5] = [
        0.0,
        std::f64::consts::FRAC_1_SQRT_2,
        -std::f64::consts::FRAC_1_SQRT_2,
        std::f64::consts::SQRT_2,
        -std::f64::consts::SQRT_2,
    ];

    /// Product of (point - other) over the other finite points.
    fn n(at: usize) -> f64 {
        (0..5).filter(|&k| k != at).map(|k| POINTS[at] - POINTS[k]).product()
    }

    /// Coefficients of the product of (x - point) over all finite points but one.
    fn product_without(left_out: usize) -> Vec<f64> {
        let mut coefficients = vec![1.0];
        for (at, point) in POINTS.iter().enumerate() {
            if at != left_out {
                let mut next = vec![0.0; coefficients.len() + 1];
                for (power, c) in coefficients.iter().enumerate() {
                    next[power + 1] += c;
                    next[power] -= point * c;
                }
                coefficients = next;
            }
        }
        coefficients.resize(SIDE, 0.0);
        coefficients
    }

    fn close(a: f32, b: f64) {
        assert!((f64::from(a) - b).abs() < 1e-6 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn the_input_transform_is_the_interpolation_at_the_points() {
        for (isa, at) in Isa::available().into_iter().flat_map(|isa| (0..SIDE).map(move |at| (isa, at))) {
            for (row, &value) in column::<Input>(isa, at).iter().enumerate() {
                close(value, product_without(row)[at]);
            }
        }
    }

    fn check<const R: usize, const M: usize>(isa: Isa) {
        let power = |row: usize, i: usize, degree: usize| match row {
            5 => f64::from(u8::from(i == degree)),
            _ => POINTS[row].powi(i as i32),
        };
        for i in 0..R {
            let g = column::<Weights<R>>(isa, i);
            (0..SIDE)
                .for_each(|row| close(g[row], power(row, i, R - 1) / if row < 5 { n(row) } else { 1.0 }));
        }
        for i in 0..M {
            let a = column::<OutputTransposed<M>>(isa, i);
            (0..SIDE).for_each(|row| close(a[row], power(row, i, M - 1)));
        }
        for row in 0..SIDE {
            let at = column::<Output<M>>(isa, row);
            (0..M).for_each(|i| close(at[i], power(row, i, M - 1)));
            let gt = column::<WeightsTransposed<R>>(isa, row);
            (0..R).for_each(|i| close(gt[i], power(row, i, R - 1) / if row < 5 { n(row) } else { 1.0 }));
        }
        // The whole of it is a correlation: y_i = sum over j of d_(i + j) g_j.
        let d: [f32; SIDE] = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0];
        let g: [f32; R] = std::array::from_fn(|j| 2.0 - j as f32);
        let (u, v) = (apply::<Weights<R>>(isa, g), apply::<Input>(isa, d));
        let y = apply::<Output<M>>(isa, std::array::from_fn(|at| u[at] * v[at]));
        for i in 0..M {
            let expected: f32 = (0..R).map(|j| d[i + j] * g[j]).sum();
            assert!((y[i] - expected).abs() < 2e-5, "{R}x{R}: {} is not {expected}", y[i]);
        }
    }

    #[test]
    fn every_kernel_size_follows_from_the_points() {
        for isa in Isa::available() {
            check::<2, 5>(isa);
            check::<3, 4>(isa);
            check::<5, 2>(isa);
        }
    }
}
