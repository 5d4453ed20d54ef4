//! What can go wrong with a recipe.

/// A recipe that no training can follow.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A setting out of its range, or a text that is no recipe.
    #[error("recipe: {0}")]
    Setting(String),
    /// Dropout rates that the network refuses.
    #[error(transparent)]
    Network(#[from] crate::net::Error),
}
