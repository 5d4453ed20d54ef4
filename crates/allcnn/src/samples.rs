//! Images as a network takes them: preprocessed f32 values, filled batch by batch.

use rayon::prelude::*;

use crate::data::Images;
use crate::preprocess::{Error, Geometry, Method, Preprocessor};

/// Preprocessed images are kept, rather than made anew for each batch, up to so many bytes.
const KEPT_BYTES: usize = 4 << 30;

/// The images of one split with their preprocessing.
///
/// Whitening costs a matrix product an image, so it is done once where the result fits into memory; the other methods
/// look each value up in a table and are applied to each batch, which keeps the images at a byte a value.
pub struct Samples<'a> {
    images: &'a Images,
    preprocessor: &'a Preprocessor,
    ready: Vec<f32>,
}

impl<'a> Samples<'a> {
    /// The preprocessed `images`.
    ///
    /// # Errors
    /// [`Error::OtherGeometry`] when the preprocessing was fitted for another size.
    pub fn new(images: &'a Images, preprocessor: &'a Preprocessor) -> Result<Self, Error> {
        preprocessor.expect(Geometry { height: images.height, width: images.width, channels: 3 })?;
        let mut samples = Self { images, preprocessor, ready: Vec::new() };
        let bytes = images.pixels.len().saturating_mul(size_of::<f32>());
        if preprocessor.method() == Method::GcnZca && bytes <= KEPT_BYTES {
            samples.ready = vec![0.0; images.pixels.len()];
            preprocessor.apply(&images.pixels, &mut samples.ready);
        }
        Ok(samples)
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The class of each image.
    pub fn labels(&self) -> &[u32] {
        &self.images.labels
    }

    /// The images themselves.
    pub fn images(&self) -> &'a Images {
        self.images
    }

    /// The size of an image.
    pub fn geometry(&self) -> Geometry {
        self.preprocessor.geometry()
    }

    /// Writes the images at `places` to the first rows of `batch` and zeros to the rest.
    ///
    /// Panics when they do not fit or there is no such image.
    pub fn fill(&self, places: &[u32], batch: &mut [f32]) {
        let length = self.geometry().len();
        let (filled, rest) = batch.split_at_mut(places.len() * length);
        rest.fill(0.0);
        if self.ready.is_empty() {
            let pixels: Vec<u8> =
                places.iter().flat_map(|&place| self.images.image(place as usize)).copied().collect();
            self.preprocessor.apply(&pixels, filled);
            return;
        }
        filled.par_chunks_mut(length).zip(places).for_each(|(row, &place)| {
            row.copy_from_slice(&self.ready[place as usize * length..][..length]);
        });
    }
}
