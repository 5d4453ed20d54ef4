//! The curves of a training for TensorBoard, in an event file of the run folder.

mod curves;
mod event;
mod record;

pub(crate) use curves::Curves;
