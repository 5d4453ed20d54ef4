//! Images that stay, and batches of them.

use crate::{ImageSet, Shape, View};

/// The values of a set, as a network takes them.
#[derive(Clone, Debug)]
pub struct Images {
    shape: Shape,
    values: Vec<f32>,
}

impl Images {
    pub(super) fn new(set: ImageSet<'_>) -> Self {
        let set = set.checked();
        Self { shape: set.shape, values: (0..set.shape.len()).map(|at| set.at(at)).collect() }
    }

    pub(super) fn gather(&self, views: &[View], batch: &mut [f32]) {
        let Shape { height, width, channels, .. } = self.shape;
        let image_len = height * width * channels;
        assert!(views.len() * image_len <= batch.len(), "{} views of {:?}", views.len(), self.shape);
        batch.fill(0.0);
        for (view, seen) in views.iter().zip(batch.chunks_exact_mut(image_len)) {
            let image = &self.values[view.image as usize * image_len..][..image_len];
            for (index, pixel) in seen.chunks_exact_mut(channels).enumerate() {
                if let Some((row, column)) = view.source(self.shape, index / width, index % width) {
                    pixel.copy_from_slice(&image[(row * width + column) * channels..][..channels]);
                }
            }
        }
    }
}
