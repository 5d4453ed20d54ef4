//! How the terms of factors lie.

use super::super::block::TILE_PAIRS;

/// Terms of a factor.
pub(crate) const TERMS: usize = 3;
/// Pairs of one term of a step: two tiles.
pub(crate) const TERM: usize = 2 * TILE_PAIRS;
/// Pairs of all terms of a step.
pub(crate) const STEP: usize = TERMS * TERM;
