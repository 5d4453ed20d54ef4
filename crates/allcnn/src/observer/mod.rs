//! Events that commands report while they work, and their receivers.

mod cost;
mod data_messages;
mod event;
mod times;

pub use cost::Cost;
pub use data_messages::{larger_input, missing_images, report_left_out};
pub(crate) use event::report_algorithms;
pub use event::{Event, Observer};
pub use times::{Phase, Stopwatch, Times};
