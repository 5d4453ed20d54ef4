//! Sweeps: the many trainings of one of the paper's tables, shared by any number of processes.
//!
//! A sweep is a folder. Its `plan.toml` ([`Plan`]) says all that is to be done; a run folder in `runs/` holds each
//! experiment, `claims/` who is at it, and `results.md`, `results.csv` and `results.html` the table so far. A process
//! that works on it ([`Sweep::work`]) takes one experiment after the other, goes on with those that another left, and
//! needs to know nothing of the others. As a resumed training ends as one that was never stopped, so does the table.

mod error;
mod folder;
mod page;
mod plan;
mod published;
mod record;
mod status;
mod table;
mod text;
mod worker;

pub use error::Error;
pub use folder::Sweep;
pub use plan::{Experiment, Plan};
pub use published::{Benchmark, Entry, Literature, PaperTable, Published};
pub use record::{Fate, Record};
pub use status::{Running, Status};
pub use table::{Rate, Row, Table, Trial};
pub use worker::{Ended, Notice, Terms};
