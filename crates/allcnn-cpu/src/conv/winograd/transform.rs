//! Transforms of lines of vectors, and how they are applied to the rows and columns of a rectangle.

use std::mem::MaybeUninit;

use crate::simd::Simd;
pub(super) use crate::simd::WIDEST;

/// Values of the longest line.
const LONGEST: usize = 9;

/// An array of the length of a line.
pub(super) trait Array<T: Copy>: Copy {
    /// Its length.
    const LEN: usize;
    /// The same value throughout.
    fn filled(value: T) -> Self;
    /// All elements.
    fn elements(&self) -> &[T];
    /// All elements, to be written.
    fn elements_mut(&mut self) -> &mut [T];
}

impl<T: Copy, const N: usize> Array<T> for [T; N] {
    const LEN: usize = N;
    #[inline(always)]
    fn filled(value: T) -> Self {
        [value; N]
    }
    #[inline(always)]
    fn elements(&self) -> &[T] {
        self
    }
    #[inline(always)]
    fn elements_mut(&mut self) -> &mut [T] {
        self
    }
}

/// A linear transform of a line of values, of a vector of lines at once. (A type with an always inlined function: a
/// closure would not be compiled for the instruction set.)
pub(super) trait Line: Copy + Send + Sync {
    /// An array of the line's length before the transform.
    type Inputs<T: Copy>: Array<T>;
    /// An array of its length afterwards.
    type Outputs<T: Copy>: Array<T>;
    /// The length before.
    const INPUTS: usize = <Self::Inputs<u8> as Array<u8>>::LEN;
    /// The length afterwards.
    const OUTPUTS: usize = <Self::Outputs<u8> as Array<u8>>::LEN;

    /// The transformed line.
    fn apply<S: Simd>(s: S, line: Self::Inputs<S::V>) -> Self::Outputs<S::V>;
}

/// Where the values of a rectangle come from.
pub(super) trait Source<S: Simd> {
    /// The vector in row `y` and column `x`; each is taken once.
    fn get(&mut self, s: S, y: usize, x: usize) -> S::V;
}

/// Where the values of a transformed rectangle go.
pub(super) trait Sink<S: Simd> {
    /// Takes the vector in row `y` and column `x`.
    fn put(&mut self, s: S, y: usize, x: usize, value: S::V);
}

/// Transforms the rows of a rectangle by `Across`, then its columns by `Down`. (From a source to a sink, since whole
/// rectangles as arguments and results would be copied through the stack.)
#[inline(always)]
pub(super) fn rectangle<S: Simd, Down: Line, Across: Line>(
    s: S,
    source: &mut impl Source<S>,
    sink: &mut impl Sink<S>,
) {
    let mut rows = Down::Inputs::filled(Across::Outputs::filled(MaybeUninit::<S::V>::uninit()));
    for (y, row) in rows.elements_mut().iter_mut().enumerate() {
        let mut line = Across::Inputs::filled(s.splat(0.0));
        for (x, value) in line.elements_mut().iter_mut().enumerate() {
            *value = source.get(s, y, x);
        }
        let line = Across::apply(s, line);
        for (kept, &value) in row.elements_mut().iter_mut().zip(line.elements()) {
            kept.write(value);
        }
    }
    for x in 0..Across::OUTPUTS {
        let mut column = Down::Inputs::filled(s.splat(0.0));
        for (value, row) in column.elements_mut().iter_mut().zip(rows.elements()) {
            // SAFETY: the loop above wrote every element of every row.
            *value = unsafe { row.elements()[x].assume_init() };
        }
        let column = Down::apply(s, column);
        for (y, &value) in column.elements().iter().enumerate() {
            sink.put(s, y, x, value);
        }
    }
}

/// One row of the matrix of a line transform, without its zeros.
pub(super) struct Row {
    terms: [(usize, f32); LONGEST],
    count: usize,
}

impl Row {
    /// Row `at`, read off the transform itself.
    #[inline(always)]
    pub(super) fn of<S: Simd, L: Line>(s: S, at: usize) -> Self {
        let mut row = Self { terms: [(0, 0.0); LONGEST], count: 0 };
        for i in 0..L::INPUTS {
            let mut line = L::Inputs::filled(s.splat(0.0));
            line.elements_mut()[i] = s.splat(1.0);
            let mut lanes = [0.0; WIDEST];
            // SAFETY: no vector has more lanes than there is room for.
            unsafe { s.store(L::apply(s, line).elements()[at], lanes.as_mut_ptr()) };
            if lanes[0] != 0.0 {
                row.terms[row.count] = (i, lanes[0]);
                row.count += 1;
            }
        }
        row
    }

    /// The indices of its values that are not zero, and these values.
    #[inline(always)]
    pub(super) fn terms(&self) -> &[(usize, f32)] {
        &self.terms[..self.count]
    }
}

/// A rectangle of vectors at equal distances in memory.
pub(super) struct Spaced {
    first: *mut f32,
    /// Values from a vector to the one beside it.
    step: usize,
    /// Vectors from a row to the next.
    side: usize,
}

