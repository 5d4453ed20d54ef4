//! Images that stay on a device, and how batches are gathered from them.

use crate::Shape;

/// Images for a device to keep.
#[derive(Clone, Copy, Debug)]
pub struct ImageSet<'a> {
    /// The shape of all of them; its batch is their number.
    pub shape: Shape,
    /// Their values, `[images, height, width, channels]`.
    pub values: ImageValues<'a>,
}

/// The values of images.
#[derive(Clone, Copy, Debug)]
pub enum ImageValues<'a> {
    /// As the network reads them.
    F32(&'a [f32]),
    /// A byte per value, and for each channel the value that the network reads for each of the 256 bytes.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// The values of the bytes, per channel.
        table: &'a [[f32; 256]],
    },
}

impl ImageSet<'_> {
    /// Returns the set if the number of its values is the shape's.
    ///
    /// # Panics
    /// With both numbers otherwise.
    pub fn checked(self) -> Self {
        let len = match self.values {
            ImageValues::F32(values) => values.len(),
            ImageValues::Bytes { bytes, table } => {
                assert_eq!(table.len(), self.shape.channels, "tables and channels");
                bytes.len()
            }
        };
        assert_eq!(len, self.shape.len(), "values, and the length of {:?}", self.shape);
        self
    }

    /// Value `at` as the network reads it.
    pub fn at(&self, at: usize) -> f32 {
        match self.values {
            ImageValues::F32(values) => values[at],
            ImageValues::Bytes { bytes, table } => table[at % self.shape.channels][usize::from(bytes[at])],
        }
    }
}

/// How an image of a set is seen in a batch: mirrored first, then moved. Pixels from outside the image are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Which image.
    pub image: u32,
    /// Whether left and right are exchanged.
    pub flip: bool,
    /// Rows that it is moved down; up where negative.
    pub down: i32,
    /// Columns that it is moved right; left where negative.
    pub right: i32,
}

impl View {
    /// The row and column of the image's pixel that is seen at (row, column), if any is.
    pub fn source(&self, shape: Shape, row: usize, column: usize) -> Option<(usize, usize)> {
        let from = |to: usize, shift: i32, size: usize| {
            let from = usize::try_from(to as i64 - i64::from(shift)).ok()?;
            (from < size).then_some(from)
        };
        let (row, column) = (from(row, self.down, shape.height)?, from(column, self.right, shape.width)?);
        Some((row, if self.flip { shape.width - 1 - column } else { column }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_mirrors_and_then_moves() {
        let shape = Shape { batch: 9, height: 2, width: 3, channels: 1 };
        let seen = |flip, down, right| -> Vec<Option<(usize, usize)>> {
            let view = View { image: 0, flip, down, right };
            (0..3).map(|column| view.source(shape, 1, column)).collect()
        };
        assert_eq!(seen(false, 0, 0), [Some((1, 0)), Some((1, 1)), Some((1, 2))]);
        assert_eq!(seen(true, 1, 0), [Some((0, 2)), Some((0, 1)), Some((0, 0))]);
        assert_eq!(seen(true, 0, 1), [None, Some((1, 2)), Some((1, 1))]);
        assert_eq!(seen(false, 0, -2), [Some((1, 2)), None, None]);
        assert_eq!(seen(false, i32::MIN, i32::MAX), [None; 3]);
    }
}
