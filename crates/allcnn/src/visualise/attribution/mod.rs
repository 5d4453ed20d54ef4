//! Ways to explain a unit: the paper's three backward rules, and those that are built on a gradient, on a forward pass or on the
//! last convolution's maps.
//!
//! Every map is `[height, width, channels]` in the network's own coordinates, in which zero is the mean of the training images.
//! A way that knows nothing of color channels has the same value in each.

mod attributor;
mod cam;
mod integrated_gradients;
mod kind;
mod occlusion;
mod score;
mod settings;
mod smooth_grad;
mod subject;

pub use attributor::Attributor;
pub use kind::Attribution;
pub use score::{MapScore, score_map};
pub use settings::AttributionSettings;
