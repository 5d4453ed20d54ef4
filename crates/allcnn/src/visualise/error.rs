//! What can go wrong with an explanation.

use std::ops::Range;

use crate::evaluate::EvaluateError;
use crate::run::{CheckpointError, RunError};
use crate::score::ScoreError;
use crate::text::shown::first_of;

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
    /// A class that the network does not know.
    #[error(
        "the network knows no class \"{given}\"{}\nexpected one of its classes: {}",
        .nearest.as_ref().map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default(), first_of(.known)
    )]
    UnknownClass {
        /// What was asked for.
        given: String,
        /// The class that is nearest, where one is near.
        nearest: Option<String>,
        /// Its classes.
        known: Vec<String>,
    },
    /// A class in the place of a unit, in a layer whose units stand for none.
    #[error(
        "the units of {layer} stand for no classes, so none is called \"{given}\"\n\
         expected a number from 0 to {}, or max; or a layer of classes: {}", .units - 1, .others.join(", ")
    )]
    NotOfClasses {
        /// The layer.
        layer: String,
        /// What was asked for.
        given: String,
        /// Its channels.
        units: usize,
        /// The layers whose units stand for classes.
        others: Vec<String>,
    },
    /// The softmax, which has no filters.
    #[error(
        "softmax has no filters: it makes probabilities of what {} gives\n\
         give that layer, whose filters stand for the classes, or another of {}",
        .known.last().map_or("the last layer", String::as_str), first_of(.known)
    )]
    NoFilters {
        /// The layers that have filters.
        known: Vec<String>,
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
    Run(#[from] RunError),
    /// Images of a run that cannot be used.
    #[error(transparent)]
    Images(#[from] EvaluateError),
    /// Images that cannot be shown to the network.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// A network without some of its layers, which cannot be.
    #[error(transparent)]
    Network(#[from] crate::net::Error),
    /// A sheet that cannot be written.
    #[error(transparent)]
    Page(#[from] super::render::PageError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
}

impl Error {
    /// Whether the request names something that the network does not have.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Images(error) => matches!(error, EvaluateError::NoSplit(_)),
            Self::Run(_) | Self::Score(_) | Self::Network(_) | Self::Page(_) | Self::Device(_) => false,
            _ => true,
        }
    }
}

through!(Error, RunError: CheckpointError);
through!(Error, ScoreError: crate::data::Error, crate::parameters::Error, crate::preprocess::Error);
