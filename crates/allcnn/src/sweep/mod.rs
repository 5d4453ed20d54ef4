//! Sweeps: all trainings of one of the paper's tables, shared by any number of processes.
//!
//! A sweep is a folder. `plan.toml` ([`Plan`]) defines what is to be done; `runs/` has a run folder per
//! experiment, `claims/` shows who works on it, and `results.md`, `results.csv` and `results.html` show the table
//! so far. A working process ([`Sweep::work`]) executes one experiment after the other, resumes those that others
//! abandoned, and needs no knowledge of the other processes. As resumed trainings end like uninterrupted ones, the
//! resulting table is the same too.

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

pub use error::SweepError;
pub use folder::Sweep;
pub use plan::{Experiment, Plan};
pub use published::{Benchmark, Entry, Literature, PaperTable, Published};
pub use record::{Record, TrialOutcome};
pub use status::{Running, Status};
pub use table::{Rate, Row, Table, Trial};
pub use worker::{SweepEvent, SweepOutcome, WorkOptions};
