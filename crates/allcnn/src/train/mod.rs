//! Training: the recipe, the schedule of the learning rate, the loop, checkpoints, and what is told meanwhile.

mod batch;
mod budget;
mod checkpoint;
mod clock;
mod error;
pub(crate) mod explained;
mod figures;
mod final_test;
mod health;
mod limits;
mod metrics;
mod observer;
mod progress;
mod recipe;
mod schedule;
mod session;
mod summary;
mod task;
mod trainer;

pub use budget::Cost;
pub use checkpoint::{Checkpoint, CheckpointError};
pub use error::Error;
pub use health::Health;
pub use limits::{End, Limits, Outcome};
pub use metrics::{EpochRow, csv};
pub use observer::{Event, Observer};
pub use progress::{Progress, Tested};
pub use recipe::{DropoutRates, Recipe, UNNAMED_RECIPE};
pub use schedule::{Decay, Schedule};
pub use session::{Finished, Request, network, resume, resume_in, start, start_in};
pub use summary::write_report;
pub use task::Task;
pub use trainer::Trainer;
