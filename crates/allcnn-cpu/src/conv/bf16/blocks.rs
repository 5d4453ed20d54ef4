//! Which positions of a chunk are computed together, and which pixels they are.

use allcnn_device::Shape;

use super::super::geometry::Grid;
use crate::products::block::{BLOCK, TILE};
use crate::whole::pieces_mut;

/// The pixel of a position that is not one.
pub(super) const NOWHERE: usize = usize::MAX;

/// A chunk as a grid sees it: images and the grid's rows of each, lines `pitch` long, `image_rows` of them an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub images: usize,
    pub rows: usize,
    pub image_rows: usize,
    pub pitch: usize,
}

/// Two tiles of 16 positions, or one.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The tiles' first positions; where there is one tile, it stands for both.
    pub positions: [usize; 2],
    pub tiles: usize,
    /// For each position the destination's pixel, counted from the chunk's first one, or [`NOWHERE`].
    pub pixels: [usize; BLOCK],
}

impl Extent {
    /// The blocks that cover a grid.
    pub(super) fn blocks(&self, grid: &Grid, destination: Shape) -> Vec<Block> {
        let tiles: Vec<_> = self.tiles(grid.width).collect();
        let block = |tiles: &[usize]| {
            let mut pixels = [NOWHERE; BLOCK];
            for (pixels, &tile) in pieces_mut(&mut pixels, TILE).zip(tiles) {
                for (at, pixel) in pixels.iter_mut().enumerate() {
                    *pixel = self.pixel(grid, destination, tile + at).unwrap_or(NOWHERE);
                }
            }
            let positions = [tiles[0], *tiles.last().unwrap_or(&tiles[0])];
            Block { positions, tiles: tiles.len(), pixels }
        };
        tiles.chunks(2).map(block).collect()
    }

    /// The first positions of tiles that cover all pixels.
    fn tiles(&self, width: usize) -> impl Iterator<Item = usize> {
        let mut next = self.pixel_from(width, 0);
        std::iter::from_fn(move || {
            let first = next?;
            next = self.pixel_from(width, first + TILE);
            Some(first)
        })
    }

    /// The first position from `position` on that is a pixel.
    fn pixel_from(&self, width: usize, position: usize) -> Option<usize> {
        let (mut line, mut column) = (position / self.pitch, position % self.pitch);
        if column >= width {
            (line, column) = (line + 1, 0);
        }
        let (mut image, mut row) = (line / self.image_rows, line % self.image_rows);
        if row >= self.rows {
            (image, row, column) = (image + 1, 0, 0);
        }
        let position = (image * self.image_rows + row) * self.pitch + column;
        (image < self.images && self.rows > 0).then_some(position)
    }

    /// The destination's pixel at a position, counted from the chunk's first one.
    fn pixel(&self, grid: &Grid, destination: Shape, position: usize) -> Option<usize> {
        let (line, column) = (position / self.pitch, position % self.pitch);
        let (image, row) = (line / self.image_rows, line % self.image_rows);
        let is_pixel = image < self.images && row < self.rows && column < grid.width;
        let line = image * destination.height + row * grid.step;
        is_pixel.then_some(line * destination.width + column * grid.step)
    }
}
