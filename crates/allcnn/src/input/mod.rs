//! Preprocessed images as network input.

mod read_ahead;
mod read_times;
mod samples;
mod transform;

pub(crate) use read_times::ReadClock;
pub use read_times::ReadTimes;
pub use samples::Samples;
pub use transform::InputTransform;
