//! What can go wrong with an explanation.

use std::ops::Range;

use crate::shown::first_of;
use crate::train;

/// Something that the network does not have, or a run that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer that the network does not have.
    #[error("the network {network} has no layer \"{given}\"; expected {}", first_of(.known))]
    UnknownLayer {
        /// The name.
        given: String,
        /// The network.
        network: String,
        /// Its layers.
        known: Vec<String>,
    },
    /// A unit beyond the channels of its layer.
    #[error("{layer} has no unit {given}; expected 0 to {}, or max for the most active one", .units - 1)]
    NoSuchUnit {
        /// The layer.
        layer: String,
        /// The unit.
        given: usize,
        /// Its channels.
        units: usize,
    },
    /// A place outside the layer.
    #[error("{layer} has no row {row}, column {column}; expected a row from 0 to {} and a column from 0 to {}", .height - 1, .width - 1)]
    NoSuchPlace {
        /// The layer.
        layer: String,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// Its rows.
        height: usize,
        /// Its columns.
        width: usize,
    },
    /// Filters that the layer does not have.
    #[error("{layer} has filters 0..{filters}, given {}..{}; expected a part of these", .given.start, .given.end)]
    NoSuchFilters {
        /// The layer.
        layer: String,
        /// The filters.
        given: Range<usize>,
        /// How many it has.
        filters: usize,
    },
    /// A unit whose way back to the picture depends on an image.
    #[error(
        "{layer} lies above {pool}, whose way back to the picture depends on an image (which value was the largest)\n\
         look at it without --without-image, or at a layer below {pool}, or at a network without pooling"
    )]
    NeedsImage {
        /// The layer.
        layer: String,
        /// The first pooling on the way.
        pool: String,
    },
    /// A layer above which nothing is trained.
    #[error(
        "there are no weights from {layer} up; expected a convolution, such as {last}, or a layer below one"
    )]
    NothingToRandomize {
        /// The layer.
        layer: String,
        /// The last layer with weights.
        last: String,
    },
    /// A run that cannot be used.
    #[error(transparent)]
    Run(#[from] train::Error),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
}

impl Error {
    /// Whether the request names something that the network does not have.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Run(_) | Self::Device(_))
    }
}
