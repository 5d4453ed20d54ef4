//! The register tile that every matrix product here ends in: R rows times V vectors of sums stay in registers while
//! the products stream by.

use crate::simd::Simd;

/// R rows of V vectors of sums.
pub(super) type Sums<S, const R: usize, const V: usize> = [[<S as Simd>::V; V]; R];

/// Zeros.
#[inline(always)]
pub(super) fn zeros<S: Simd, const R: usize, const V: usize>(simd: S) -> Sums<S, R, V> {
    [[simd.splat(0.0); V]; R]
}

/// The sums that stand in `from`, row after row.
#[inline(always)]
pub(super) fn load<S: Simd, const R: usize, const V: usize>(simd: S, from: &[f32]) -> Sums<S, R, V> {
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
pub(super) fn store<S: Simd, const R: usize, const V: usize>(simd: S, sums: &Sums<S, R, V>, to: &mut [f32]) {
    let to = &mut to[..R * V * S::LANES];
    for (at, &sum) in sums.iter().flatten().enumerate() {
        // SAFETY: the slice holds R rows of V vectors.
        unsafe { simd.store(sum, to.as_mut_ptr().add(at * S::LANES)) };
    }
}

/// Calls a method for the register tile of the instruction set that spans so many columns.
macro_rules! with_tile {
    ($simd:ident, $columns:expr, $object:ident.$method:ident($($argument:expr),*)) => {
        match ($simd::TILE_ROWS, $crate::conv::tile::vectors::<$simd>($columns)) {
            (8, 3) => $object.$method::<$simd, 8, 3>($($argument),*),
            (8, 2) => $object.$method::<$simd, 8, 2>($($argument),*),
            (8, _) => $object.$method::<$simd, 8, 1>($($argument),*),
            (_, 3) => $object.$method::<$simd, 4, 3>($($argument),*),
            (_, 2) => $object.$method::<$simd, 4, 2>($($argument),*),
            (_, _) => $object.$method::<$simd, 4, 1>($($argument),*),
        }
    };
}
pub(super) use with_tile;

/// Values of a cache line.
pub(super) const LINE: usize = 16;

/// sums[r] + sum over k below `depth` of rows[r][k] * panel[k]. Asks for one cache line for each k from `ahead` on: what
/// is multiplied later. The sums go in and out by value, so that they stay in registers.
///
/// # Safety
/// `rows[r]` must hold `depth` values, the panel for `depth` rows of V vectors.
#[inline(always)]
pub(super) unsafe fn accumulate<S: Simd, const R: usize, const V: usize>(
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
pub(super) unsafe fn accumulate_transposed<S: Simd, const R: usize, const V: usize>(
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
pub(super) fn vectors<S: Simd>(columns: usize) -> usize {
    columns.div_ceil(S::LANES).min(S::TILE_VECTORS)
}

/// The panels that cut `columns` into tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panels {
    /// All columns.
    columns: usize,
    /// Columns of a whole tile.
    tile: usize,
    /// Values in a vector.
    lanes: usize,
}

impl Panels {
    /// The panels of a matrix with so many columns, for the instruction set.
    pub(super) fn new(columns: usize, isa: crate::Isa) -> Self {
        let (tile, lanes) = isa.run(TileColumns);
        Self { columns, tile, lanes }
    }

    /// Panels so wide, filled up to their whole width.
    pub(super) fn of_width(columns: usize, width: usize) -> Self {
        Self { columns, tile: width, lanes: width }
    }

    /// Values in a vector, or what columns are filled up to.
    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.columns.div_ceil(self.tile)
    }

    /// The columns of panel `at`.
    pub(super) fn columns(&self, at: usize) -> std::ops::Range<usize> {
        at * self.tile..((at + 1) * self.tile).min(self.columns)
    }

    /// The columns of panel `at` as stored: filled up to whole vectors.
    pub(super) fn stored(&self, at: usize) -> usize {
        self.columns(at).len().next_multiple_of(self.lanes)
    }

    /// Stored columns of all panels before `at`.
    pub(super) fn stored_before(&self, at: usize) -> usize {
        if at < self.count() { at * self.tile } else { self.columns.next_multiple_of(self.lanes) }
    }

    /// Stored columns of all panels.
    pub(super) fn stored_all(&self) -> usize {
        self.stored_before(self.count())
    }
}

struct TileColumns;
impl crate::simd::Kernel for TileColumns {
    type Output = (usize, usize);
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> (usize, usize) {
        (S::TILE_COLUMNS, S::LANES)
    }
}
