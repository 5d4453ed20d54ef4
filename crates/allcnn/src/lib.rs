//! The All-Convolutional-Net family: data, networks, training and evaluation.
#![forbid(unsafe_code)]

pub mod net;
pub mod parameters;
pub mod plan;
