//! Bounds of what is fitted and stored.

/// Most values an image may have for ZCA whitening: 64x64 RGB, for which the matrix takes 604 MB.
pub const ZCA_LIMIT: usize = 64 * 64 * 3;

/// The least standard deviation, of values divided by 255, by which values are divided: pictures of which one value in a
/// hundred million differs by one have a larger one.
pub const LEAST_DEVIATION: f32 = 1e-9;

/// No mean, no deviation and no element of a whitening of 8-bit pictures is larger.
pub const LARGEST_VALUE: f32 = 1e6;
