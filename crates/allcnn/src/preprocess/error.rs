//! Errors of preprocessing.

use std::path::PathBuf;

use super::geometry::Geometry;
use super::limits::ZCA_LIMIT;
use crate::text::shown::PathText;

/// Why preprocessing failed.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    /// An unknown method.
    #[error("unknown preprocessing `{given}`: expected gcn-zca, mean-std or none")]
    UnknownMethod {
        /// The name.
        given: String,
    },
    /// Too few images for a mean or variance.
    #[error(
        "preprocessing needs at least 2 training images, given {given}: add images, or use --preprocess none"
    )]
    TooFewImages {
        /// The number of images.
        given: usize,
    },
    /// ZCA would need too large a matrix.
    #[error(
        "ZCA whitening takes images of at most {ZCA_LIMIT} values (64x64x3), given {given}: \
         use --preprocess mean-std, or a smaller input size"
    )]
    TooLarge {
        /// The size of the images.
        given: Geometry,
    },
    /// The number of values is not a multiple of the image size.
    #[error("{given} pixel values are no whole number of {expected} images ({} values each)", expected.len())]
    NotWholeImages {
        /// The number of values.
        given: usize,
        /// The size of an image.
        expected: Geometry,
    },
    /// Images of another size than the preprocessing was fitted for.
    #[error(
        "the images are {given} (height x width x channels), the preprocessing was fitted for {expected}: \
         resize them to {expected}, or train anew on this size"
    )]
    OtherGeometry {
        /// The size of the images.
        given: Geometry,
        /// The size it was fitted for.
        expected: Geometry,
    },
    /// The eigendecomposition failed.
    #[error("the covariance of the images has no usable eigendecomposition: use --preprocess mean-std")]
    NoEigenvectors,
    /// A damaged file, or one that is not a preprocessing.
    #[error("{} is no preprocessing of allcnn: {reason}\nexpected the preprocess.safetensors of a run", path.shown())]
    WrongFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run's preprocessing file is missing.
    #[error(
        "{} is missing, so images cannot be prepared as they were for the training\n\
         put the file back that `allcnn train` wrote, or train again", path.shown()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("cannot {action} {}: {source}", path.shown())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}
