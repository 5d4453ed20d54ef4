//! Cross-validation: a training for each fold of the training images, measured on the images that the fold holds out.
//!
//! A cross-validation is a folder with a run folder for each fold, `fold-1`, `fold-2`, ..., made by the ordinary training. Each
//! run records its fold, so that it can be evaluated and resumed like any other; [`CrossValidation::resume`] needs nothing but
//! the first of them. When all folds are done, `folds.json` and `folds.csv` hold the results.

mod cross_validation;
mod error;
mod results;

pub use cross_validation::{CrossValidation, FoldEvent, FoldsOutcome};
pub use error::FoldsError;
pub use results::{FoldResult, FoldResults};
