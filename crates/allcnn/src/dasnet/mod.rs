//! dasNet (Stollenga, Masci, Gomez and Schmidhuber 2014, "Deep Networks with Internal Selective Attention through Feedback
//! Connections"): a trained Maxout network looks at each picture several times. After each time a policy sees the mean of every
//! map and the answer, and sets gates, factors on the maps, for the next one. The policy is one linear map, found by natural
//! evolution strategies; the network stays as it is.
//!
//! All of it is as recalled, not read. With o the means of all J maps, the class probabilities and a 1, and s the logistic
//! function, the gates are a = J s(theta o) / (sum of s(theta o)); in the first look they are 1. Theta is sought by SNES
//! (Wierstra et al. 2014, separable): each generation draws theta_k = mean + deviation z_k for a population, ranks it by the
//! fitness of its last answers on one batch, and moves mean and deviation by the utilities of the ranks. The fitness is the mean of
//! w log p(true class), w = 1 for images that the network alone gets wrong and 0.005 for the others, less 0.005 times the mean square
//! of theta. Three quarters of a batch, where there are so many, are images to which the network alone gives its class less than 0.8;
//! that share and bound, and the first deviation of 0.05, are chosen here.

mod error;
mod evolution;
mod looks;
mod session;
mod state;

pub use error::DasnetError;
pub use session::{DasnetRequest, DasnetResult, Generation, dasnet};
pub(crate) use state::is_policy;
