//! A fitted preprocessing and its application.

use std::sync::OnceLock;

use faer::linalg::solvers::{Llt, Solve};
use faer::{Col, Mat, Side};
use rayon::prelude::*;

use super::contrast::{self, Contrast};
use super::error::PreprocessError;
use super::geometry::Geometry;
use super::limits::ZCA_LIMIT;
use super::method::Method;
use super::product::SymmetricMatrix;
use super::zca;

/// A fitted preprocessing.
pub struct Preprocessor {
    pub(super) geometry: Geometry,
    pub(super) fitted: Fitted,
}

/// The fitted parameters, in the precision in which they are stored and applied.
pub(super) enum Fitted {
    GcnZca(Whitening),
    /// Per channel, of values divided by 255.
    MeanStd {
        mean: Vec<f32>,
        std: Vec<f32>,
    },
    None,
}

/// The fitted values, as another program needs them.
pub(crate) enum FittedValues {
    /// `matrix (scale (x - mean of x) / norm of that - mean)` over all values x of an image; the matrix is `[d, d]`.
    GcnZca { scale: f32, mean: Vec<f32>, matrix: Vec<f32> },
    /// Per channel, of values divided by 255.
    MeanStd { mean: Vec<f32>, std: Vec<f32> },
    /// Values divided by 255.
    None,
}

/// `y = P (x - mean)` for a contrast-normalized image x.
pub(super) struct Whitening {
    pub(super) mean: Vec<f32>,
    pub(super) matrix: SymmetricMatrix,
    /// The mean over the training images of what contrast normalization removed, used to display images.
    pub(super) typical: Contrast,
    /// The Cholesky decomposition of `P`, computed on the first [`Preprocessor::invert`].
    pub(super) inverse: OnceLock<Option<Llt<f64>>>,
}

impl Preprocessor {
    /// Fits `method` on the training images `pixels`, `[images, height, width, channels]`.
    ///
    /// The result is bitwise the same for any number of threads. ZCA takes about `n d² + 9 d³` multiply-adds for n
    /// images of d values, and `40 d²` bytes.
    pub fn fit(method: Method, pixels: &[u8], geometry: Geometry) -> Result<Self, PreprocessError> {
        if geometry.is_empty() || !pixels.len().is_multiple_of(geometry.len()) {
            return Err(PreprocessError::NotWholeImages { given: pixels.len(), expected: geometry });
        }
        let images = pixels.len() / geometry.len();
        if method != Method::None && images < 2 {
            return Err(PreprocessError::TooFewImages { given: images });
        }
        let fitted = match method {
            Method::GcnZca if geometry.len() > ZCA_LIMIT => {
                return Err(PreprocessError::TooLarge { given: geometry });
            }
            Method::GcnZca => Fitted::GcnZca(Whitening::fit(pixels, geometry.len())?),
            Method::MeanStd => fit_mean_std(pixels, geometry.channels),
            Method::None => Fitted::None,
        };
        Ok(Self { geometry, fitted })
    }

    /// [`Method::MeanStd`] with given mean and standard deviation per channel (of values divided by 255). Panics
    /// if their number is not that of the channels.
    pub fn mean_std(geometry: Geometry, mean: Vec<f32>, std: Vec<f32>) -> Self {
        assert_eq!(
            [mean.len(), std.len()],
            [geometry.channels; 2],
            "a mean and a deviation for each channel"
        );
        Self { geometry, fitted: Fitted::MeanStd { mean, std } }
    }

    /// The method that was fitted.
    pub fn method(&self) -> Method {
        match self.fitted {
            Fitted::GcnZca(_) => Method::GcnZca,
            Fitted::MeanStd { .. } => Method::MeanStd,
            Fitted::None => Method::None,
        }
    }

