//! Winograd convolution on tiles (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"): an r x r
//! kernel computes m x m outputs of a tile as y = At [ (G g Gt) * (Bt d B) ] A, (m + r - 1)^2 products for each pair
//! of channels instead of m^2 r^2.
//!
//! | convolution | input tile | outputs m x m | products | of the plain number |
//! |---|---|---|---|---|
//! | 2x2 | 6x6 | 5x5 | 36 | 1 / 2.8 |
//! | 3x3 | 6x6 | 4x4 | 36 | 1 / 4 |
//! | 3x3 of small images | 5x5 | 3x3 | 25 | 1 / 3.2 |
//! | 5x5 | 6x6 | 2x2 | 36 | 1 / 2.8 |
//! | 3x3 with stride 2 | 9x9 | 4x4 | 81 | 1 / 1.8 |
//!
//! | file | concept |
//! |---|---|
//! | `transform` | what a transform of a line of values is, and how it is applied to rows and columns, as vector code |
//! | `stride1` | the transforms of stride 1 |
//! | `stride2` | those of stride 2: a line is two, of the even and of the odd pixels |
//! | `small` | those of stride 1 on smaller tiles |
//! | `scheme` | the convolutions that have transforms, and which |
//! | `products` | what multiplies at the points: f32, pairs of bf16, or three-term factors |
//! | `tiling` | how tiles lie over source and destination |
//! | `data_plan` | forward and backward-data: how they are cut into chunks |
//! | `to_points` | their weights to the points |
//! | `chunk` | some tiles through all three stages, inside the second-level cache |
//! | `data` | the pass |
//! | `ahead` | pixels that are asked for before they are needed |
//! | `point_sums` | backward-weights: where the gradients at the points lie |
//! | `batch_plan` | how it is cut into shares, with products in f32 |
//! | `batch` | all points of some channels, batch by batch of tiles |
//! | `batches` | the pass |
//! | `weights_plan` | how it is cut into jobs, with products of bf16 pairs or terms |
//! | `job` | some rows of points of the gradients, chunk by chunk of tiles |
//! | `weights` | the pass |
//! | `from_points` | the gradients back from the points |
//!
//! A plan knows nothing of what runs it.

mod ahead;
mod batch;
mod batch_plan;
mod batches;
mod chunk;
mod data;
mod data_plan;
mod from_points;
mod job;
mod point_sums;
mod products;
mod scheme;
mod small;
mod stride1;
mod stride2;
#[cfg(test)]
mod testing;
mod tiling;
mod to_points;
mod transform;
mod weights;
mod weights_plan;

pub(super) use data::Winograd;
pub(super) use products::multiplies_pairs;
pub(super) use weights::WinogradWeights;
