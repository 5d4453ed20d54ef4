//! The run folder: the files that a training writes and that `eval`, `predict` and the other commands read.

mod checkpoint;
mod data_location;
mod data_record;
mod demo;
pub(crate) mod epoch_row;
mod error;
mod folder;
pub(crate) mod health;
mod input_transform;
pub mod known_images;
mod lengthening;
mod manifest;
pub(crate) mod mistakes;
mod owner;
mod progress;
mod request;
mod settings;
pub(crate) mod temperature;
mod transfer_record;
mod which_checkpoint;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use data_location::{DataLocationError, GivenData, Opened, open_data};
pub use data_record::DataRecord;
pub use epoch_row::{EpochRow, csv};
pub use error::RunError;
pub use folder::RunFolder;
pub use health::Health;
pub use lengthening::Lengthening;
pub use manifest::{Manifest, PROGRAM, Session};
pub use mistakes::Mistake;
pub use progress::{Progress, Tested};
pub(crate) use request::epochs_of;
pub use request::{Length, TrainRequest};
pub use temperature::Temperature;
pub use transfer_record::TransferRecord;
pub use which_checkpoint::WhichCheckpoint;
