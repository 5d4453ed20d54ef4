//! Products of matrices, as the convolutions' inner loops. Nothing here knows of images.
//!
//! | file | concept |
//! |---|---|
//! | `f32` | the register tile: sums of f32 products stay in vector registers |
//! | `operand` | what a word of a product's side holds: an f32 value or a pair of bf16 |
//! | `bf16` | a block of sums of products of bf16 pairs, one or two terms to a factor |
//! | `bf16x6` | products of f32 factors of three bf16 terms each, on AMX tiles |
//! | `pack` | f32 values to rows of bf16 pairs, as `bf16` and `bf16x6` read them |
//! | `plain` | what the tests hold all of these against |
//! | `tile_loop` | the loop over AMX tiles of both |
//! | `block` | the sizes of a tile and a block of products of bf16 |

pub(crate) mod bf16;
pub(crate) mod bf16x6;
pub(crate) mod block;
pub(crate) mod f32;
pub(crate) mod operand;
pub(crate) mod pack;
#[cfg(test)]
pub(crate) mod plain;
#[cfg(target_arch = "x86_64")]
mod tile_loop;
