//! A network planned for one batch size: every operation is prepared and every buffer allocated up front, so a
//! step allocates nothing. Training, evaluation and visualization run the same passes over such a plan.
//!
//! Buffers are indexed by `slot`: slot 0 is the batch of input images, slot i + 1 the output of layer i. For
//! each slot the plan stores the *stored output* (after activation and dropout) and, in the backward pass, the
//! *signal*: the gradient before the activation of the layer that computed that output. A convolution's backward
//! pass also applies the gate (activation and dropout) of the layer below; after any other layer that is a
//! separate step.
//!
//! ```
//! use allcnn::net::{Init, Network};
//! use allcnn::parameters::Parameters;
//! use allcnn::plan::{Mode, Plan, PlanPurpose};
//! use allcnn_device::{Device, Loss, Reference, Sgd};
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
//!     let mode = Mode::Train { step: &step, seed: 0, shard: 0 };
//!     plan.forward(&parameters, mode);
//!     plan.loss(Loss::CrossEntropy, 1.0 / 2.0);
//!     plan.backward(&mut parameters, mode);
//!     let sgd = Sgd { momentum: 0.9, weight_decay: 0.001, nesterov: false, clip_norm: f32::INFINITY };
//!     device.sgd(sgd, &step, parameters.list_mut());
//! }
//! let mut losses = [0.0; 2];
//! plan.losses(&mut losses)?;
//! assert!(losses.iter().all(|loss| loss.is_finite()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backward;
mod buffers;
mod channel_factors;
mod companion;
mod forward;
mod mode;
mod prepared;
mod sparse;
mod whole;

pub use mode::Mode;
pub use whole::{Plan, PlanPurpose};
