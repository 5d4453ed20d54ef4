//! The vector trait that every kernel is written over, and what a kernel is.

/// An instruction set's f32 vectors. A value of the type is the token that the set is there.
///
/// The methods are always inlined into a function that has the features enabled, see [`crate::Isa::run`].
pub(crate) trait Simd: Copy + Send + Sync {
    /// A vector register of f32.
    type V: Copy;
    /// Values in a vector.
    const LANES: usize;
    /// Rows of the register tile of a matrix product.
    const TILE_ROWS: usize;
    /// Vectors across the register tile. Tile and operands together fill the register file.
    const TILE_VECTORS: usize = 3;
    /// Columns of the register tile.
    const TILE_COLUMNS: usize = Self::LANES * Self::TILE_VECTORS;

    /// The same value in all lanes.
    fn splat(self, value: f32) -> Self::V;
    /// Reads `LANES` values.
    ///
    /// # Safety
    /// `from` must be valid for reading them.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Reads the first `count` (at most `LANES`) values; the rest is zero.
    ///
    /// # Safety
    /// `from` must be valid for reading them.
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::V;
    /// Writes `LANES` values.
    ///
    /// # Safety
    /// `to` must be valid for writing them.
    unsafe fn store(self, value: Self::V, to: *mut f32);
    /// Writes the first `count` (at most `LANES`) values.
    ///
    /// # Safety
    /// `to` must be valid for writing them.
    unsafe fn store_first(self, value: Self::V, count: usize, to: *mut f32);
    /// Prefetches the cache line at `from`, which need not be readable, into the first-level cache.
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        let _ = from;
    }
    /// Prefetches the cache line at `from`, which need not be readable, into the second-level cache.
    #[inline(always)]
    fn prefetch_far(self, from: *const f32) {
        let _ = from;
    }
    /// a * b + c, fused where the set has it.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a - b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a * b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `of` is above zero, `b` elsewhere.
    fn select_positive(self, of: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// max(a, 0); NaN stays NaN.
    #[inline(always)]
    fn positive_part(self, a: Self::V) -> Self::V {
        let zero = self.splat(0.0);
        self.select_positive(self.sub(zero, a), zero, a)
    }
    /// The values rounded to bf16 (to nearest, ties away from zero).
    fn rounded(self, a: Self::V) -> Self::V;
    /// Two values in each lane, rounded to bf16: `low` in the lane's low half, `high` in the other.
    fn pair(self, low: Self::V, high: Self::V) -> Self::V;
    /// The bf16 values in the low halves of the lanes.
    fn low_half(self, pairs: Self::V) -> Self::V;
    /// The bf16 values in the high halves of the lanes.
    fn high_half(self, pairs: Self::V) -> Self::V;
    /// `sums` + the products of both values of each pair of `a` and `b`.
    #[inline(always)]
    fn dot(self, a: Self::V, b: Self::V, sums: Self::V) -> Self::V {
        plain_dot(self, a, b, sums)
    }
    /// Writes `LANES` values as bf16, two neighbors in a word.
    ///
    /// # Safety
    /// `to` must be valid for writing `LANES / 2` words.
    #[inline(always)]
    unsafe fn store_rounded(self, value: Self::V, to: *mut f32) {
        let mut lanes = [0.0f32; WIDEST];
        // SAFETY: no vector is wider, and the caller vouches for the words.
        unsafe {
            self.store(value, lanes.as_mut_ptr());
            for word in 0..Self::LANES / 2 {
                let bits = |at: usize| lanes[at].to_bits().wrapping_add(0x8000) >> 16;
                *to.add(word) = f32::from_bits(bits(2 * word) | bits(2 * word + 1) << 16);
            }
        }
    }
    /// Of two vectors of pairs, the pairs of their low halves and those of their high halves.
    #[inline(always)]
    fn exchange(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        [self.pair(self.low_half(a), self.low_half(b)), self.pair(self.high_half(a), self.high_half(b))]
    }
    /// Writes a vector past the caches, where the set can: for what is not read soon. A [`Simd::fence`] must follow.
    ///
    /// # Safety
    /// `to` must be valid for writing `LANES` values, and aligned to them.
    #[inline(always)]
    unsafe fn stream(self, value: Self::V, to: *mut f32) {
        // SAFETY: the caller vouches for `LANES` values at `to`.
        unsafe { self.store(value, to) }
    }
    /// Makes what was streamed visible to whoever is told next that it is there.
    #[inline(always)]
    fn fence(self) {}
    /// Writes column i of a square of 16 x 16 values to `to + i * step`.
    ///
    /// # Safety
    /// The square must be readable, 16 values at each of the 16 addresses writable.
    #[inline(always)]
    unsafe fn transpose(self, square: *const f32, to: *mut f32, step: usize) {
        for column in 0..16 {
            for row in 0..16 {
                // SAFETY: the caller vouches for the square and for 16 values at each address.
                unsafe { *to.add(column * step + row) = *square.add(row * 16 + column) };
            }
        }
    }
}

/// Lanes of the widest vector of any instruction set.
pub(crate) const WIDEST: usize = 16;

/// [`Simd::dot`] by multiply-adds of the expanded values.
#[inline(always)]
pub(super) fn plain_dot<S: Simd>(simd: S, a: S::V, b: S::V, sums: S::V) -> S::V {
    let sums = simd.mul_add(simd.low_half(a), simd.low_half(b), sums);
    simd.mul_add(simd.high_half(a), simd.high_half(b), sums)
}

/// What kernels and their plans take for granted of an instruction set; each set checks it when it is compiled.
pub(super) const fn check<S: Simd>() {
    assert!(S::LANES.is_power_of_two() && 16 % S::LANES == 0, "16 values are whole vectors");
    assert!(S::TILE_ROWS == 4 || S::TILE_ROWS == 8, "there are register tiles of 4 and of 8 rows");
    assert!(S::TILE_VECTORS == 3 && S::TILE_COLUMNS == 3 * S::LANES, "panels are up to three vectors wide");
}

/// Work to be compiled once for each instruction set. `run` and all it calls must be `#[inline(always)]`; even plain
/// loops in it are then vectorized for the set.
pub(crate) trait Kernel {
    /// What the work returns.
    type Output;
    /// Does the work with the vectors of `S`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}
