//! The hyperparameters of a training: everything but the data and the network.

mod dropout;
mod error;
mod network_dropout;
mod schedule;
mod settings;

pub use dropout::DropoutRates;
pub use error::RecipeError;
pub use schedule::{Decay, Schedule};
pub use settings::{Recipe, UNNAMED_RECIPE};
