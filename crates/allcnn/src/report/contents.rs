//! What the page of a run tells: finished results, and nothing of how they were made.

use crate::confusion::Confusion;
use crate::data::Ignored;
use crate::data::decode::Picture;
use crate::run::EpochRow;

/// What a page tells. Empty parts are left out of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The network's name.
    pub model: String,
    /// The data set, for example `shapes` or the name of its folder.
    pub data: String,
    /// What was measured on what, for example `best checkpoint (epoch 12, chosen on these images) on 5000 test images`.
    pub evaluated: String,
    /// The epoch of that checkpoint, from 1, where images chose it.
    pub chosen: Option<u32>,
    /// The program's name and version, for the foot of the page.
    pub program: String,
    /// Names and values of the run's settings, in order.
    pub settings: Vec<(String, String)>,
    /// One row an epoch, in order.
    pub history: Vec<EpochRow>,
    /// Parameters of the network.
    pub parameters: u64,
    /// Training speed.
    pub images_per_s: f64,
    /// Duration of the training, in seconds.
    pub seconds: f64,
    /// Class names, by index.
    pub classes: Vec<String>,
    /// Test images counted by true and predicted class.
    pub confusion: Confusion,
    /// Test images that are not among the five likeliest classes, in percent, where that was measured.
    pub top5_error_pct: Option<f64>,
    /// Wrong predictions; shown in the order of their probability, at most [`MAX_MISTAKES`].
    pub mistakes: Vec<Mistake>,
    /// The weights of the first layer.
    pub filters: Option<Filters>,
    /// What a reader should know before anything else: that the training did not learn, and what helps.
    pub advice: Option<String>,
    /// Further pictures, such as explanations; each gallery is a section of its own.
    pub galleries: Vec<Gallery>,
    /// Images that could not be read, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// What was decided while the data was read.
    pub notes: Vec<String>,
    /// Other files that were left out of it.
    pub ignored: Vec<Ignored>,
}

/// Mistakes on a page.
pub const MAX_MISTAKES: usize = 40;
/// A test image that the network got wrong.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The image as it was before preprocessing.
    pub picture: Picture,
    /// Its name.
    pub name: String,
    /// Its class.
    pub truth: usize,
    /// The class that the network said.
    pub predicted: usize,
    /// The probability the network gave to that, 0 to 1.
    pub probability: f64,
    /// What in the image spoke for the class that the network said.
    pub explanation: Option<Picture>,
}

/// The weights of a first layer, `[count, channels, height, width]`.
#[derive(Clone, Debug)]
pub struct Filters {
    /// The values.
    pub weights: Vec<f32>,
    /// Number of filters.
    pub count: usize,
    /// Input channels: 3 are shown as colors, others as their mean in grey.
    pub channels: usize,
    /// Rows of a filter.
    pub height: usize,
    /// Columns of a filter.
    pub width: usize,
}

/// A section of pictures.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// Its heading.
    pub title: String,
    /// One or two sentences on what is to be seen.
    pub note: String,
    /// Pictures that belong together, beside each other over their caption.
    pub pictures: Vec<(Vec<Picture>, String)>,
}
