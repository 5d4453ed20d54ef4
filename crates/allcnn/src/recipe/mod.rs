//! The hyperparameters of a training: everything but the data and the network.

mod balance;
mod companions;
mod dropout;
mod error;
mod layer_rules;
mod length;
mod network_dropout;
mod schedule;
mod settings;
mod tree_prior;

pub use balance::{Balance, UnknownBalance};
pub use companions::Companions;
pub use dropout::DropoutRates;
pub use error::RecipeError;
pub use layer_rules::{LayerRule, LayerRules};
pub use schedule::{Decay, Phase, Schedule};
pub use settings::{MAX_MIXUP, Recipe, UNNAMED_RECIPE};
pub use tree_prior::{Groups, TreePrior};
