//! Limits of what is fitted and stored.

/// The most values per image for ZCA whitening: 64x64 RGB, for which the matrix takes 604 MB.
pub const ZCA_LIMIT: usize = 64 * 64 * 3;

/// The smallest standard deviation, of values divided by 255, to divide by: a single value in a hundred million
/// that differs by one yields a larger one.
pub const MIN_DEVIATION: f32 = 1e-9;

/// A bound on means, deviations and whitening matrix elements of 8-bit images.
pub const MAX_VALUE: f32 = 1e6;
