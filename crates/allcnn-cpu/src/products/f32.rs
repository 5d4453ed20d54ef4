//! The register tile: R rows of V vectors of f32 sums stay in registers while the products stream by, of f32 values or of
//! pairs of bf16.

use super::operand::Operand;
use crate::simd::Simd;

/// R rows of V vectors of sums.
pub(crate) type Sums<S, const R: usize, const V: usize> = [[<S as Simd>::V; V]; R];

/// Zeros.
#[inline(always)]
pub(crate) fn zeros<S: Simd, const R: usize, const V: usize>(simd: S) -> Sums<S, R, V> {
    [[simd.splat(0.0); V]; R]
}

/// The sums in `from`, row after row.
#[inline(always)]
pub(crate) fn load<S: Simd, const R: usize, const V: usize>(simd: S, from: &[f32]) -> Sums<S, R, V> {
    let from = &from[..R * V * S::LANES];
    let mut sums = zeros::<S, R, V>(simd);
    #[expect(clippy::needless_range_loop, reason = "by constant indices, sums stay out of the stack")]
    for r in 0..R {
        for v in 0..V {
            // SAFETY: the slice holds R rows of V vectors.
            sums[r][v] = unsafe { simd.load(from.as_ptr().add((r * V + v) * S::LANES)) };
        }
    }
    sums
}

/// Writes the sums, row after row.
#[inline(always)]
pub(crate) fn store<S: Simd, const R: usize, const V: usize>(simd: S, sums: &Sums<S, R, V>, to: &mut [f32]) {
    let to = &mut to[..R * V * S::LANES];
    #[expect(clippy::needless_range_loop, reason = "by constant indices, sums stay out of the stack")]
    for r in 0..R {
        for v in 0..V {
            // SAFETY: the slice holds R rows of V vectors.
            unsafe { simd.store(sums[r][v], to.as_mut_ptr().add((r * V + v) * S::LANES)) };
        }
    }
}

/// Calls a method for the register tile of the instruction set with vectors for `columns` columns.
macro_rules! with_tile {
    ($simd:ident, $columns:expr, $object:ident.$method:ident($($argument:expr),*)) => {
        match ($simd::TILE_ROWS, $crate::products::f32::vectors::<$simd>($columns)) {
            (8, 3) => $object.$method::<$simd, 8, 3>($($argument),*),
            (8, 2) => $object.$method::<$simd, 8, 2>($($argument),*),
            (8, _) => $object.$method::<$simd, 8, 1>($($argument),*),
            (_, 3) => $object.$method::<$simd, 4, 3>($($argument),*),
            (_, 2) => $object.$method::<$simd, 4, 2>($($argument),*),
            (_, _) => $object.$method::<$simd, 4, 1>($($argument),*),
        }
    };
}
pub(crate) use with_tile;

/// Values of a cache line.
pub(crate) const LINE: usize = 16;

/// sums[r] + sum over k below `depth` of rows[r][k] * panel[k]. Prefetches a cache line for each k from `ahead` on: what
/// is multiplied later. The sums go in and out by value, so that they stay in registers.
///
/// # Safety
/// `rows[r]` must hold `depth` words, the panel for `depth` rows of V vectors.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, O: Operand, const R: usize, const V: usize>(
    simd: S,
    _: O,
    rows: &[*const f32; R],
    depth: usize,
    panel: *const f32,
    ahead: *const f32,
    mut sums: Sums<S, R, V>,
) -> Sums<S, R, V> {
    for k in 0..depth {
        simd.prefetch_far(ahead.wrapping_add(k * LINE));
        // SAFETY: the caller promises `depth` words of each row and of V vectors of the panel.
        unsafe {
            let b = row_of_panel::<S, V>(simd, panel.add(k * V * S::LANES));
            for (sums, row) in sums.iter_mut().zip(rows) {
                let a = simd.splat(*row.add(k));
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = O::multiply_add(simd, a, b, *sum);
                }
            }
        }
    }
    sums
}

/// Rows of a left side that lies transposed: word k of row r is at `start + k * step + r`.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) start: *const f32,
    pub(crate) step: usize,
}

/// sums[r] + sum over k below `depth` of column[k * step + r] * panel[k]: the product of a transposed left side.
/// Prefetches a cache line for each k from `ahead` on: the sums that come next.
///
/// # Safety
/// `column` must be readable at each k * step + r, the panel for `depth` rows of V vectors.
#[inline(always)]
pub(crate) unsafe fn accumulate_transposed<S: Simd, O: Operand, const R: usize, const V: usize>(
    simd: S,
    _: O,
    column: Column,
    depth: usize,
    panel: *const f32,
    ahead: *const f32,
    mut sums: Sums<S, R, V>,
) -> Sums<S, R, V> {
    for k in 0..depth {
        simd.prefetch(ahead.wrapping_add(k * LINE));
        // SAFETY: the caller promises the column at each k * step + r, and `depth` times V vectors of the panel.
        unsafe {
            let b = row_of_panel::<S, V>(simd, panel.add(k * V * S::LANES));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = simd.splat(*column.start.add(k * column.step + r));
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = O::multiply_add(simd, a, b, *sum);
                }
            }
        }
    }
    sums
}

