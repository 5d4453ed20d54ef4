//! Padding by copies of the nearest pixel.

use crate::Shape;

/// Padding of images by copies of the nearest pixel, as much above as below and as much to the left as to the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgePad {
    /// The images.
    pub input: Shape,
    /// Rows above and rows below.
    pub rows: usize,
    /// Columns to the left and columns to the right.
    pub columns: usize,
}

impl EdgePad {
    /// The padded images.
    pub fn output(&self) -> Shape {
        let Self { input, rows, columns } = *self;
        Shape { height: input.height + 2 * rows, width: input.width + 2 * columns, ..input }
    }

    /// The pixel of an image, counted row by row, that a pixel of the padded one is a copy of.
    pub fn source(&self, pixel: usize) -> usize {
        let Self { input: Shape { height, width, .. }, rows, columns } = *self;
        let padded = self.output().width;
        let [y, x] = [(pixel / padded, rows, height), (pixel % padded, columns, width)]
            .map(|(at, pad, side)| at.saturating_sub(pad).min(side - 1));
        y * width + x
    }
}
