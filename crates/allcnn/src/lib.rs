//! The All-Convolutional-Net family (Springenberg et al. 2015, "Striving for Simplicity", arXiv 1412.6806):
//! training, evaluation and visualization on image data sets, on any [`device::Device`].
//!
//! ```no_run
//! use allcnn::prelude::*;
//!
//! let device = Cpu::new(CpuOptions::default())?;
//! let trained = train(&device, &TrainRequest::new("all-cnn-c", "pictures"), "runs/pictures")?;
//! for answer in Predictor::open(&device, &trained.run)?.predict(&["cat.jpg".into()], 1)? {
//!     println!("{answer:?}");
//! }
//! let request = ExplainRequest::default(); // the most probable class, by guided backpropagation
//! explain_files(&device, &trained.run, &request, &["cat.jpg".into()], "cat-explained.png".as_ref(), &mut ())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules, from the inside out: a network ([`net`]) is planned once for a batch size ([`plan`]) and runs with
//! its [`parameters`]; images become its [`input`] ([`preprocess`], [`augment`]); a [`recipe`] holds the
//! hyperparameters; training ([`train`]) writes a run folder ([`run`]), which is evaluated ([`evaluate`]), used
//! for prediction ([`predict`]), explained ([`visualise`]), summarized as an HTML page ([`report`]) and exported
//! ([`export`]).
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr, clippy::print_stdout)]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]
pub use allcnn_data as data;
pub use allcnn_data::atomic_file;
pub use allcnn_device as device;

#[macro_use]
mod errors;

pub mod augment;
pub mod confusion;
pub mod dasnet;
pub mod evaluate;
pub mod export;
mod files;
pub mod folds;
pub mod fuzz;
pub mod import;
pub mod input;
pub mod near_features;
pub mod net;
pub mod observer;
pub mod parameters;
pub mod plan;
pub mod plans;
pub mod predict;
pub mod prelude;
pub mod preprocess;
pub mod recipe;
pub mod report;
pub mod run;
pub mod score;
pub mod split;
pub mod suspects;
pub mod sweep;
mod tensorboard;
pub mod text;
pub mod train;
pub mod transfer;
pub mod visualise;
