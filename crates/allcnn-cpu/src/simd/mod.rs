//! One small vector trait, so that a kernel is written once for every instruction set.

mod portable;
pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;

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
    /// Asks for the cache line at `from`, which need not be readable, to be brought into the first-level
    /// cache.
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        let _ = from;
    }
    /// The same for the second-level cache.
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
}

/// Work to be compiled once for each instruction set. `run` and all it calls must be `#[inline(always)]`; even plain
/// loops in it are then vectorized for the set.
pub(crate) trait Kernel {
    /// What the work gives back.
    type Output;
    /// Does the work with the vectors of `S`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}
