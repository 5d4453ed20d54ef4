//! The contract between allcnn and the hardware it runs on.
//!
//! A network of this family is a chain of convolutions, so a device has to offer a small closed set of operations
//! and no tensor algebra: see [`Device`]. [`Reference`] is the plain-loop implementation that defines what every
//! operation means, and [`conformance`] is the suite that holds any other device against it.
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod activation;
mod collective;
pub mod conformance;
mod device;
mod drop_connect;
mod dropout;
mod edge_pad;
mod error;
mod fractional;
mod images;
pub mod learned_norm;
mod loss;
mod pool;
mod precision;
pub mod random;
mod reference;
mod sampling;
mod shape;

pub use activation::{Activation, Gate, ReluRule};
pub use collective::{Collective, SingleProcess};
pub use device::{Algorithm, Device, Epilogue, Factors, Parameter, Sgd, StoredOutput};
pub use drop_connect::{DenseShape, NormalSum};
pub use dropout::Dropout;
pub use edge_pad::EdgePad;
pub use error::Error;
pub use fractional::{Fractional, RegionDraw, RegionSequence};
pub use images::{ImageSet, ImageValues, View};
pub use learned_norm::LearnedNorm;
pub use loss::Loss;
pub use pool::{Grid, PoolKind, PoolShape, Regions, Windows};
pub use precision::Precision;
pub use reference::Reference;
pub use sampling::{Sampling, power_of_two};
pub use shape::{ConvShape, LrnShape, LwtaShape, Shape};
