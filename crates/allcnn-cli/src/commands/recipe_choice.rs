//! The recipe of `train` and `reproduce`.

use std::path::Path;

use allcnn::data::open_file;
use allcnn::recipe::{Recipe, UNNAMED_RECIPE};
use allcnn::text::shown::PathText;
use anyhow::Context;

use crate::failure::UnknownRecipe;

/// The recipe of this name, or in this file; a recipe without a name of its own is named after its file.
pub(super) fn choose(given: &Path) -> anyhow::Result<Recipe> {
    let shown = given.shown();
    if given.extension().is_none_or(|extension| extension != "toml") {
        return given.to_str().and_then(Recipe::named).ok_or_else(|| UnknownRecipe(shown).into());
    }
    let text = open_file::read_text(given, open_file::SETTINGS);
    let text = text.with_context(|| format!("cannot read the recipe {shown}"))?;
    let mut recipe =
        Recipe::from_toml(&text).with_context(|| format!("the recipe {shown} cannot be used"))?;
    if recipe.name == UNNAMED_RECIPE {
        recipe.name = given.file_stem().map_or(recipe.name, |stem| Path::new(stem).text());
    }
    Ok(recipe)
}
