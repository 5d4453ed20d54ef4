//! How tiles lie over the source and the destination of a pass, and whether they pay.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::super::pass::{Declined, Direction};
use super::scheme::Scheme;
use crate::engine::{Choice, Engine};
use crate::isa::Isa;
use crate::stored::Stored;

/// Below this, the transforms cost more than the products save.
const FEWEST_CHANNELS: usize = 16;
/// The cost of transforming a weight, writing and reading it at a point, in products: an estimate from counts of
/// instructions and cache traffic.
const WEIGHTS_COST: usize = 16;
/// Extra values between the slots of successive points, so that they do not fall on the same cache sets.
pub(super) const SLOT_PADDING: usize = 80;

/// The tiles of a pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    pub(super) scheme: Scheme,
    pub(super) source: Shape,
    pub(super) destination: Shape,
    /// Rows and columns of zeros before the source.
    padding: usize,
    /// Source rows and columns from a tile to the next.
    pub(super) source_step: usize,
    /// Destination rows and columns of a tile.
    pub(super) step: usize,
}

impl Tiling {
    /// The tiles of a pass over a convolution that has transforms, or why there are none.
    pub(super) fn new(shape: &ConvShape, direction: Direction, engine: &Engine) -> Result<Self, Declined> {
        let ConvShape { input, kernel, stride, padding, .. } = *shape;
        let output = shape.output();
        let scheme = match Scheme::of(shape, if direction == Direction::Forward { output } else { input })? {
            // Small tiles have not been measured where products are done by matrix tiles.
            Scheme::Small if engine.isa() == Isa::Amx => Scheme::ThreeByThree,
            scheme => scheme,
        };
        if padding >= kernel {
            return Err("padding as wide as the kernel");
        }
        let step = scheme.sizes().outputs;
        let tiling = match (direction, scheme) {
            (Direction::Forward, _) => {
                Self { scheme, source: input, destination: output, padding, source_step: step * stride, step }
            }
            (Direction::Backward, Scheme::Strided) if padding != 1 => {
                return Err("tiles going back through a stride begin inside the image for padding 1 only");
            }
            (Direction::Backward, _) => Self {
                scheme,
                source: output,
                destination: input,
                padding: if stride == 1 { kernel - 1 - padding } else { 0 },
                source_step: step,
                step: step * stride,
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
        if plain - tiled < WEIGHTS_COST * self.scheme.products() {
            return Err("too few tiles to pay for transforming the weights");
        }
        Ok(self)
    }

    /// Tiles side by side.
    pub(super) fn across(&self) -> usize {
        self.destination.width.div_ceil(self.step)
    }

    /// Rows of tiles in an image.
    fn down(&self) -> usize {
        self.destination.height.div_ceil(self.step)
    }

    /// Rows of tiles in all images.
    pub(super) fn rows(&self) -> usize {
        self.down() * self.destination.batch
    }

    /// All tiles.
    pub(super) fn count(&self) -> usize {
        self.rows() * self.across()
    }

    /// Multiply-adds of the products.
    pub(super) fn multiply_adds(&self) -> usize {
        self.scheme.products() * self.count() * self.source.channels * self.destination.channels
    }

    /// First destination row (counted over all images) of a row of tiles.
    pub(super) fn first_row(&self, row: usize) -> usize {
        row / self.down() * self.destination.height + row % self.down() * self.step
    }

    /// Where the source rows of some tiles lie, each tile's own: those that it shares with the next one are left out.
    pub(super) fn source_pixels(&self, tiles: &Range<usize>) -> Range<usize> {
        self.pixels(tiles, self.source, self.source_step)
    }

    /// Where the destination rows of some tiles lie.
    pub(super) fn destination_pixels(&self, tiles: &Range<usize>) -> Range<usize> {
        self.pixels(tiles, self.destination, self.step)
    }

    fn pixels(&self, tiles: &Range<usize>, size: Shape, step: usize) -> Range<usize> {
        let start = |tile: usize| {
            let Tile { image, row, .. } = self.tile(tile);
            (image * size.height + (row * step).min(size.height)) * size.width
        };
        start(tiles.start)..start(tiles.end)
    }

    pub(super) fn tile(&self, at: usize) -> Tile {
        let (row, column) = (at / self.across(), at % self.across());
        Tile { image: row / self.down(), row: row % self.down(), column }
    }

    /// Where the source of a tile starts, the padding counted.
    pub(super) fn source_corner(&self, tile: Tile) -> Corner {
        let first = |tile: usize| (tile * self.source_step).wrapping_sub(self.padding);
        let (row, column) = (first(tile.row), first(tile.column));
        Corner { size: self.source, image: tile.image, row, column, step: 1 }
    }

    /// Where the destination of a tile starts.
    pub(super) fn destination_corner(&self, tile: Tile) -> Corner {
        let (row, column) = (tile.row * self.step, tile.column * self.step);
        Corner { size: self.destination, image: tile.image, row, column, step: 1 }
    }
}

/// A tile: its image, and its index in the rows and columns of tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    image: usize,
    row: usize,
    column: usize,
}

/// Every second row and every second column of a tile: those from row and column 0 or 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Half {
    pub(super) row: usize,
    pub(super) column: usize,
}

/// The upper left pixel of a tile, in an image of a buffer. Above and left of the image, the numbers wrap around.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corner {
    pub(super) size: Shape,
    pub(super) image: usize,
    pub(super) row: usize,
    pub(super) column: usize,
    /// Rows and columns from a pixel of the tile to the next.
    pub(super) step: usize,
}

impl Corner {
    /// The corner of a half of the pixels.
    pub(super) fn half(self, half: Half) -> Self {
        let (row, column) = (self.row.wrapping_add(half.row), self.column.wrapping_add(half.column));
        Self { row, column, step: 2, ..self }
    }

    /// Where a pixel outside the image starts, of which `zeros` holds all channels.
    #[inline(always)]
    pub(super) fn outside(&self, zeros: &[f32]) -> *const f32 {
        zeros[..self.size.channels].as_ptr()
    }

    /// Overwrites where the pixels of row `y` of a tile start, of those that are inside the image.
    #[inline(always)]
    pub(super) fn locate_row(&self, y: usize, values: Stored<'_>, pixels: &mut [*const f32]) {
        let Shape { height, width, channels, .. } = self.size;
        let (words, values) = (values.storage().words(channels), values.words());
        let row = self.row.wrapping_add(y * self.step);
        if row < height {
            let row = (self.image * height + row) * width;
            for (x, pixel) in pixels.iter_mut().enumerate() {
                let column = self.column.wrapping_add(x * self.step);
                if column < width {
                    *pixel = values[(row + column) * words..][..words].as_ptr();
                }
            }
        }
    }
}