/// V neighbouring vectors.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn row_of_panel<S: Simd, const V: usize>(simd: S, from: *const f32) -> [S::V; V] {
    let mut row = [simd.splat(0.0); V];
    for (v, vector) in row.iter_mut().enumerate() {
        // SAFETY: the caller promises V vectors.
        *vector = unsafe { simd.load(from.add(v * S::LANES)) };
    }
    row
}

/// Vectors that hold `columns` values, at most a tile's.
#[inline(always)]
pub(crate) fn vectors<S: Simd>(columns: usize) -> usize {
    columns.div_ceil(S::LANES).min(S::TILE_VECTORS)
}

/// The size of a register tile of an instruction set, or of a block of products on AMX tiles. Whatever is zero-padded to whole
/// tiles takes its length from here, since nothing else knows both what writes it (vectors) and what reads it (rows).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileShape {
    /// Rows of sums.
    pub(crate) rows: usize,
    /// Columns of sums.
    pub(crate) columns: usize,
    /// Values in a vector.
    pub(crate) lanes: usize,
}

impl TileShape {
    /// The register tile of an instruction set.
    pub(crate) fn of(isa: crate::Isa) -> Self {
        isa.run(MeasureTile)
    }

    /// The register tile of products of bf16 pairs.
    pub(crate) fn of_dots(isa: crate::Isa) -> Self {
        isa.run_dots(MeasureTile)
    }

    /// A block of `side` x `side` sums, both of its sides zero-padded to whole blocks.
    pub(crate) fn square(side: usize) -> Self {
        Self { rows: side, columns: side, lanes: side }
    }

    /// The fewest values that are whole rows of tiles and whole vectors at once: both are powers of two.
    pub(crate) fn step(&self) -> usize {
        self.rows.max(self.lanes)
    }

    /// `values` zero-padded to whole rows of tiles and whole vectors.
    pub(crate) fn filled(&self, values: usize) -> usize {
        values.next_multiple_of(self.step())
    }

    /// Panics where `values` are not whole rows of tiles and whole vectors: the rest would be left out.
    #[track_caller]
    pub(crate) fn check_filled(&self, values: usize, what: &str) {
        assert!(values.is_multiple_of(self.step()), "{what}: {values} values do not fill tiles of {self:?}");
    }
}

struct MeasureTile;
impl crate::simd::Kernel for MeasureTile {
    type Output = TileShape;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> TileShape {
        TileShape { rows: S::TILE_ROWS, columns: S::TILE_COLUMNS, lanes: S::LANES }
    }
}

/// The panels that cut `columns` into tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels {
    /// All columns.
    columns: usize,
    tile: TileShape,
}

impl Panels {
    /// The panels of a matrix of `columns` columns.
    pub(crate) fn new(columns: usize, tile: TileShape) -> Self {
        Self { columns, tile }
    }

    /// The tile that a panel is as wide as.
    pub(crate) fn tile(&self) -> TileShape {
        self.tile
    }

    /// Number of panels.
    pub(crate) fn count(&self) -> usize {
        self.columns.div_ceil(self.tile.columns)
    }

    /// The columns of panel `at`.
    pub(crate) fn columns(&self, at: usize) -> std::ops::Range<usize> {
        at * self.tile.columns..((at + 1) * self.tile.columns).min(self.columns)
    }

    /// The columns of panel `at` as stored: zero-padded to whole vectors.
    pub(crate) fn stored(&self, at: usize) -> usize {
        self.columns(at).len().next_multiple_of(self.tile.lanes)
    }

    /// Stored columns of all panels before `at`.
    pub(crate) fn stored_before(&self, at: usize) -> usize {
        if at < self.count() {
            at * self.tile.columns
        } else {
            self.columns.next_multiple_of(self.tile.lanes)
        }
    }

