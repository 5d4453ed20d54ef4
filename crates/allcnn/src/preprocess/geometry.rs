//! The size of images.

use std::fmt;

use crate::net::Input;

/// An image size; the layout is `[height, width, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values per pixel.
    pub channels: usize,
}

impl Geometry {
    /// Values per image.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether an image has no values at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Input> for Geometry {
    fn from(Input { height, width, channels }: Input) -> Self {
        Self { height, width, channels }
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}
