//! Winograd convolution on tiles (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"): an r x r
//! kernel computes m x m outputs of a tile as y = At [ (G g Gt) * (Bt d B) ] A, (m + r - 1)^2 products for each pair
//! of channels instead of m^2 r^2.
//!
//! | convolution | input tile | outputs m x m | products | of the plain number |
//! |---|---|---|---|---|
//! | 2x2 | 6x6 | 5x5 | 36 | 1 / 2.8 |
//! | 3x3 | 6x6 | 4x4 | 36 | 1 / 4 |
//! | 5x5 | 6x6 | 2x2 | 36 | 1 / 2.8 |
//! | 3x3 with stride 2 | 9x9 | 4x4 | 81 | 1 / 1.8 |
//!
//! | file | concept |
//! |---|---|
//! | `transform` | lines of values transformed to points and back, as vector code: stride 1 |
//! | `strided` | the same for stride 2: a line is two, of the even and of the odd pixels |
//! | `taps` | weights to the points, and their gradients back |
//! | `data` | forward and backward-data: chunks of tiles go through all three stages inside the second-level cache |
//! | `chunk` | such a chunk |
//! | `weights` | backward-weights: dw = Gt [ sum over tiles of (Bt d B) * (A dy At) ] G, a row of points at a time |
//! | `job` | a piece of the work of backward-weights |

mod chunk;
mod data;
mod job;
mod strided;
mod taps;
mod transform;
mod weights;

pub(super) use data::Winograd;
pub(super) use weights::WinogradWeights;

use allcnn_device::{ConvShape, Shape};

use super::pass::{Declined, Direction};
use crate::engine::{Choice, Engine};
use crate::isa::Isa;
use crate::products::block::BLOCK;
use crate::products::f32::TileShape;

/// Below this, the transforms cost more than the products save.
const FEWEST_CHANNELS: usize = 16;
/// With fewer channels, AMX tiles stay half empty or their packing costs more than they save.
const FEWEST_CHANNELS_OF_TERMS: usize = 64;
/// Transforming a weight, writing and reading it at a point costs about as much as so many products: an estimate from
/// counts of instructions and cache traffic.
const WEIGHTS_COST: usize = 16;
/// Extra values between the slots of successive points, so that they do not fall on the same cache sets.
const SLOT_PADDING: usize = 80;

/// The convolutions that have transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    TwoByTwo,
    ThreeByThree,
    FiveByFive,
    /// 3x3 with stride 2.
    Strided,
}

impl Scheme {
    fn of(shape: &ConvShape) -> Result<Self, Declined> {
        match (shape.kernel, shape.stride, shape.groups) {
            (2, 1, 1) => Ok(Self::TwoByTwo),
            (3, 1, 1) => Ok(Self::ThreeByThree),
            (5, 1, 1) => Ok(Self::FiveByFive),
            (3, 2, 1) => Ok(Self::Strided),
            _ => Err("not a dense 2x2, 3x3 or 5x5 convolution with stride 1, nor 3x3 with stride 2"),
        }
    }

    /// Products for each tile and pair of channels.
    fn products(self) -> usize {
        if self == Self::Strided { 81 } else { 36 }
    }
}

/// Whether products between so many channels, over so many tiles of pixels, are to be done by `bf16x6`.
fn terms_pay(engine: &Engine, channels: [usize; 2], tiles: usize) -> bool {
    let is_large =
        tiles >= 2 * BLOCK && channels.into_iter().all(|channels| channels >= FEWEST_CHANNELS_OF_TERMS);
    engine.isa() == Isa::Amx && (is_large || engine.choice() != Choice::Fastest)
}

/// The tile that products consist of: a register tile, or a block of matrix tiles.
fn product_tile(engine: &Engine, bf16x6: bool) -> TileShape {
    if bf16x6 { TileShape::square(BLOCK) } else { TileShape::of(engine.isa()) }
}

/// How the tiles lie over source and destination.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    scheme: Scheme,
    source: Shape,
    destination: Shape,
    /// Rows and columns of zeros before the source.
    padding: usize,
    /// Source rows and columns from a tile to the next.
    source_step: usize,
    /// Destination rows and columns of a tile.
    step: usize,
}

