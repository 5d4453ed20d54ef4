//! How maps become pictures.

use super::render::{Shading, overlay};
use crate::data::decode::Picture;

/// How maps are displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coloring {
    /// As separate pictures.
    Map(Shading),
    /// As an overlay on the image.
    Overlay,
}

impl Coloring {
    /// Converts a map to a picture.
    pub(super) fn paint(self, map: &[f32], picture: &Picture) -> Picture {
        match self {
            Self::Map(shading) => shading.paint(map, picture.height, picture.width),
            Self::Overlay => overlay(map, picture),
        }
    }
}
