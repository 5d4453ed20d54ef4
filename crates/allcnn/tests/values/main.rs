//! What is computed, against PyTorch, Captum, finite differences and the paper's tables.
#![allow(clippy::unwrap_used)] // in helpers too

mod attributions;
mod drawn;
mod explanations;
mod golden;
mod golden_networks;
mod gradients;
mod networks;
mod parameters;
mod plans;
mod preprocess;
mod receptive_fields;
