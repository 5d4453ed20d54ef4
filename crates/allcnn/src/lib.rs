//! The All-Convolutional-Net family: data, networks, training and evaluation.
#![forbid(unsafe_code)]
pub mod atomic_file;
pub mod data;
