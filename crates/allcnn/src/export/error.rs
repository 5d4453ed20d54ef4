//! Errors of exports.

use std::io;
use std::path::PathBuf;

use crate::parameters::ParametersError;
use crate::run::RunError;
use crate::text::shown::PathText;
use crate::visualise::VisualiseError;

/// Why a run cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A layer that the format cannot express.
    #[error(
        "{layer} is a fractional pooling, whose regions no operation of ONNX draws\n\
         expected layers of fixed windows; --safetensors writes the weights of any network"
    )]
    Fractional {
        /// The layer.
        layer: String,
    },
    /// A layer that the page does not compute.
    #[error(
        "{layer} is {what}, which the page does not compute\n\
         expected convolutions without groups, fixed windows, maxout and normalization; --safetensors takes any network"
    )]
    NotInPage {
        /// The layer.
        layer: String,
        /// What it is.
        what: &'static str,
    },
    /// A network with larger pictures than the page takes.
    #[error(
        "the network takes {}x{}x{}, and the page at most {most}x{most}x3\n--onnx takes any size",
        .given[0], .given[1], .given[2]
    )]
    TooLargeForPage {
        /// Height, width and channels.
        given: [usize; 3],
        /// The largest height and width.
        most: usize,
    },
    /// More than the format can hold.
    #[error(
        "the model takes {bytes} bytes, and an ONNX file holds at most {most}\n\
         --raw leaves the whitening matrix out; --safetensors writes the weights of any network"
    )]
    TooLarge {
        /// The size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// What was written says something else than the program.
    #[error(
        "the exported network disagrees with this program in {what}: {difference:.1e} of its size, allowed {allowed:.0e}\n\
         nothing was written; please report this with the network"
    )]
    Disagrees {
        /// The layer or output.
        what: String,
        /// The difference, relative.
        difference: f64,
        /// What is allowed.
        allowed: f64,
    },
    /// What was written is not what was meant.
    #[error("the exported network is wrong: {0}\nnothing was written; please report this with the network")]
    Wrong(String),
    /// A folder that holds other files.
    #[error("{} is there and is no empty folder\ngive a new one, or remove it", .0.shown())]
    Occupied(PathBuf),
    /// An I/O error.
    #[error("cannot write {}: {source}", path.shown())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Computing the program's own answers.
    #[error(transparent)]
    Visualise(#[from] VisualiseError),
}

through!(ExportError, RunError: crate::preprocess::PreprocessError);
through!(ExportError, VisualiseError: ParametersError, allcnn_device::Error);
