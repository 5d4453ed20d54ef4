//! Checkpoints: safetensors files with the weights in PyTorch's naming and layout, the momentum velocities, the averaged
//! weights, and as metadata the network, the classes and the training's progress.
//!
//! Tensors: `conv1.weight` `[out, in, height, width]`, `conv1.bias` `[out]`, ..., and `velocity.conv1.weight`, ...;
//! where weights are averaged, `average.conv1.weight`, ... too, and the best checkpoint has the averages alone, under the
//! weights' own names; where there are companion heads, `companion.conv1.weight`, ... with their velocities, for resuming alone; all
//! f32. Metadata: `format` = `allcnn-checkpoint`, `version`, `network` (TOML), `classes` (JSON list of
//! names), `input` (JSON `[height, width, channels]`), `progress` (JSON of [`Progress`], without the times of
//! completed epochs, so that equal trainings write equal files).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use allcnn_device::Device;
use half::f16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView};

use super::progress::Progress;
use crate::atomic_file::write_atomically;
use crate::data::open_file;
use crate::files::safetensors_file;
use crate::net::Network;
use crate::parameters::{COMPANION, Kind, Parameters, ParametersError, Tensor};
use crate::text::shown::PathText;

/// The value of `format` in the metadata.
const FORMAT: &str = "allcnn-checkpoint";
/// The format version that this program writes and reads.
const VERSION: &str = "1";
/// The name prefix of velocities.
const VELOCITY: &str = "velocity.";

/// The name prefix of averaged weights.
const AVERAGE: &str = "average.";

