//! The register tile that every matrix product here ends in: R rows times V vectors of sums stay in registers while
//! the products stream by.

use crate::simd::Simd;

/// R rows of V vectors of sums.
pub(crate) type Sums<S, const R: usize, const V: usize> = [[<S as Simd>::V; V]; R];

/// Zeros.
#[inline(always)]
pub(crate) fn zeros<S: Simd, const R: usize, const V: usize>(simd: S) -> Sums<S, R, V> {
    [[simd.splat(0.0); V]; R]
}

/// The sums that stand in `from`, row after row.
#[inline(always)]
pub(crate) fn load<S: Simd, const R: usize, const V: usize>(simd: S, from: &[f32]) -> Sums<S, R, V> {
    let from = &from[..R * V * S::LANES];
    let mut sums = zeros::<S, R, V>(simd);
    for (at, sum) in sums.iter_mut().flatten().enumerate() {
        // SAFETY: the slice holds R rows of V vectors.
        *sum = unsafe { simd.load(from.as_ptr().add(at * S::LANES)) };
    }
    sums
}

/// Writes the sums, row after row.
#[inline(always)]
pub(crate) fn store<S: Simd, const R: usize, const V: usize>(simd: S, sums: &Sums<S, R, V>, to: &mut [f32]) {
    let to = &mut to[..R * V * S::LANES];
    for (at, &sum) in sums.iter().flatten().enumerate() {
        // SAFETY: the slice holds R rows of V vectors.
        unsafe { simd.store(sum, to.as_mut_ptr().add(at * S::LANES)) };
    }
}

/// Calls a method for the register tile of the instruction set that spans so many columns.
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

/// sums[r] + sum over k below `depth` of rows[r][k] * panel[k]. Asks for one cache line for each k from `ahead` on: what
/// is multiplied later. The sums go in and out by value, so that they stay in registers.
///
/// # Safety
/// `rows[r]` must hold `depth` values, the panel for `depth` rows of V vectors.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: &[*const f32; R],
    depth: usize,
    panel: *const f32,
    ahead: *const f32,
    mut sums: Sums<S, R, V>,
) -> Sums<S, R, V> {
    for k in 0..depth {
        simd.prefetch_far(ahead.wrapping_add(k * LINE));
        // SAFETY: the caller's promise.
        unsafe {
            let b = row_of_panel::<S, V>(simd, panel.add(k * V * S::LANES));
            for (sums, row) in sums.iter_mut().zip(rows) {
                let a = simd.splat(*row.add(k));
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = simd.mul_add(a, b, *sum);
                }
            }
        }
    }
    sums
}

/// sums[r] + sum over k below `depth` of column[k * step + r] * panel[k]: the product of a transposed left side. Asks for
/// one cache line for each k from `ahead` on: the sums that come next.
///
/// # Safety
/// `column` must be readable at each k * step + r, the panel for `depth` rows of V vectors.
#[inline(always)]
pub(crate) unsafe fn accumulate_transposed<S: Simd, const R: usize, const V: usize>(
    simd: S,
    column: *const f32,
    step: usize,
    depth: usize,
    panel: *const f32,
    ahead: *const f32,
    mut sums: Sums<S, R, V>,
) -> Sums<S, R, V> {
    for k in 0..depth {
        simd.prefetch(ahead.wrapping_add(k * LINE));
        // SAFETY: the caller's promise.
        unsafe {
            let b = row_of_panel::<S, V>(simd, panel.add(k * V * S::LANES));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = simd.splat(*column.add(k * step + r));
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = simd.mul_add(a, b, *sum);
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
        // SAFETY: the caller's promise.
        *vector = unsafe { simd.load(from.add(v * S::LANES)) };
    }
    row
}

/// Vectors that hold `columns` values, at most a tile's.
#[inline(always)]
pub(crate) fn vectors<S: Simd>(columns: usize) -> usize {
    columns.div_ceil(S::LANES).min(S::TILE_VECTORS)
}

/// The measures of a register tile, of an instruction set or of products in blocks. Whatever is filled up with zeros to
/// whole tiles takes its length from here, since nothing else knows both what writes it (vectors) and what reads it (rows).
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
        isa.run(Measure)
    }

    /// A block of `side` x `side` sums, its sides filled up as a whole.
    pub(crate) fn square(side: usize) -> Self {
        Self { rows: side, columns: side, lanes: side }
    }

    /// The fewest values that are whole rows of tiles and whole vectors at once: both are powers of two.
    pub(crate) fn step(&self) -> usize {
        self.rows.max(self.lanes)
    }

    /// `values` filled up to whole rows of tiles and whole vectors.
    pub(crate) fn filled(&self, values: usize) -> usize {
        values.next_multiple_of(self.step())
    }

    /// Panics where `values` are not whole rows of tiles and whole vectors: the rest would be left out.
    #[track_caller]
    pub(crate) fn check_filled(&self, values: usize, what: &str) {
        assert!(values.is_multiple_of(self.step()), "{what}: {values} values do not fill tiles of {self:?}");
    }
}

struct Measure;
impl crate::simd::Kernel for Measure {
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
    /// The panels of a matrix with so many columns.
    pub(crate) fn new(columns: usize, tile: TileShape) -> Self {
        Self { columns, tile }
    }

    /// The tile that a panel is as wide as.
    pub(crate) fn tile(&self) -> TileShape {
        self.tile
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.columns.div_ceil(self.tile.columns)
    }

    /// The columns of panel `at`.
    pub(crate) fn columns(&self, at: usize) -> std::ops::Range<usize> {
        at * self.tile.columns..((at + 1) * self.tile.columns).min(self.columns)
    }

    /// The columns of panel `at` as stored: filled up to whole vectors.
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
