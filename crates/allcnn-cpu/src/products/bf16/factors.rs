//! The factors of a block of products.

/// The factors of a block; distances are in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Factors<'a> {
    /// Row 0 of both tiles of the left side.
    pub left: [*const f32; 2],
    /// From the first to the second term of the left side.
    pub left_second: usize,
    /// Added to both addresses of the left side, for each step in depth.
    pub offsets: &'a [isize],
    /// The right side's first tile, from there to its second one, to the second term, and to the next step.
    pub right: *const f32,
    pub right_half: usize,
    pub right_second: usize,
    pub right_step: usize,
    /// bf16 terms of each factor.
    pub terms: usize,
}
