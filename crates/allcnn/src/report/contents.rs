//! The data of a run's page: results only, independent of how they were computed.

use crate::confusion::Confusion;
use crate::data::Ignored;
use crate::data::decode::Picture;
use crate::run::EpochRow;
use crate::score::{Calibration, ClassScores};

/// The data of a run's page. Sections without data are omitted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The network's name.
    pub model: String,
    /// The data set, for example `shapes` or the name of its folder.
    pub data: String,
    /// The evaluated checkpoint and images, for example `best checkpoint (epoch 12, chosen on these images) on 5000
    /// test images`.
    pub evaluated: String,
    /// The epoch of that checkpoint (from 1), if it was selected on validation or test images.
    pub chosen: Option<u32>,
    /// The program's name and version, for the footer.
    pub program: String,
    /// Names and values of the run's settings, in order.
    pub settings: Vec<(String, String)>,
    /// The metrics of each epoch, in order.
    pub history: Vec<EpochRow>,
    /// The number of trainable parameters.
    pub parameters: u64,
    /// The mean training speed, in images per second.
    pub images_per_s: f64,
    /// The duration of the training, in seconds.
    pub seconds: f64,
    /// The names of the classes, by index.
    pub classes: Vec<String>,
    /// The confusion matrix of the test images.
    pub confusion: Confusion,
    /// The top-5 error on the test images in percent, if it was measured.
    pub top5_error_pct: Option<f64>,
    /// The metrics of each class on the test images.
    pub class_scores: Vec<ClassScores>,
    /// The calibration on the test images, if it was measured.
    pub calibration: Option<Calibration>,
    /// The calibration on them with the temperature that was fitted on the validation images, if there is one, and that
    /// temperature.
    pub calibrated: Option<(f64, Calibration)>,
    /// Misclassified test images; the page shows the [`MAX_MISTAKES`] with the highest predicted probability.
    pub mistakes: Vec<MisclassifiedPicture>,
    /// The weights of the first layer.
    pub filters: Option<Filters>,
    /// A warning for the top of the page: the training did not learn, and what to change.
    pub advice: Option<String>,
    /// Further pictures, such as explanations; each gallery becomes a section.
    pub galleries: Vec<Gallery>,
    /// Images that could not be read, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// How the data was interpreted while it was read.
    pub notes: Vec<String>,
    /// Other files that were ignored, by reason.
    pub ignored: Vec<Ignored>,
}

/// The maximum number of misclassified images on a page.
pub const MAX_MISTAKES: usize = 40;
/// A misclassified test image.
#[derive(Clone, Debug)]
pub struct MisclassifiedPicture {
    /// The image before preprocessing.
    pub picture: Picture,
    /// Its name.
    pub name: String,
    /// Its true class.
    pub truth: usize,
    /// The predicted class.
    pub predicted: usize,
    /// The probability of the predicted class, 0 to 1.
    pub probability: f64,
    /// The explanation of the predicted class.
    pub explanation: Option<Picture>,
}

/// The weights of the first convolution, `[count, channels, height, width]`.
#[derive(Clone, Debug)]
pub struct Filters {
    /// The values.
    pub weights: Vec<f32>,
    /// The number of filters.
    pub count: usize,
    /// The input channels; 3 are shown as RGB, any other number as the mean in grey.
    pub channels: usize,
    /// The rows of a filter.
    pub height: usize,
    /// The columns of a filter.
    pub width: usize,
}

/// A section of pictures.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// Its heading.
    pub title: String,
    /// One or two sentences that explain the pictures.
    pub note: String,
    /// Groups of pictures shown side by side, each with a caption.
    pub pictures: Vec<(Vec<Picture>, String)>,
}
