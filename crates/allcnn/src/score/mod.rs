//! Scores of a network on a set of images: error, loss, confusion matrix, worst mistakes.

mod error;
mod scores;
mod show;
mod softmax;

pub use error::ScoreError;
pub use scores::{ClassError, Evaluation, Mistake, Scores};
pub use show::{TestSet, Views, score, score_checkpoint};
pub(crate) use softmax::{expect_finite, probabilities, ranked};
