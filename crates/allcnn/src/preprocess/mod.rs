//! Preprocessing: fitted on the training images once, kept with the run, applied to every image the network sees.
//!
//! Images are 8-bit, NHWC. The paper's way is global contrast normalization and then ZCA whitening, in this order
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

pub use error::Error;
pub use file::Cache;
pub use geometry::Geometry;
pub use limits::{LARGEST_VALUE, LEAST_DEVIATION, ZCA_LIMIT};
pub use method::Method;
pub use preprocessor::Preprocessor;
pub(crate) use preprocessor::look_up;
