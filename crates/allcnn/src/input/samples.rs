//! Preprocessed f32 images, written batch by batch.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use allcnn_device::{Device, ImageSet, ImageValues, Shape};
use rayon::prelude::*;

use super::read_ahead::ReadAhead;
use super::read_times::{ReadClock, ReadTimes};
use crate::augment::{Augment, SeededAugment, Showing};
use crate::data::{self, Identities, Images, open_file};
use crate::preprocess::{Geometry, PreprocessError, Preprocessor, look_up};

/// Preprocessed images are cached, rather than recomputed for each batch, up to this size.
const KEPT_BYTES: usize = 4 << 30;

/// The images of one split with their preprocessing.
///
/// Whitening costs a matrix product per image, so its result is cached if it fits into memory. The other methods
/// are a lookup table per value and are applied to each batch, so images stay at one byte per value. Images on
/// disk are decoded for each batch, in advance if announced by [`Samples::prefetch`].
pub struct Samples<'a> {
    images: &'a Images,
    preprocessor: &'a Preprocessor,
    canvas: Geometry,
    /// Output value for each byte value, per channel, if the preprocessing is elementwise.
    table: Option<Vec<[f32; 256]>>,
    /// The preprocessed images if cached, else empty.
    ready: Vec<f32>,
    /// The identities of the images on disk that were read.
    read: Identities,
    clock: Arc<ReadClock>,
    files: ReadAhead<Showing, Result<Vec<u8>, String>>,
}

impl<'a> Samples<'a> {
    /// Combines `images` with their preprocessing.
    ///
    /// # Errors
    /// [`PreprocessError::OtherGeometry`] if the preprocessing was fitted for another size.
    pub fn new(images: &'a Images, preprocessor: &'a Preprocessor) -> Result<Self, PreprocessError> {
        preprocessor.check_geometry(Geometry { height: images.height, width: images.width, channels: 3 })?;
        let canvas = preprocessor.geometry();
        let mut samples = Self {
            images,
            preprocessor,
            canvas,
            table: preprocessor.table(),
            ready: vec![],
            read: Identities::none(images.files.len()),
            clock: Arc::default(),
            files: ReadAhead::default(),
        };
        let bytes = images.pixels.len().saturating_mul(size_of::<f32>());
        if samples.table.is_none() && bytes <= KEPT_BYTES {
            samples.ready = vec![0.0; images.pixels.len()];
            preprocessor.apply(&images.pixels, &mut samples.ready);
        }
        Ok(samples)
    }

