//! How a file names and orders its layers.

/// How a file names and orders its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By the names of the network's own layers.
    Convolutions,
    /// By numbers.
    Sequential,
    /// By numbers in two groups.
    FeaturesClassifier,
    /// By any other names.
    Other,
    /// As Caffe does: in file order.
    Caffe,
}

impl std::fmt::Display for Naming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Convolutions => "named by convolutions",
            Self::Sequential => "of an nn.Sequential",
            Self::FeaturesClassifier => "in torchvision's layout",
            Self::Other => "with names of its own",
            Self::Caffe => "with Caffe's names",
        })
    }
}