    /// The fitted values.
    pub(crate) fn values(&self) -> FittedValues {
        match &self.fitted {
            Fitted::GcnZca(Whitening { mean, matrix, .. }) => {
                let size = matrix.size();
                let matrix = (0..size * size).map(|index| matrix.at(index / size, index % size)).collect();
                FittedValues::GcnZca { scale: contrast::SCALE as f32, mean: mean.clone(), matrix }
            }
            Fitted::MeanStd { mean, std } => FittedValues::MeanStd { mean: mean.clone(), std: std.clone() },
            Fitted::None => FittedValues::None,
        }
    }

    /// The size of the images it was fitted for.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Checks that images have the size it was fitted for.
    pub fn check_geometry(&self, given: Geometry) -> Result<(), PreprocessError> {
        if given == self.geometry {
            return Ok(());
        }
        Err(PreprocessError::OtherGeometry { given, expected: self.geometry })
    }

    /// Preprocesses images into `out`, in the same layout.
    ///
    /// Each image's result is bitwise independent of the other images and of the number of threads. Panics if
    /// `out` and `pixels` differ in length, or that is not a multiple of the image size.
    pub fn apply(&self, pixels: &[u8], out: &mut [f32]) {
        let length = self.geometry.len();
        assert_eq!(pixels.len(), out.len(), "pixels and preprocessed values differ in number");
        assert!(pixels.len().is_multiple_of(length), "{} values, not whole images of {length}", pixels.len());
        match &self.fitted {
            Fitted::GcnZca(whitening) => whitening.apply(pixels, out),
            Fitted::MeanStd { mean, std } => apply_table(&self.scaling(mean, std), pixels, out),
            Fitted::None => apply_table(&self.plain(), pixels, out),
        }
    }

    /// The lookup table of 256 values per channel; `None` if the method is not elementwise.
    pub fn table(&self) -> Option<Vec<[f32; 256]>> {
        match &self.fitted {
            Fitted::GcnZca(_) => None,
            Fitted::MeanStd { mean, std } => Some(self.scaling(mean, std)),
            Fitted::None => Some(self.plain()),
        }
    }

    fn scaling(&self, mean: &[f32], std: &[f32]) -> Vec<[f32; 256]> {
        table(self.geometry.channels, |channel, value| (unit(value) - mean[channel]) / std[channel])
    }

    fn plain(&self) -> Vec<[f32; 256]> {
        table(self.geometry.channels, |_, value| unit(value))
    }

    /// Converts one preprocessed image back to 0..=255 values, for display.
    ///
    /// Exact for mean-std and none. GCN removes each image's brightness and contrast irrecoverably; the training
    /// images' averages are used instead, so the result only resembles the original. Values are clipped to
    /// 0..=255. Panics if the image does not have the fitted size.
    pub fn invert(&self, image: &[f32]) -> Vec<u8> {
        assert_eq!(image.len(), self.geometry.len(), "values of an image of {}", self.geometry);
        let channels = self.geometry.channels;
        match &self.fitted {
            Fitted::GcnZca(whitening) => whitening.invert(image),
            Fitted::MeanStd { mean, std } => image
                .iter()
                .enumerate()
                .map(|(i, x)| byte((x * std[i % channels] + mean[i % channels]) * 255.0))
                .collect(),
            Fitted::None => image.iter().map(|x| byte(x * 255.0)).collect(),
        }
    }
}

impl Whitening {
    fn fit(pixels: &[u8], dimensions: usize) -> Result<Self, PreprocessError> {
        let fit = zca::fit(pixels, dimensions)?;
        let contrasts: Vec<Contrast> = pixels.par_chunks(dimensions).map(Contrast::of).collect();
        let average =
            |part: fn(&Contrast) -> f64| contrasts.iter().map(part).sum::<f64>() / contrasts.len() as f64;
        Ok(Self {
            mean: fit.mean.iter().map(|&mean| mean as f32).collect(),
            matrix: SymmetricMatrix::from_fn(dimensions, |row, column| fit.matrix[(row, column)] as f32),
            typical: Contrast { mean: average(|c| c.mean), divisor: average(|c| c.divisor) },
            inverse: OnceLock::new(),
        })
    }

