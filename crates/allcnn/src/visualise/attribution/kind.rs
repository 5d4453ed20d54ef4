//! The ways to explain, by name.

use std::fmt;

use serde::{Serialize, Serializer};

use super::super::method::Method;

/// A way to explain a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// A signal sent back by one of the paper's three rules.
    Backward(Method),
    /// The class activation map (Zhou et al. 2016): the class's channel of the last convolution, scaled up to the picture. Exact
    /// where a mean over height and width follows: the mean of the map is the logit.
    Cam,
    /// Guided backpropagation where the class activation map is positive, times that map (Selvaraju et al. 2017).
    GuidedCam,
    /// The mean gradient over noisy copies of the picture (Smilkov et al. 2017).
    SmoothGrad,
    /// The picture times the mean gradient on the way to it from zero (Sundararajan et al. 2017). Its sum is the difference of the
    /// unit's activations at the picture and at zero.
    IntegratedGradients,
    /// How much the unit's activation falls when a window of the picture is zero, averaged over the windows (Zeiler and Fergus
    /// 2014).
    Occlusion,
}

impl Attribution {
    /// The paper's three rules, in the order of its figures.
    pub const PAPER: [Self; 3] =
        [Self::Backward(Method::Backprop), Self::Backward(Method::Deconvnet), Self::Backward(Method::Guided)];

    /// All ways.
    pub const EVERY: [Self; 8] = [
        Self::PAPER[0],
        Self::PAPER[1],
        Self::PAPER[2],
        Self::Cam,
        Self::GuidedCam,
        Self::SmoothGrad,
        Self::IntegratedGradients,
        Self::Occlusion,
    ];

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Backward(method) => method.word(),
            Self::Cam => "cam",
            Self::GuidedCam => "guided-cam",
            Self::SmoothGrad => "smoothgrad",
            Self::IntegratedGradients => "integrated-gradients",
            Self::Occlusion => "occlusion",
        }
    }

    /// What its map shows, in a sentence.
    pub fn says(self) -> &'static str {
        match self {
            Self::Backward(Method::Guided) => {
                "what supports the unit along paths that are active and positive: sharp, and partly an edge detector"
            }
            Self::Backward(Method::Backprop) => "the gradient: how the unit changes with each pixel",
            Self::Backward(Method::Deconvnet) => {
                "positive signals alone, whatever the picture activates: needs pooling switches to be sharp"
            }
            Self::Cam => {
                "where the last convolution sees the class: exact for a network that ends in a mean, and coarse"
            }
            Self::GuidedCam => "guided backpropagation where the class activation map is positive",
            Self::SmoothGrad => "the mean gradient over noisy copies of the picture",
            Self::IntegratedGradients => {
                "how much each pixel adds on the way from grey to the picture: the values sum to the change of the unit"
            }
            Self::Occlusion => "how much the unit falls when a window of the picture is grey",
        }
    }

    /// Whether it makes many pictures out of one: then large passes are faster.
    pub fn makes_many(self) -> bool {
        matches!(self, Self::SmoothGrad | Self::IntegratedGradients | Self::Occlusion)
    }

    /// Whether it needs a map of each class, and so explains classes only.
    pub fn needs_class_maps(self) -> bool {
        matches!(self, Self::Cam | Self::GuidedCam)
    }

    /// The backward rule whose map it is, or is made of.
    pub(super) fn rule(self) -> Option<Method> {
        match self {
            Self::Backward(method) => Some(method),
            Self::GuidedCam => Some(Method::Guided),
            _ => None,
        }
    }
}

impl From<Method> for Attribution {
    fn from(method: Method) -> Self {
        Self::Backward(method)
    }
}

impl fmt::Display for Attribution {
    /// The full name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backward(method) => method.fmt(f),
            Self::Cam => f.write_str("class activation map"),
            Self::GuidedCam => f.write_str("guided class activation map"),
            Self::SmoothGrad => f.write_str("SmoothGrad"),
            Self::IntegratedGradients => f.write_str("integrated gradients"),
            Self::Occlusion => f.write_str("occlusion"),
        }
    }
}

impl Serialize for Attribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