    /// Places the images on a larger canvas, as heavy augmentation needs it. Panics if the canvas is smaller.
    pub fn on_canvas(self, canvas: Geometry) -> Self {
        let Geometry { height, width, .. } = self.preprocessor.geometry();
        assert!(canvas.height >= height && canvas.width >= width, "{height}x{width} on a canvas of {canvas}");
        Self { canvas, ..self }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are no images.
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

    /// The identities of the images; of images on disk only those that were read.
    pub fn identities(&self) -> Identities {
        if self.images.are_on_disk() { self.read.clone() } else { Identities::of(self.images) }
    }

    /// Reads the images on disk that were not read yet, to identify them. Unreadable ones stay unidentified.
    pub fn identify(&self) {
        let unread = self.read.iter().enumerate().filter(|(_, identity)| identity.is_none());
        unread.map(|(index, _)| index).collect::<Vec<_>>().into_par_iter().for_each(|index| {
            if let Ok(file) = open_file::read(&self.images.files[index], open_file::PICTURE) {
                self.read.note(index, &file);
            }
        });
    }

    /// The time spent on images on disk until now.
    pub fn read_times(&self) -> ReadTimes {
        self.clock.times()
    }

    /// The size of a network input.
    pub fn geometry(&self) -> Geometry {
        self.canvas
    }

    /// The part of a network input, in its middle, that the images cover at most when they are augmented so.
    pub fn extent(&self, augment: Augment) -> Geometry {
        augment.extent(self.preprocessor.geometry())
    }

    /// Uploads the images to `device`, which then assembles batches itself, with the same values as
    /// [`Samples::fill`].
    ///
    /// Returns `None` if the device does not support it, if `augment` is not expressible as views ([`SeededAugment::view`]),
    /// and for images on disk, on a canvas, or whitened batch by batch for lack of memory.
    ///
    /// # Errors
    /// A device failure.
    pub fn keep_on<D: Device>(
        &self,
        device: &D,
        augment: SeededAugment,
    ) -> Result<Option<D::Images>, allcnn_device::Error> {
        let geometry = self.preprocessor.geometry();
        if self.images.are_on_disk()
            || self.canvas != geometry
            || self.is_empty()
            || augment.view(0).is_none()
        {
            return Ok(None);
        }
        let Geometry { height, width, channels } = geometry;
        let shape = Shape { batch: self.len(), height, width, channels };
        let values = match &self.table {
            Some(table) => ImageValues::Bytes { bytes: &self.images.pixels, table },
            None if self.ready.is_empty() => return Ok(None),
            None => ImageValues::F32(&self.ready),
        };
        device.keep_images(ImageSet { shape, values })
    }

    /// Starts reading the images that will soon be shown, if they are on disk.
    pub fn prefetch(&self, showings: impl IntoIterator<Item = Showing>) {
        for showing in showings.into_iter().filter(|_| self.images.are_on_disk()) {
            self.files.prefetch(showing, self.reading(showing));
        }
    }

    /// The closure that reads the crop of an image on disk that a showing uses.
    fn reading(&self, showing: Showing) -> impl FnOnce() -> Result<Vec<u8>, String> + use<> {
        let Images { height, width, ref files, .. } = *self.images;
        let Showing { image: index, augment } = showing;
        let (file, crop, read) = (files[index as usize].clone(), augment.crop(index), self.read.clone());
        let clock = Arc::clone(&self.clock);
        move || {
            let begin = Instant::now();
            let file = open_file::read(&file, open_file::PICTURE).map_err(|error| error.to_string())?;
            read.note(index as usize, &file);
            let decoding = Instant::now();
            let pixels = data::cut_photo(&file, crop, height, width);
            clock.count(begin, decoding);
            pixels
        }
    }

    /// Writes the images at indices `indices`, augmented by `augment`, to the first rows of `batch` and zeros to the
    /// others.
    ///
    /// Panics if they do not fit or an index is out of range.
    ///
    /// # Errors
    /// [`data::Error::Unreadable`] for an image on disk.
    pub fn fill(
        &self,
        indices: &[u32],
        augment: SeededAugment,
        batch: &mut [f32],
    ) -> Result<(), data::Error> {
        let showings: Vec<Showing> = indices.iter().map(|&image| Showing { image, augment }).collect();
        self.show(&showings, batch)
    }

    /// Like [`Samples::fill`], with an augmentation of its own for each image.
    ///
    /// # Errors
    /// As [`Samples::fill`].
    pub fn show(&self, showings: &[Showing], batch: &mut [f32]) -> Result<(), data::Error> {
        let (geometry, canvas) = (self.preprocessor.geometry(), self.canvas);
        let (filled, rest) = batch.split_at_mut(showings.len() * canvas.len());
        rest.fill(0.0);
        let rows = filled.par_chunks_mut(canvas.len()).zip(showings);
        let show = |out: &mut [f32], showing: &Showing, image: &[f32]| {
            showing.augment.apply(showing.image, image, geometry, out, canvas);
        };
        if !self.ready.is_empty() && !showings.iter().any(|showing| showing.augment.varies_pixels()) {
            let image = |index: u32| &self.ready[index as usize * geometry.len()..][..geometry.len()];
            rows.for_each(|(out, showing)| show(out, showing, image(showing.image)));
            return Ok(());
        }
        let images = self.pixels(showings)?;
        if let Some(table) = &self.table {
            // Image by image, so that each is still in the cache when it is augmented.
            let room = || vec![0.0; geometry.len()];
            rows.zip(&images).for_each_init(room, |image, ((out, showing), pixels)| {
                look_up(table, pixels, image);
                show(out, showing, image);
            });
        } else {
            let mut prepared = vec![0.0; showings.len() * geometry.len()];
            self.preprocessor.apply(&images.concat(), &mut prepared);
            let rows = rows.zip(prepared.par_chunks(geometry.len()));
            rows.for_each(|((out, showing), image)| show(out, showing, image));
        }
        Ok(())
    }

    /// The pixels of the images that are shown, varied before the preprocessing; of files, the crop that is shown.
    fn pixels(&self, showings: &[Showing]) -> Result<Vec<Cow<'a, [u8]>>, data::Error> {
        if !self.images.are_on_disk() {
            let (images, geometry) = (self.images, self.preprocessor.geometry());
            let pixels = |&Showing { image, augment }: &Showing| {
                let pixels = images.image(image as usize);
                augment.vary(image, pixels, geometry).map_or(Cow::Borrowed(pixels), Cow::Owned)
            };
            return Ok(showings.par_iter().map(pixels).collect());
        }
        self.prefetch(showings.iter().copied());
        let read = |&showing: &Showing| {
            let read = self.files.take(&showing).unwrap_or_else(|| self.reading(showing)());
            let unreadable = |reason| {
                let file = self.images.files[showing.image as usize].clone();
                data::Error::Unreadable { file, reason }
            };
            Ok(read.map_err(unreadable)?.into())
        };
        // Waiting for the last one first sleeps only once: the others are ready by then.
        let mut pixels = showings.iter().rev().map(read).collect::<Result<Vec<_>, _>>()?;
        pixels.reverse();
        Ok(pixels)
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::Reference;

    use super::*;
    use crate::preprocess::Method;

    const GEOMETRY: Geometry = Geometry { height: 6, width: 5, channels: 3 };

    fn images() -> Images {
        let mut images = Images::new(GEOMETRY.height, GEOMETRY.width);
        images.pixels = (0..20 * GEOMETRY.len()).map(|at| (at * at % 251) as u8).collect();
        images.labels = vec![0; 20];
        images.names = vec![String::new(); 20];
        images
    }

    #[test]
    fn a_device_that_keeps_the_images_makes_the_same_batches() {
        let images = images();
        let indices = [7, 0, 19, 7];
        for method in [Method::MeanStd, Method::None, Method::GcnZca] {
            let preprocessor = Preprocessor::fit(method, &images.pixels, GEOMETRY).unwrap();
            let samples = Samples::new(&images, &preprocessor).unwrap();
            for augment in [Augment::None, Augment::FlipShift { max_shift: 5 }] {
                for round in 0..10 {
                    let seeded = SeededAugment { augment, seed: 3, round };
                    let [mut made, mut gathered] = [(); 2].map(|()| vec![f32::NAN; 5 * GEOMETRY.len()]);
                    samples.fill(&indices, seeded, &mut made).unwrap();
                    let mut kept = samples.keep_on(&Reference, seeded).unwrap().unwrap();
                    let views: Vec<_> = indices.iter().filter_map(|&index| seeded.view(index)).collect();
                    Reference.gather(&mut kept, &views, &mut gathered).unwrap();
                    assert_eq!(gathered, made, "{method}, {augment}, round {round}");
                }
            }
        }
    }

    #[test]
    fn whitened_batch_by_batch_images_are_those_that_are_kept() {
        let images = images();
        let preprocessor = Preprocessor::fit(Method::GcnZca, &images.pixels, GEOMETRY).unwrap();
        let mut samples = Samples::new(&images, &preprocessor).unwrap();
        let filled = |samples: &Samples<'_>| {
            let mut batch = vec![f32::NAN; 4 * GEOMETRY.len()];
            samples.fill(&[7, 0, 19], SeededAugment::NONE, &mut batch).unwrap();
            batch
        };
        let kept = filled(&samples);
        samples.ready = vec![];
        assert_eq!(filled(&samples), kept);
    }

