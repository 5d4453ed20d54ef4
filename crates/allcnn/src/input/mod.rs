//! Preprocessed images as network input.

mod read_ahead;
mod samples;
mod transform;

pub use samples::Samples;
pub use transform::InputTransform;