impl Tiling {
    /// The tiles of a pass over a convolution that has transforms, or why there are none.
    fn new(shape: &ConvShape, direction: Direction, engine: &Engine) -> Result<Self, Declined> {
        let ConvShape { input, kernel, padding, .. } = *shape;
        let scheme = Scheme::of(shape)?;
        if padding >= kernel {
            return Err("padding as wide as the kernel");
        }
        let output = shape.output();
        let step = if scheme == Scheme::Strided { strided::OUTPUTS } else { transform::SIDE + 1 - kernel };
        let tiling = match (direction, scheme) {
            (Direction::Forward, _) => {
                let source_step = step * shape.stride;
                Self { scheme, source: input, destination: output, padding, source_step, step }
            }
            (Direction::Backward, Scheme::Strided) if padding != 1 => {
                return Err("tiles going back through a stride begin inside the image for padding 1 only");
            }
            (Direction::Backward, Scheme::Strided) => {
                let destination_step = step * shape.stride;
                Self {
                    scheme,
                    source: output,
                    destination: input,
                    padding: 0,
                    source_step: step,
                    step: destination_step,
                }
            }
            (Direction::Backward, _) => Self {
                scheme,
                source: output,
                destination: input,
                padding: kernel - 1 - padding,
                source_step: step,
                step,
            },
        };
        if engine.choice() == Choice::Fastest { tiling.if_it_pays(shape) } else { Ok(tiling) }
    }

    fn if_it_pays(self, shape: &ConvShape) -> Result<Self, Declined> {
        if self.source.channels.min(self.destination.channels) < FEWEST_CHANNELS {
            return Err("fewer than 16 channels");
        }
        // Products for each pair of channels, without and with tiles.
        let plain = shape.kernel * shape.kernel * shape.output().len() / shape.out_channels;
        let tiled = self.scheme.products() * self.count();
        if 3 * tiled > 2 * plain {
            return Err("the tiles stick out of the image too far");
        }
        if plain - tiled < self.scheme.products() * WEIGHTS_COST {
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
        self.scheme.products() * self.count() * self.source.channels * self.destination.channels
    }

    /// First destination row (counted over all images) of a row of tiles.
    fn first_row(&self, row: usize) -> usize {
        row / self.down() * self.destination.height + row % self.down() * self.step
    }

    fn tile(&self, at: usize) -> Tile {
        let (row, column) = (at / self.across(), at % self.across());
        Tile { image: row / self.down(), row: row % self.down(), column }
    }

    /// Where the source of a tile starts, the padding counted.
    fn source_corner(&self, tile: Tile) -> Corner {
        let [row, column] =
            [tile.row, tile.column].map(|at| (at * self.source_step).wrapping_sub(self.padding));
        Corner { size: self.source, image: tile.image, row, column, step: 1 }
    }

    /// Where the destination of a tile starts.
    fn destination_corner(&self, tile: Tile) -> Corner {
        let [row, column] = [tile.row, tile.column].map(|at| at * self.step);
        Corner { size: self.destination, image: tile.image, row, column, step: 1 }
    }
}

/// A tile: its image, and its place among the rows and columns of tiles.
#[derive(Clone, Copy, Debug)]
struct Tile {
    image: usize,
    row: usize,
    column: usize,
}

/// The upper left pixel of a tile, in an image of a buffer. Above and left of the image, the numbers wrap around.
#[derive(Clone, Copy, Debug)]
struct Corner {
    size: Shape,
    image: usize,
    row: usize,
    column: usize,
    /// Rows and columns from a pixel of the tile to the next.
    step: usize,
}

impl Corner {
    /// Every second pixel, from row `row` and column `column` of the tile on.
    fn half(self, [row, column]: [usize; 2]) -> Self {
        Self { row: self.row.wrapping_add(row), column: self.column.wrapping_add(column), step: 2, ..self }
    }

    /// Where the pixels of row `y` of an N x N tile start; `outside` for those that are not there.
    #[inline(always)]
    fn pixels<const N: usize>(&self, y: usize, values: &[f32], outside: &[f32]) -> [*const f32; N] {
        let Shape { height, width, channels, .. } = self.size;
        assert!(outside.len() >= channels);
        let mut pixels = [outside.as_ptr(); N];
        let row = self.row.wrapping_add(y * self.step);
        if row < height {
            let row = (self.image * height + row) * width;
            for (x, pixel) in pixels.iter_mut().enumerate() {
                let column = self.column.wrapping_add(x * self.step);
                if column < width {
                    *pixel = values[(row + column) * channels..][..channels].as_ptr();
                }
            }
        }
        pixels
    }
}
