//! Convolution by products of bf16 matrices with f32 sums, for machines that multiply bf16 faster than f32: AMX tiles,
//! or dot products of pairs (AVX512_BF16).
//!
//! With precision bf16 every factor is rounded to bf16. With precision f32 each factor is the sum of two bf16 terms,
//! x = high + low with an error of at most 2^-17 |x|, and three products stand for one (the product of both low terms is
//! left out): errors like those of an f32 convolution by a fast algorithm, at a third of the tiles' speed, which is
//! still five times that of f32 multiply-adds. (The method is known as BF16x3; Henry, Tang and Heinecke 2019,
//! "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations".)
//!
//! Images lie as one run of positions, row after row with zeros between the rows, so that a kernel's tap is one
//! distance for all positions and 16 neighbouring positions are the 16 rows of a tile, wherever a row ends. A stride
//! splits the source into phases of stride 1.
//!
//! A plan is what is prepared for a shape; a pass runs one.
//!
//! | file | concept |
//! |---|---|
//! | `terms` | how many bf16 terms a factor has, and where that pays |
//! | `runs` | the layout of images as runs of positions, and how they are cut into chunks |
//! | `source` | which values there are at a position: a pixel's channels, or a whole window of a picture |
//! | `blocks` | which positions are computed together, and which pixels they are |
//! | `right_side` | the weights of a data pass as right sides of its products |
//! | `data_plan`, `forward_back` | forward and backward-data: the plan, the pass |
//! | `weights_plan`, `weight_gradient` | backward-weights: the plan, the pass |
//! | `copies` | the gradients that parts of the positions have summed, and their sum |
//! | `peak` | products alone, for the machine's measured ceiling |

mod blocks;
mod copies;
mod data_plan;
mod forward_back;
mod peak;
mod right_side;
mod runs;
mod source;
mod terms;
#[cfg(test)]
mod testing;
mod weight_gradient;
mod weights_plan;

pub(super) use forward_back::Bf16;
pub(crate) use peak::Peak;
pub(super) use weight_gradient::Bf16Weights;
