//! The items most programs need: `use allcnn::prelude::*;`.

#[cfg(feature = "cpu")]
pub use allcnn_cpu::{Cpu, CpuOptions};

pub use crate::device::Device;
pub use crate::evaluate::{EvaluateOptions, evaluate};
pub use crate::net::Network;
pub use crate::observer::{Event, Observer};
pub use crate::predict::{Prediction, Predictor};
pub use crate::recipe::Recipe;
pub use crate::run::{RunFolder, TrainRequest};
pub use crate::train::train;
pub use crate::visualise::{ExplainRequest, explain_files};