    #[test]
    fn pixels_are_varied_before_they_are_preprocessed() {
        let images = images();
        let augment = SeededAugment { augment: Augment::Photo, seed: 3, round: 1 };
        let varied = augment.vary(7, images.image(7), GEOMETRY).unwrap();
        for method in [Method::MeanStd, Method::GcnZca] {
            let preprocessor = Preprocessor::fit(method, &images.pixels, GEOMETRY).unwrap();
            let samples = Samples::new(&images, &preprocessor).unwrap();
            let [mut made, mut expected] = [(); 2].map(|()| vec![f32::NAN; GEOMETRY.len()]);
            samples.fill(&[7], augment, &mut made).unwrap();
            preprocessor.apply(&varied, &mut expected);
            assert_eq!(made, expected, "{method}");
        }
    }

    #[test]
    fn images_on_disk_make_the_batches_of_those_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let geometry = Geometry { height: 14, width: 14, channels: 3 };
        let [mut on_disk, mut in_memory] = [(); 2].map(|()| Images::new(14, 14));
        for number in 0..8u8 {
            let file = folder.path().join(format!("{number}.png"));
            let photo: Vec<u8> = (0..16 * 16 * 3u32).map(|at| (at * at % 251) as u8 ^ number).collect();
            image::save_buffer(&file, &photo, 16, 16, image::ExtendedColorType::Rgb8).unwrap();
            in_memory.pixels.extend(data::read_photo(&file, data::Crop::CENTER, 14, 14).unwrap());
            on_disk.files.push(file);
        }
        for images in [&mut on_disk, &mut in_memory] {
            images.labels = vec![0; 8];
            images.names = vec![String::new(); 8];
        }
        let preprocessor = Preprocessor::fit(Method::MeanStd, &in_memory.pixels, geometry).unwrap();
        // A batch may contain an image twice.
        let [from_disk, from_memory] = [&on_disk, &in_memory].map(|images| {
            let mut batch = vec![f32::NAN; 4 * geometry.len()];
            let samples = Samples::new(images, &preprocessor).unwrap();
            samples.fill(&[7, 3, 7], SeededAugment::NONE, &mut batch).unwrap();
            batch
        });
        assert_eq!(from_disk, from_memory);
    }

    #[test]
    fn what_is_more_than_a_view_is_made_on_the_host() {
        let images = images();
        let preprocessor = Preprocessor::fit(Method::None, &images.pixels, GEOMETRY).unwrap();
        let kept = |samples: &Samples<'_>, augment| {
            samples.keep_on(&Reference, SeededAugment { augment, seed: 3, round: 0 }).unwrap().is_some()
        };
        let samples = Samples::new(&images, &preprocessor).unwrap();
        assert!(kept(&samples, Augment::None));
        for made in [Augment::Heavy, Augment::CropFlip, Augment::Photo] {
            assert!(!kept(&samples, made), "{made}");
        }
        let canvas = Geometry { height: 12, width: 12, channels: 3 };
        assert!(!kept(&samples.on_canvas(canvas), Augment::None));
        let none = Images::new(GEOMETRY.height, GEOMETRY.width);
        assert!(!kept(&Samples::new(&none, &preprocessor).unwrap(), Augment::None));
    }
}
