//! The All-Convolutional-Net family (Springenberg et al. 2015, "Striving for Simplicity"): data, networks, training
//! and evaluation, on any [`allcnn_device::Device`].
//!
//! A network is a chain of convolutions ([`net`]). It is planned once for a batch size ([`plan`]); every step then
//! runs over its [`parameters`] without allocation:
//!
//! ```
//! use allcnn::net::{Init, Network};
//! use allcnn::parameters::Parameters;
//! use allcnn::plan::{Mode, Plan, PlanPurpose};
//! use allcnn_device::{Device, Reference, Sgd};
//!
//! let network = Network::from_toml(
//!     r#"
//!     name = "tiny"
//!     input = [6, 6, 3]
//!     classes = 2
//!     layers = [
//!       { conv = 4, kernel = 3, stride = 2, dropout = 0.5 },
//!       { conv = "classes", kernel = 1 },
//!       { global_average = true },
//!     ]
//!     "#,
//! )?;
//! let device = Reference;
//! let mut parameters = Parameters::initialize(&device, &network, Init::He, 0)?;
//! let mut plan = Plan::new(&device, &network, 2, PlanPurpose::Training)?;
//! let mut step = device.new_step()?;
//! for number in 0..3 {
//!     device.set_step(&mut step, number, 0.05);
//!     plan.upload(&[0.5; 2 * 6 * 6 * 3], &[1.0, 0.0, 1.0, 0.0])?;
//!     let mode = Mode::Train { step: &step, seed: 0 };
//!     plan.forward(&parameters, mode);
//!     plan.loss(1.0 / 2.0);
//!     plan.backward(&mut parameters, mode);
//!     let sgd = Sgd { momentum: 0.9, weight_decay: 0.001, nesterov: false, clip_norm: f32::INFINITY };
//!     device.sgd(sgd, &step, parameters.list_mut());
//! }
//! let mut losses = [0.0; 2];
//! plan.losses(&mut losses)?;
//! assert!(losses.iter().all(|loss| loss.is_finite()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr, clippy::print_stdout)]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]
pub use allcnn_data as data;
pub use allcnn_data::atomic_file;

pub mod augment;
mod claim;
pub mod confusion;
mod csv_text;
pub mod data_place;
pub mod data_told;
mod date;
pub mod evaluate;
pub mod examine;
pub mod fuzz;
pub mod import;
pub mod input;
pub mod known_images;
pub mod near_features;
pub mod net;
mod owner;
pub mod parameters;
pub mod plan;
pub mod predict;
pub mod preprocess;
mod read_ahead;
pub mod report;
pub mod run;
mod safetensors_file;
pub mod samples;
pub mod shown;
mod split;
pub mod suspects;
pub mod sweep;
mod toml_text;
pub mod train;
pub mod visualise;
