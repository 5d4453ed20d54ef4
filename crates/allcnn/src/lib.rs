//! The All-Convolutional-Net family: data, networks, training and evaluation.
#![forbid(unsafe_code)]
pub mod data;
