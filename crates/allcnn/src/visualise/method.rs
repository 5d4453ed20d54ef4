//! The three backward rules for ReLUs.

use std::fmt;

use allcnn_device::ReluRule;
use serde::{Serialize, Serializer};

/// How a signal is propagated backward through an activation (Figure 1 of the paper). With the activation's output
/// y and the signal g from above, a ReLU yields:
///
/// | method | signal |
/// |---|---|
/// | `Backprop` | g where y > 0 |
/// | `Deconvnet` | max(g, 0) |
/// | `Guided` | max(g, 0) where y > 0 |
///
/// [`ReluRule`] extends this to leaky activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The gradient (Simonyan et al. 2014).
    Backprop,
    /// Zeiler and Fergus 2014.
    Deconvnet,
    /// Guided backpropagation, the paper's own.
    #[default]
    Guided,
}

impl Method {
    /// All three, in the order of the paper's figures.
    pub const ALL: [Self; 3] = [Self::Backprop, Self::Deconvnet, Self::Guided];

    /// The backward rule for all activations.
    pub fn rule(self) -> ReluRule {
        match self {
            Self::Backprop => ReluRule::Backprop,
            Self::Deconvnet => ReluRule::Deconvnet,
            Self::Guided => ReluRule::Guided,
        }
    }

    /// `backprop`, `deconvnet` or `guided`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Backprop => "backprop",
            Self::Deconvnet => "deconvnet",
            Self::Guided => "guided",
        }
    }
}

impl fmt::Display for Method {
    /// The full name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backprop => "backpropagation",
            Self::Deconvnet => "deconvnet",
            Self::Guided => "guided backpropagation",
        })
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
