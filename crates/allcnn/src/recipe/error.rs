//! Errors of recipes.

use crate::net::NetError;

/// Why a recipe is invalid.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A setting out of range, or a text that is not a recipe.
    #[error("recipe: {0}")]
    Setting(String),
    /// Dropout rates that the network does not accept.
    #[error(transparent)]
    Network(#[from] NetError),
}
