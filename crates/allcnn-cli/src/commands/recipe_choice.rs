//! The recipe that `train` and `reproduce` are asked for.

use allcnn::train::Recipe;
use anyhow::Context;

use crate::failure::UnknownRecipe;

/// The recipe of that name, or in that file.
pub fn choose(given: &str) -> anyhow::Result<Recipe> {
    if !given.ends_with(".toml") {
        return Recipe::named(given).ok_or_else(|| UnknownRecipe(given.to_owned()).into());
    }
    let text = std::fs::read_to_string(given).with_context(|| format!("cannot read the recipe {given}"))?;
    Recipe::from_toml(&text).with_context(|| format!("the recipe {given} cannot be used"))
}
