//! Trainings through the library: what they learn, save, resume and take over.
#![allow(clippy::unwrap_used)] // in helpers too

mod checkpoint;
mod learning;
mod resume;
mod run;
mod support;
mod transfer;
mod validation;
