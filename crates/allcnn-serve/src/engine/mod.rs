//! The device and the networks on it.

mod alike;
mod error;
mod export_file;
mod held_out;
mod job;
mod judged;
mod loaded;
mod own_data;
mod queue;
mod scanned;
mod worker;

pub(crate) use alike::{AlikeGroup, AlikeImage};
pub(crate) use error::EngineError;
pub(crate) use export_file::in_a_file;
pub(crate) use job::{
    Activations, ActivationsOf, Compare, Drawing, Explain, FoundPatch, HoldOut, Judge, Onnx, Patches,
    Question, View, Weights,
};
pub(crate) use judged::Judged;
pub(crate) use queue::{Queue, Unanswered};
pub(crate) use worker::Engine;