/// A network with its trained values and the training's progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The network.
    pub network: Network,
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// The weights and biases.
    pub values: Vec<Tensor>,
    /// The momentum velocities, named like the values. Empty if not needed for resuming.
    pub velocities: Vec<Tensor>,
    /// The averaged weights, named like the values, to be used in their place. Empty if the training averages none, or if
    /// the values are the averages.
    pub averages: Vec<Tensor>,
    /// The progress of the training.
    pub progress: Progress,
}

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file's size does not match its tensors.
    #[error(
        "the checkpoint {path} is damaged: {problem}\nuse the run's other checkpoint (best or last), or train again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is not a checkpoint.
    #[error(
        "{path} is not a checkpoint of allcnn: {problem}\nexpected a best.safetensors or last.safetensors of a run"
    )]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        problem: String,
    },
    /// The file has another format version.
    #[error(
        "the checkpoint {path} has version {given}, this program reads version {VERSION}\nuse the program that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        given: String,
    },
    /// The run has no checkpoint.
    #[error("{run} holds no weights: {why}", run = .run.shown())]
    NoWeights {
        /// The run folder.
        run: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// An I/O error.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl Checkpoint {
    /// Uploads the weights and biases to a device.
    ///
    /// # Errors
    /// Tensors that do not match the checkpoint's network; too little memory.
    pub fn parameters<D: Device>(&self, device: &D) -> Result<Parameters<D>, ParametersError> {
        let mut parameters = Parameters::zeros(device, &self.network)?;
        let own: Vec<Tensor> =
            self.values.iter().filter(|tensor| !is_companion(&tensor.name)).cloned().collect();
        parameters.load(device, Kind::Value, &own)?;
        Ok(parameters)
    }

    /// Writes the checkpoint atomically: the file is always entirely the old or entirely the new one.
    ///
    /// # Errors
    /// [`CheckpointError::Io`], for example on a full disk; the old file is then untouched.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let wrong = |source| CheckpointError::Io { action: "write", path: path.into(), source };
        let bytes = self.to_bytes().map_err(|problem| wrong(std::io::Error::other(problem)))?;
        write_atomically(path, &bytes).map_err(wrong)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`]: a missing, damaged or foreign file. Never panics, whatever the file contains.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(&read_file(path)?, path)
    }

    /// Reads a checkpoint as it is used, without what only resuming needs, in half the time: its values are the averaged
    /// weights, if it has any.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn read_values(path: &Path) -> Result<Self, CheckpointError> {
        Ok(Self::parse(&read_file(path)?, path, false)?.for_use())
    }

    /// The checkpoint as it is evaluated and used: with the averaged weights in place of those of the last step, if it
    /// has any. It cannot be resumed from.
    pub(crate) fn for_use(self) -> Self {
        if self.averages.is_empty() {
            return self;
        }
        Self { values: self.averages, velocities: vec![], averages: vec![], ..self }
    }

    /// Serializes the checkpoint.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let say = |error: &dyn std::fmt::Display| error.to_string();
        let input = self.network.input();
        let metadata = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("version".into(), VERSION.into()),
            ("network".into(), self.network.to_toml()),
            ("classes".into(), serde_json::to_string(&self.classes).map_err(|error| say(&error))?),
            ("input".into(), format!("[{},{},{}]", input.height, input.width, input.channels)),
            (
                "progress".into(),
                serde_json::to_string(&self.progress.without_times()).map_err(|error| say(&error))?,
            ),
        ]);
        let values = self.values.iter().map(|tensor| (tensor.name.clone(), tensor));
        let velocities = self.velocities.iter().map(|tensor| (format!("{VELOCITY}{}", tensor.name), tensor));
        let averages = self.averages.iter().map(|tensor| (format!("{AVERAGE}{}", tensor.name), tensor));
        let stored: Vec<(String, &Tensor, Vec<u8>)> = values
            .chain(velocities)
            .chain(averages)
            .map(|(name, tensor)| {
                (name, tensor, tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let views = stored
            .iter()
            .map(|(name, tensor, bytes)| {
                Ok((name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>, SafeTensorError>>()
            .map_err(|error| say(&error))?;
        safetensors_file::to_bytes(views, metadata)
    }

    /// Parses the contents of a file; `path` is used in error messages only.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, CheckpointError> {
        Self::parse(bytes, path, true)
    }

    fn parse(bytes: &[u8], path: &Path, for_resuming: bool) -> Result<Self, CheckpointError> {
        let damaged = |problem: String| CheckpointError::Damaged { path: path.into(), problem };
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| parse_error(error, bytes.len(), path))?;
        let metadata = Metadata::of(bytes, path)?;
        let network = Network::from_toml(metadata.get("network")?)
            .map_err(|error| damaged(format!("its network cannot be read: {error}")))?;
        let classes: Vec<String> = serde_json::from_str(metadata.get("classes")?)
            .map_err(|error| damaged(format!("its classes cannot be read: {error}")))?;
        if classes.len() != network.classes() {
            let (given, expected) = (classes.len(), network.classes());
            return Err(damaged(format!("it names {given} classes, its network has {expected}")));
        }
        let progress: Progress = serde_json::from_str(metadata.get("progress")?)
            .map_err(|error| damaged(format!("its progress cannot be read: {error}")))?;
        if !progress.is_sound() {
            return Err(damaged("its progress holds impossible numbers".into()));
        }
        let (mut values, mut velocities, mut averages) = (Vec::new(), Vec::new(), Vec::new());
        let wanted = |name: &&&str| for_resuming || !(name.starts_with(VELOCITY) || is_companion(name));
        for name in tensors.names().iter().filter(wanted) {
            let tensor = read_tensor(&tensors, name).map_err(damaged)?;
            let (name, of_kind) = match (name.strip_prefix(VELOCITY), name.strip_prefix(AVERAGE)) {
                (Some(of), _) => (of, &mut velocities),
                (_, Some(of)) => (of, &mut averages),
                _ => (*name, &mut values),
            };
            of_kind.push(Tensor { name: name.into(), ..tensor });
        }
        for tensors in [&mut values, &mut velocities, &mut averages] {
            tensors.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(Self { network, classes, values, velocities, averages, progress })
    }
}

/// Whether a tensor is of a companion head.
fn is_companion(name: &str) -> bool {
    name.starts_with(COMPANION)
}

/// Reads a file that may be a checkpoint.
fn read_file(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    open_file::read(path, open_file::WEIGHTS).map_err(|source| CheckpointError::Io {
        action: "read",
        path: path.into(),
        source,
    })
}

/// Reads a tensor of f32 or f16 values.
fn read_tensor(tensors: &SafeTensors<'_>, name: &str) -> Result<Tensor, String> {
    let view = tensors.tensor(name).map_err(|error| error.to_string())?;
    let values = match view.dtype() {
        Dtype::F32 => {
            let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            view.data().chunks_exact(4).map(number).collect()
        }
        // As the run that comes along is kept.
        Dtype::F16 => {
            let number = |bytes: &[u8]| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
            view.data().chunks_exact(2).map(number).collect()
        }
        other => return Err(format!("tensor {name} is of type {other:?}, expected F32 or F16")),
    };
    let tensor = Tensor { name: name.into(), shape: view.shape().to_vec(), values };
    match tensor.absurd() {
        Some(value) => Err(format!("tensor {name} holds {value:?}, which no training leaves")),
        None => Ok(tensor),
    }
}

/// The metadata strings.
struct Metadata<'a> {
    entries: HashMap<String, String>,
    path: &'a Path,
}

impl<'a> Metadata<'a> {
    /// Reads the metadata and checks format and version.
    fn of(bytes: &[u8], path: &'a Path) -> Result<Self, CheckpointError> {
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|error| parse_error(error, bytes.len(), path))?;
        let metadata = Self { entries: header.metadata().clone().unwrap_or_default(), path };
        if metadata.entries.get("format").map(String::as_str) != Some(FORMAT) {
            let problem = "it is a safetensors file of another program".to_string();
            return Err(CheckpointError::NotACheckpoint { path: path.into(), problem });
        }
        match metadata.get("version")? {
            VERSION => Ok(metadata),
            given => Err(CheckpointError::Version { path: path.into(), given: given.into() }),
        }
    }

    fn get(&self, key: &str) -> Result<&str, CheckpointError> {
        self.entries.get(key).map(String::as_str).ok_or_else(|| CheckpointError::Damaged {
            path: self.path.into(),
            problem: format!("its metadata has no `{key}`"),
        })
    }
}

/// Distinguishes a truncated checkpoint from a file that is not one.
fn parse_error(error: SafeTensorError, size: usize, path: &Path) -> CheckpointError {
    match error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidOffset(_) => {
            let problem = format!("its {size} bytes are not all that its header announces");
            CheckpointError::Damaged { path: path.into(), problem }
        }
        other => CheckpointError::NotACheckpoint { path: path.into(), problem: other.to_string() },
    }
}
