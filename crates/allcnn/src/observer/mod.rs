//! Events that commands report while they work, and their receivers.

mod cost;
mod data_told;
mod event;
mod times;

pub use cost::Cost;
pub use data_told::{missing_images, note_to_training, tell_left_out};
pub(crate) use event::tell_algorithms;
pub use event::{Event, Observer};
pub(crate) use times::Stopwatch;
pub use times::{Phase, Times};
