//! The All-Convolutional-Net family: data, networks, training and evaluation.
#![forbid(unsafe_code)]
pub mod atomic_file;
pub mod augment;
pub mod data;
pub mod evaluate;
pub mod net;
pub mod parameters;
pub mod plan;
pub mod predict;
pub mod preprocess;
pub mod report;
pub mod run;
pub mod samples;
pub mod train;
