//! Errors of explanations.

use std::ops::Range;

use crate::evaluate::EvaluateError;
use crate::net::NetError;
use crate::parameters::ParametersError;
use crate::preprocess::PreprocessError;
use crate::run::{CheckpointError, RunError};
use crate::score::ScoreError;
use crate::text::shown::first_of;

/// A request that the network cannot satisfy, or a run that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VisualiseError {
    /// The network has no layer of this name.
    #[error("the network {network} has no layer \"{given}\"; expected {}", first_of(.known))]
    UnknownLayer {
        /// The name given.
        given: String,
        /// The network.
        network: String,
        /// The network's layers.
        known: Vec<String>,
    },
    /// The layer has fewer channels.
    #[error("{layer} has no unit {given}; expected 0 to {}, or max for the most active one", .units - 1)]
    NoSuchUnit {
        /// The layer.
        layer: String,
        /// The channel requested.
        given: usize,
        /// The number of channels.
        units: usize,
    },
    /// The network has no class of this name.
    #[error(
        "the network knows no class \"{given}\"{}\nexpected one of its classes: {}",
        .nearest.as_ref().map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default(), first_of(.known)
    )]
    UnknownClass {
        /// The name given.
        given: String,
        /// The most similar class name, if there is a similar one.
        nearest: Option<String>,
        /// The network's classes.
        known: Vec<String>,
    },
    /// A class was given as the unit of a layer whose units are not classes.
    #[error(
        "the units of {layer} stand for no classes, so none is called \"{given}\"\n\
         expected a number from 0 to {}, or max; or a layer of classes: {}", .units - 1, .others.join(", ")
    )]
    NotOfClasses {
        /// The layer.
        layer: String,
        /// The class given.
        given: String,
        /// The number of channels.
        units: usize,
        /// The layers whose units are classes.
        others: Vec<String>,
    },
    /// The softmax has no filters.
    #[error(
        "softmax has no filters: it makes probabilities of what {} gives\n\
         give that layer, whose filters stand for the classes, or another of {}",
        .known.last().map_or("the last layer", String::as_str), first_of(.known)
    )]
    NoFilters {
        /// The layers with filters.
        known: Vec<String>,
    },
    /// The network has no maps of classes, or the unit is no class.
    #[error(
        "a class activation map belongs to a class, in a network that ends in a convolution of one channel a class and a mean \
         over height and width; {network} with layer {layer} has none\nexpected another --method, or no --layer"
    )]
    NoClassMaps {
        /// The network.
        network: String,
        /// The layer of the unit.
        layer: String,
    },
    /// Only the maps of classes are scored.
    #[error(
        "--score follows the probability of a class, and the units of {layer} are none\nleave --layer out, or --score"
    )]
    NoScore {
        /// The layer of the unit.
        layer: String,
    },
    /// A position outside the layer.
    #[error("{layer} has no row {row}, column {column}; expected a row from 0 to {} and a column from 0 to {}", .height - 1, .width - 1)]
    NoSuchPosition {
        /// The layer.
        layer: String,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// The layer's rows.
        height: usize,
        /// The layer's columns.
        width: usize,
    },
    /// The layer has fewer filters.
    #[error("{layer} has filters 0..{filters}, given {}..{}; expected a part of these", .given.start, .given.end)]
    NoSuchFilters {
        /// The layer.
        layer: String,
        /// The filters requested.
        given: Range<usize>,
        /// The number of filters.
        filters: usize,
    },
    /// The backward pass from this unit to the image depends on the input.
    #[error(
        "{layer} lies above {pool}, whose way back to the picture depends on an image (which value was the largest)\n\
         look at it without --without-image, or at a layer below {pool}, or at a network without pooling"
    )]
    NeedsImage {
        /// The layer.
        layer: String,
        /// The first pooling below the layer.
        pool: String,
    },
    /// There are no weights to randomize from this layer up.
    #[error(
        "there are no weights from {layer} up; expected a convolution, such as {last}, or a layer below one"
    )]
    NothingToRandomize {
        /// The layer.
        layer: String,
        /// The last layer with weights.
        last: String,
    },
    /// The run cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The images cannot be opened.
    #[error(transparent)]
    Images(#[from] EvaluateError),
    /// The images cannot be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The network truncated at a layer is invalid.
    #[error(transparent)]
    Network(#[from] NetError),
    /// A sheet cannot be written.
    #[error(transparent)]
    Page(#[from] super::render::PageError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
}

impl VisualiseError {
    /// Whether the request names something that the network does not have.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Images(error) => matches!(error, EvaluateError::NoSplit(_)),
            Self::Run(_) | Self::Score(_) | Self::Network(_) | Self::Page(_) | Self::Device(_) => false,
            _ => true,
        }
    }
}

through!(VisualiseError, RunError: CheckpointError);
through!(VisualiseError, ScoreError: crate::data::Error, ParametersError, PreprocessError);
