//! Sizes that products of bf16 share with everything that stores values for them.

/// Rows and columns of a tile of sums, and pairs in a row of a tile of factors.
pub(crate) const TILE: usize = 16;
/// Rows and columns of a block of sums, two tiles each way; also the depth of a product of tiles, and the values of a
/// block of channels that are stored as pairs.
pub(crate) const BLOCK: usize = 2 * TILE;
/// Pairs of a tile of factors, each as large as an f32.
pub(crate) const TILE_PAIRS: usize = TILE * TILE;
/// Bytes of a tile of factors.
pub(crate) const TILE_BYTES: usize = TILE_PAIRS * size_of::<f32>();

/// A row of a tile where there are no values.
pub(crate) static ZEROS: [f32; TILE] = [0.0; TILE];