    fn apply(&self, pixels: &[u8], out: &mut [f32]) {
        let dimensions = self.mean.len();
        let fill = |index: usize, input: &mut [f32]| {
            let image = &pixels[index * dimensions..][..dimensions];
            let contrast = Contrast::of(image);
            let centered = input.iter_mut().zip(image).zip(&self.mean);
            centered
                .for_each(|((x, &value), &mean)| *x = (contrast.normalize(value) - f64::from(mean)) as f32);
        };
        self.matrix.multiply(fill, out);
    }

    fn invert(&self, image: &[f32]) -> Vec<u8> {
        let dimensions = self.mean.len();
        let inverse = self.inverse.get_or_init(|| {
            let matrix = Mat::from_fn(dimensions, dimensions, |i, j| f64::from(self.matrix.at(i, j)));
            matrix.llt(Side::Lower).ok()
        });
        let whitened = Col::from_fn(dimensions, |i| f64::from(image[i]));
        // A stored matrix that is no longer positive definite after rounding falls back to the whitened image.
        let centered = inverse.as_ref().map_or(whitened.clone(), |inverse| inverse.solve(&whitened));
        let shown = centered.iter().zip(&self.mean);
        shown
            .map(|(x, &mean)| byte(((x + f64::from(mean)) * self.typical.divisor + self.typical.mean) as f32))
            .collect()
    }
}

/// Mean and standard deviation per channel, of values divided by 255. A constant channel is not scaled.
fn fit_mean_std(pixels: &[u8], channels: usize) -> Fitted {
    let n = (pixels.len() / channels) as f64;
    let (mut mean, mut std) = (Vec::new(), Vec::new());
    for channel in 0..channels {
        let values = pixels.par_chunks(channels).map(|pixel| u64::from(pixel[channel]));
        // Integer sums do not depend on the order.
        let (sum, squares) = values.map(|x| (x, x * x)).reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let average = sum as f64 / n;
        let deviation = (squares as f64 / n - average * average).max(0.0).sqrt();
        mean.push((average / 255.0) as f32);
        std.push(if deviation < 1e-6 { 1.0 } else { (deviation / 255.0) as f32 });
    }
    Fitted::MeanStd { mean, std }
}

/// The lookup table of each channel.
fn table(channels: usize, map: impl Fn(usize, u8) -> f32) -> Vec<[f32; 256]> {
    (0..channels).map(|channel| std::array::from_fn(|value| map(channel, value as u8))).collect()
}

fn apply_table(table: &[[f32; 256]], pixels: &[u8], out: &mut [f32]) {
    let work = 4096 * table.len();
    out.par_chunks_mut(work)
        .zip(pixels.par_chunks(work))
        .for_each(|(out, pixels)| look_up(table, pixels, out));
}

/// Applies [`Preprocessor::table`], on the calling thread only.
pub(crate) fn look_up(table: &[[f32; 256]], pixels: &[u8], out: &mut [f32]) {
    let at = |table: &[f32; 256], value: u8| table[usize::from(value)];
    if let [red, green, blue] = table {
        let pixels = out.as_chunks_mut::<3>().0.iter_mut().zip(pixels.as_chunks::<3>().0);
        return pixels.for_each(|(out, &[r, g, b])| *out = [at(red, r), at(green, g), at(blue, b)]);
    }
    let channels = table.iter().cycle();
    out.iter_mut().zip(pixels).zip(channels).for_each(|((out, &value), table)| *out = at(table, value));
}

fn unit(value: u8) -> f32 {
    f32::from(value) / 255.0
}

/// Rounds to the nearest of 0..=255.
fn byte(value: f32) -> u8 {
    value.round() as u8 // saturates
}