    /// Stored columns of all panels.
    pub(crate) fn stored_all(&self) -> usize {
        self.stored_before(self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::super::operand::{Pair, Single};
    use super::super::plain::{for_each_isa, integers, word};
    use super::*;
    use crate::simd::Kernel;

    const DEPTH: usize = 37;
    /// More than the rows and columns of any tile.
    const SIDE: usize = 64;

    /// Adds a register tile of the product of two sides of these words, the left one [row][k] or, transposed, [k][row].
    #[derive(Clone, Copy)]
    struct AddTile<'a, O> {
        operand: O,
        left: &'a [f32],
        right: &'a [f32],
        columns: usize,
        is_transposed: bool,
    }

    impl<O: Operand> Kernel for AddTile<'_, O> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<f32> {
            with_tile!(S, self.columns, self.tile(simd))
        }
    }

    impl<O: Operand> AddTile<'_, O> {
        /// The sums, which begin as ones.
        #[inline(always)]
        fn tile<S: Simd, const R: usize, const V: usize>(self, simd: S) -> Vec<f32> {
            let mut sums = vec![1.0; R * V * S::LANES];
            let begun = load::<S, R, V>(simd, &sums);
            let panel: Vec<f32> =
                self.right.chunks(SIDE).flat_map(|row| row[..V * S::LANES].to_vec()).collect();
            let (left, panel) = (self.left.as_ptr(), panel.as_ptr());
            // SAFETY: both sides have SIDE lines of SIDE values.
            let added = unsafe {
                if self.is_transposed {
                    accumulate_transposed(
                        simd,
                        self.operand,
                        Column { start: left, step: SIDE },
                        DEPTH,
                        panel,
                        panel,
                        begun,
                    )
                } else {
                    let rows = std::array::from_fn(|row| left.add(row * SIDE));
                    accumulate(simd, self.operand, &rows, DEPTH, panel, panel, begun)
                }
            };
            store(simd, &added, &mut sums);
            sums
        }
    }

    #[test]
    fn a_register_tile_adds_the_product_of_its_rows_and_columns() {
        let (left, right) = (integers(SIDE * SIDE, 50), integers(SIDE * SIDE, 60));
        for_each_isa(|isa| {
            let shape = TileShape::of(isa);
            for columns in [1, shape.lanes, shape.lanes + 1, shape.columns] {
                for is_transposed in [false, true] {
                    let sums = isa.run(AddTile {
                        operand: Single,
                        left: &left,
                        right: &right,
                        columns,
                        is_transposed,
                    });
                    let stored = columns.next_multiple_of(shape.lanes);
                    assert_eq!(sums.len(), shape.rows * stored);
                    for (at, &sum) in sums.iter().enumerate() {
                        let (row, column) = (at / stored, at % stored);
                        let left = |k| left[if is_transposed { k * SIDE + row } else { row * SIDE + k }];
                        let product: f32 = (0..DEPTH).map(|k| left(k) * right[k * SIDE + column]).sum();
                        assert_eq!(
                            sum,
                            1.0 + product,
                            "{isa}, {columns} columns, row {row}, column {column}"
                        );
                    }
                }
            }
        });
    }

    #[test]
    fn a_register_tile_of_pairs_adds_the_products_of_both() {
        let (left, right) = (integers(2 * SIDE * SIDE, 50), integers(2 * SIDE * SIDE + 1, 60));
        let words = |side: &[f32]| side.chunks(2).map(|pair| word(pair[0], pair[1])).collect::<Vec<_>>();
        let (left_words, right_words) = (words(&left), words(&right[1..]));
        for_each_isa(|isa| {
            let columns = TileShape::of_dots(isa).columns;
            for is_transposed in [false, true] {
                let (left_words, right_words) = (&left_words, &right_words);
                let tile =
                    AddTile { operand: Pair, left: left_words, right: right_words, columns, is_transposed };
                for (at, sum) in isa.run_dots(tile).into_iter().enumerate() {
                    let (row, column) = (at / columns, at % columns);
                    let product = |k: usize, of: usize| {
                        let word = if is_transposed { k * SIDE + row } else { row * SIDE + k };
                        left[2 * word + of] * right[1 + 2 * (k * SIDE + column) + of]
                    };
                    let product: f32 = (0..DEPTH).map(|k| product(k, 0) + product(k, 1)).sum();
                    assert_eq!(sum, 1.0 + product, "{isa}, row {row}, column {column}");
                }
            }
        });
    }

    #[test]
    fn panels_have_every_column_once_and_lie_one_after_the_other() {
        let tile = TileShape { rows: 4, columns: 12, lanes: 4 };
        for columns in 1..40 {
            let panels = Panels::new(columns, tile);
            let all: Vec<usize> = (0..panels.count()).flat_map(|at| panels.columns(at)).collect();
            assert_eq!(all, (0..columns).collect::<Vec<_>>());
            for at in 0..panels.count() {
                assert!(panels.stored(at) >= panels.columns(at).len());
                assert_eq!(panels.stored_before(at) + panels.stored(at), panels.stored_before(at + 1));
            }
        }
    }
}
