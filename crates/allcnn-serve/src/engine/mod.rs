//! The device and the networks on it.

mod error;
mod export_file;
mod job;
mod judged;
mod limit;
mod loaded;
mod queue;
mod sampled;
mod scanned;
mod worker;

pub(crate) use error::EngineError;
pub(crate) use export_file::in_a_file;
pub(crate) use job::{
    Activations, ActivationsOf, Drawing, Explain, FoundPatch, Judge, Onnx, Patches, Question, Samples, View,
    Weights,
};
pub(crate) use judged::Judged;
pub(crate) use queue::{Queue, Unanswered};
pub(crate) use worker::Engine;