impl Spaced {
    /// Vectors `step` values apart, rows `side` vectors apart.
    ///
    /// # Safety
    /// A whole vector must be readable at each index that is asked for, and writable where this is used as a sink.
    #[inline(always)]
    pub(super) unsafe fn new(first: *mut f32, step: usize, side: usize) -> Self {
        Self { first, step, side }
    }
}

impl<S: Simd> Source<S> for Spaced {
    #[inline(always)]
    fn get(&mut self, s: S, y: usize, x: usize) -> S::V {
        // SAFETY: whoever called `new` promised that the vector is readable.
        unsafe { s.load(self.first.add((y * self.side + x) * self.step)) }
    }
}

impl<S: Simd> Sink<S> for Spaced {
    #[inline(always)]
    fn put(&mut self, s: S, y: usize, x: usize, value: S::V) {
        // SAFETY: whoever called `new` promised that the vector is writable.
        unsafe { s.store(value, self.first.add((y * self.side + x) * self.step)) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::simd::Kernel;

    /// A transform of one line of numbers, in every lane of a vector.
    struct Applied<L: Line>(L::Inputs<f32>);

    impl<L: Line> Kernel for Applied<L> {
        type Output = L::Outputs<f32>;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> L::Outputs<f32> {
            let mut line = L::Inputs::filled(simd.splat(0.0));
            for (vector, &value) in line.elements_mut().iter_mut().zip(self.0.elements()) {
                *vector = simd.splat(value);
            }
            let mut values = L::Outputs::filled(0.0);
            for (value, &vector) in values.elements_mut().iter_mut().zip(L::apply(simd, line).elements()) {
                let mut lanes = [f32::NAN; WIDEST];
                // SAFETY: no vector has more lanes than there is room for.
                unsafe { simd.store(vector, lanes.as_mut_ptr()) };
                assert!(lanes[..S::LANES].iter().all(|lane| lane == &lanes[0]));
                *value = lanes[0];
            }
            values
        }
    }

    /// A transform of one line of numbers.
    pub(in super::super) fn apply<L: Line>(isa: Isa, line: L::Inputs<f32>) -> L::Outputs<f32> {
        isa.run(Applied::<L>(line))
    }

    /// Column `at` of the matrix of a line transform.
    pub(in super::super) fn column<L: Line>(isa: Isa, at: usize) -> L::Outputs<f32> {
        let mut line = L::Inputs::filled(0.0);
        line.elements_mut()[at] = 1.0;
        apply::<L>(isa, line)
    }

    /// Two values to three: their sum, their difference, and twice the second.
    #[derive(Clone, Copy)]
    struct Three;
    impl Line for Three {
        type Inputs<T: Copy> = [T; 2];
        type Outputs<T: Copy> = [T; 3];
        #[inline(always)]
        fn apply<S: Simd>(s: S, [a, b]: [S::V; 2]) -> [S::V; 3] {
            [s.add(a, b), s.sub(a, b), s.add(b, b)]
        }
    }

    /// Three values to their sum.
    #[derive(Clone, Copy)]
    struct Sum;
    impl Line for Sum {
        type Inputs<T: Copy> = [T; 3];
        type Outputs<T: Copy> = [T; 1];
        #[inline(always)]
        fn apply<S: Simd>(s: S, [a, b, c]: [S::V; 3]) -> [S::V; 1] {
            [s.add(a, s.add(b, c))]
        }
    }

    /// [`Three`] down and [`Sum`] across, from rows of 4 vectors to rows of 2, with 20 values between vectors.
    struct Applies<'a> {
        from: &'a mut [f32],
        to: &'a mut [f32],
    }
    impl Kernel for Applies<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            // SAFETY: both slices hold the rows that the transforms take, a vector of at most 20 values each.
            let (mut from, mut to) = unsafe {
                (Spaced::new(self.from.as_mut_ptr(), 20, 4), Spaced::new(self.to.as_mut_ptr(), 20, 2))
            };
            rectangle::<S, Three, Sum>(simd, &mut from, &mut to);
        }
    }

    #[test]
    fn a_rectangle_is_transformed_along_its_rows_and_then_along_its_columns() {
        for isa in Isa::available() {
            let mut from: Vec<f32> = (0..2 * 4 * 20).map(|at| at as f32).collect();
            let sums = [0, 1].map(|y| (0..3).map(|x| from[(y * 4 + x) * 20]).sum::<f32>());
            let mut to = vec![0.0; 3 * 2 * 20];
            isa.run(Applies { from: &mut from, to: &mut to });
            assert_eq!(
                [to[0], to[40], to[80], to[20]],
                [sums[0] + sums[1], sums[0] - sums[1], 2.0 * sums[1], 0.0],
                "{isa}"
            );
        }
    }

    struct RowOf(usize);
    impl Kernel for RowOf {
        type Output = Row;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Row {
            Row::of::<S, Three>(simd, self.0)
        }
    }

    #[test]
    fn a_row_of_a_transform_is_read_without_its_zeros() {
        for isa in Isa::available() {
            assert_eq!(isa.run(RowOf(1)).terms(), [(0, 1.0), (1, -1.0)], "{isa}");
            assert_eq!(isa.run(RowOf(2)).terms(), [(1, 2.0)], "{isa}");
        }
    }
}
