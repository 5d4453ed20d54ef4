//! Preprocessing: fitted once on the training images, stored with the run, and applied to every network input.
//!
//! Images are 8-bit, NHWC. The paper's preprocessing is global contrast normalization followed by ZCA whitening
//! (Goodfellow et al. 2013, "Maxout networks", section 5.2).

mod contrast;
mod error;
mod file;
mod geometry;
mod limits;
mod method;
mod preprocessor;
mod product;
mod zca;

pub use error::PreprocessError;
pub use file::Cache;
pub use geometry::Geometry;
pub use limits::{MAX_VALUE, MIN_DEVIATION, ZCA_LIMIT};
pub use method::Method;
pub use preprocessor::Preprocessor;
pub(crate) use preprocessor::{FittedValues, look_up};
