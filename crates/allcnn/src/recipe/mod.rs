//! The hyperparameters of a training: everything but the data and the network.

mod balance;
mod dropout;
mod error;
mod length;
mod network_dropout;
mod schedule;
mod settings;

pub use balance::{Balance, UnknownBalance};
pub use dropout::DropoutRates;
pub use error::RecipeError;
pub use schedule::{Decay, Schedule};
pub use settings::{MAX_MIXUP, Recipe, UNNAMED_RECIPE};
