//! Winograd convolution on tiles of 6x6 input pixels, for stride 1 (Lavin and Gray 2016, "Fast Algorithms for
//! Convolutional Neural Networks").
//!
//! An r x r kernel computes m x m outputs of a tile, m + r - 1 = 6, as
//! y = At [ (G g Gt) * (Bt d B) ] A: 36 products for each pair of channels instead of m^2 r^2. One engine serves
//! 3x3 (m = 4, 4 times fewer products), 5x5 (m = 2, 2.8 times) and 2x2 (m = 5, 2.8 times): Bt depends on the
//! interpolation points alone.
//!
//! | file | concept |
//! |---|---|
//! | `transform` | the points, and the five transforms as vector code |
//! | `data` | forward and backward-data: chunks of tiles go through all three stages inside the second-level cache |
//! | `weights` | backward-weights: dw = Gt [ sum over tiles of (Bt d B) * (A dy At) ] G |

mod data;
mod transform;
mod weights;

pub(super) use data::Winograd;
pub(super) use weights::WinogradWeights;

use allcnn_device::{ConvShape, Shape};

use super::{Declined, Direction};
use crate::engine::{Choice, Engine};

/// Side of an input tile.
const SIDE: usize = 6;
/// Points of a transformed tile.
const POINTS: usize = SIDE * SIDE;
/// Below this, the transforms cost more than the products save.
const FEWEST_CHANNELS: usize = 16;
/// Transforming a weight, writing and reading it at a point costs about as much as so many products: an estimate from
/// counts of instructions and cache traffic.
const WEIGHTS_COST: usize = 16;
/// Extra values between the slots of successive points, so that they do not fall on the same cache sets.
const SLOT_PADDING: usize = 80;

/// How the tiles lie over source and destination.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    source: Shape,
    destination: Shape,
    /// Rows and columns of zeros before the source.
    padding: usize,
    /// Destination rows and columns of a tile.
    step: usize,
}

impl Tiling {
    /// The tiles of a pass over a dense stride-1 convolution with a 2x2, 3x3 or 5x5 kernel, or why there are none.
    fn new(shape: &ConvShape, direction: Direction, engine: &Engine) -> Result<Self, Declined> {
        let ConvShape { input, kernel, stride, padding, groups, .. } = *shape;
        if stride != 1 || groups != 1 || ![2, 3, 5].contains(&kernel) {
            return Err("not a dense stride-1 convolution with a 2x2, 3x3 or 5x5 kernel");
        }
        if padding >= kernel {
            return Err("padding as wide as the kernel");
        }
        let (source, destination, padding) = match direction {
            Direction::Forward => (input, shape.output(), padding),
            Direction::Backward => (shape.output(), input, kernel - 1 - padding),
        };
        let tiling = Self { source, destination, padding, step: SIDE + 1 - kernel };
        if engine.choice() == Choice::Fastest { tiling.if_it_pays(kernel) } else { Ok(tiling) }
    }

    fn if_it_pays(self, kernel: usize) -> Result<Self, Declined> {
        if self.source.channels.min(self.destination.channels) < FEWEST_CHANNELS {
            return Err("fewer than 16 channels");
        }
        // Products for each pair of channels, without and with tiles.
        let plain = kernel * kernel * self.destination.len() / self.destination.channels;
        let tiled = POINTS * self.count();
        if 3 * tiled > 2 * plain {
            return Err("the tiles stick out of the image too far");
        }
        if plain - tiled < POINTS * WEIGHTS_COST {
            return Err("too few tiles to pay for transforming the weights");
        }
        Ok(self)
    }

    /// Tiles side by side.
    fn across(&self) -> usize {
        self.destination.width.div_ceil(self.step)
    }

    /// Rows of tiles in an image.
    fn down(&self) -> usize {
        self.destination.height.div_ceil(self.step)
    }

    /// Rows of tiles in all images.
    fn rows(&self) -> usize {
        self.down() * self.destination.batch
    }

    /// All tiles.
    fn count(&self) -> usize {
        self.rows() * self.across()
    }

    /// Multiply-adds of the products: 36 for each tile and pair of channels.
    fn multiply_adds(&self) -> usize {
        POINTS * self.count() * self.source.channels * self.destination.channels
    }

    /// First destination row (counted over all images) of a row of tiles.
    fn first_row(&self, row: usize) -> usize {
        row / self.down() * self.destination.height + row % self.down() * self.step
    }

    fn tile(&self, at: usize) -> Tile {
        let (row, column) = (at / self.across(), at % self.across());
        Tile { image: row / self.down(), row: row % self.down() * self.step, column: column * self.step }
    }
}

/// A tile: the destination place of its first output.
#[derive(Clone, Copy, Debug)]
struct Tile {
    image: usize,
    row: usize,
    column: usize,
}

impl Tile {
    /// Where the N x N pixels from `corner` (in the image's coordinates) start; `outside` for those that are not there.
    #[inline(always)]
    fn pixels<const N: usize>(
        &self,
        size: Shape,
        padding: usize,
        values: &[f32],
        outside: &[f32],
    ) -> [[*const f32; N]; N] {
        assert!(outside.len() >= size.channels);
        let mut pixels = [[outside.as_ptr(); N]; N];
        for (y, pixels) in pixels.iter_mut().enumerate() {
            let row = (self.row + y).wrapping_sub(padding);
            for (x, pixel) in pixels.iter_mut().enumerate() {
                let column = (self.column + x).wrapping_sub(padding);
                if row < size.height && column < size.width {
                    let place = ((self.image * size.height + row) * size.width + column) * size.channels;
                    *pixel = values[place..place + size.channels].as_ptr();
                }
            }
        }
        pixels
    }
}
