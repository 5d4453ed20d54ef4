//! Trainings through the library: what they learn, save, resume and take over.
#![allow(clippy::unwrap_used)] // in helpers too

mod checkpoint;
mod companions;
mod layer_rules;
mod learning;
mod processes;
mod resume;
mod run;
mod shards;
mod support;
mod transfer;
mod tree_prior;
mod validation;
