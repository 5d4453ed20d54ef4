//! From images to the input of a run's network: preprocessing, and the canvas of heavy augmentation.

use crate::augment::center;
use crate::data::decode::Picture;
use crate::preprocess::{Geometry, Preprocessor};

/// The gray level that shows the empty part of a canvas, whose zeros are the mean of the training images.
const EMPTY: u8 = 128;

/// Converts images to network input.
pub struct InputTransform {
    preprocessor: Preprocessor,
    input: Geometry,
}

impl InputTransform {
    /// Preprocesses images, centered in the network's input if that is larger.
    ///
    /// Panics if it is smaller.
    pub fn new(preprocessor: Preprocessor, input: Geometry) -> Self {
        let Geometry { height, width, channels } = preprocessor.geometry();
        assert!(height <= input.height && width <= input.width && channels == input.channels);
        Self { preprocessor, input }
    }

    /// The preprocessing.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }

    /// The size of the images.
    pub fn pictures(&self) -> Geometry {
        self.preprocessor.geometry()
    }

    /// The size of the network's input.
    pub fn input(&self) -> Geometry {
        self.input
    }

    /// Converts images, `[height, width, 3]` each, to network inputs in `out`. Panics if the lengths do not match.
    pub fn apply(&self, pixels: &[u8], out: &mut [f32]) {
        let pictures = self.pictures();
        if pictures == self.input {
            return self.preprocessor.apply(pixels, out);
        }
        let mut prepared = vec![0.0; pixels.len()];
        self.preprocessor.apply(pixels, &mut prepared);
        assert_eq!(prepared.len() / pictures.len(), out.len() / self.input.len(), "pictures and inputs");
        let inputs = out.chunks_exact_mut(self.input.len());
        inputs
            .zip(prepared.chunks_exact(pictures.len()))
            .for_each(|(input, picture)| center(picture, pictures, input, self.input, 0.0));
    }

    /// Shows an image as it is placed in the input.
    pub fn show(&self, pixels: &[u8]) -> Picture {
        let Geometry { height, width, .. } = self.input;
        let mut shown = vec![0; self.input.len()];
        center(pixels, self.pictures(), &mut shown, self.input, EMPTY);
        Picture { height, width, pixels: shown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::Method;

    #[test]
    fn a_picture_lies_in_the_middle_of_a_larger_input() {
        let [small, large] = [2, 4].map(|side| Geometry { height: side, width: side, channels: 3 });
        let pixels: Vec<u8> = (0..24).map(|value| value * 10).collect();
        let preprocessor = || Preprocessor::fit(Method::None, &pixels, small).unwrap();
        let mut plain = vec![0.0; 24];
        InputTransform::new(preprocessor(), small).apply(&pixels, &mut plain);
        let transform = InputTransform::new(preprocessor(), large);
        let mut inputs = vec![f32::NAN; 2 * large.len()];
        transform.apply(&pixels, &mut inputs);
        for (image, input) in inputs.chunks_exact(large.len()).enumerate() {
            let shown = transform.show(&pixels[12 * image..][..12]);
            for index in 0..16 {
                let (row, column) = (index / 4, index % 4);
                let inside = (1..3).contains(&row) && (1..3).contains(&column);
                let from = 12 * image + if inside { 3 * (2 * (row - 1) + column - 1) } else { 0 };
                let (value, pixel) = if inside {
                    (&plain[from..][..3], &pixels[from..][..3])
                } else {
                    (&[0.0; 3][..], &[EMPTY; 3][..])
                };
                assert_eq!((&input[3 * index..][..3], &shown.pixels[3 * index..][..3]), (value, pixel));
            }
        }
    }
}
