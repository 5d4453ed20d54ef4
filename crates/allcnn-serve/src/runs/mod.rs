//! The runs of a folder: their names, what is said of each, and the one that is open.

mod details;
mod listing;
mod name;
mod open_run;
mod summary;

pub(crate) use details::{Details, MetricsRow};
pub(crate) use listing::Listing;
pub use listing::address_of_training;
pub(crate) use open_run::OpenRun;
pub(crate) use summary::{Listed, State};
