//! Training: steps, the loop around them, and the way from a request to a finished run folder.

mod average;
mod balance;
mod batch;
mod beginning;
mod calibrate;
mod clock;
mod error;
mod figures;
mod final_test;
mod finish;
mod finished;
mod frozen_features;
mod lengthen;
mod limits;
mod mixup;
mod order;
mod pace;
mod prepare;
mod session;
mod standardize;
mod stepper;
mod task;
mod trainer;
mod training_loop;
mod watch;

pub use error::TrainError;
pub use finished::Finished;
pub use lengthen::lengthen;
pub use limits::{End, Limits, Outcome};
pub use session::{resume, resume_in, start, start_in, train};
pub use task::Task;
pub use trainer::Trainer;
