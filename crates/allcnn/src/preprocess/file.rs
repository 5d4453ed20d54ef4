//! Preprocessing on disk: a run's `preprocess.safetensors`, and the cache of fits by data fingerprint.
//!
//! Tensors: gcn-zca has `mean` `[d]` and `zca` `[d, d]` with d = height · width · channels in NHWC order; mean-std
//! has `mean` and `std` `[channels]`, of values divided by 255. All f32; the metadata contain the method and its
//! constants.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use super::contrast::{self, Contrast};
use super::error::PreprocessError;
use super::geometry::Geometry;
use super::limits::{MAX_VALUE, MIN_DEVIATION, ZCA_LIMIT};
use super::method::Method;
use super::preprocessor::{Fitted, Preprocessor, Whitening};
use super::product::SymmetricMatrix;
use super::zca;
use crate::atomic_file::{sweep, write_atomically};
use crate::data::open_file;
use crate::files::safetensors_file;
use crate::text::shown::PathText;

const FORMAT: &str = "allcnn preprocessing 1";
/// The largest accepted file: the largest matrix, and room for the rest.
const MAX_FILE: u64 = (ZCA_LIMIT * ZCA_LIMIT * 4) as u64 + (1 << 20);

/// How the cache was used for a fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cache {
    /// The fit was found in the cache.
    Found,
    /// It was computed and stored.
    Stored,
    /// It was computed but could not be stored, for this reason.
    NotStored(String),
    /// The method is fitted faster than a file is read.
    NotNeeded,
}

impl Preprocessor {
    /// Like [`Preprocessor::fit`], but reads the result from `cache_dir` (created if needed) if it is there.
    ///
    /// `fingerprint` must identify exactly these training images in this order. A damaged or foreign cache file is
    /// replaced by a new fit. Failing to write the cache is not an error; the second value reports it.
    pub fn fit_cached(
        method: Method,
        fingerprint: &str,
        cache_dir: &Path,
        pixels: &[u8],
        geometry: Geometry,
    ) -> Result<(Self, Cache), PreprocessError> {
        if method != Method::GcnZca {
            return Ok((Self::fit(method, pixels, geometry)?, Cache::NotNeeded));
        }
        let path = cache_path(cache_dir, fingerprint);
        if let Ok((found, stored_for)) = read(&path)
            && stored_for.as_deref() == Some(fingerprint)
            && found.method() == method
            && found.geometry() == geometry
        {
            return Ok((found, Cache::Found));
        }
        let fitted = Self::fit(method, pixels, geometry)?;
        let stored = fs::create_dir_all(cache_dir)
            .and_then(|()| sweep(cache_dir, 0)) // removes old temporary files of killed processes
            .and_then(|()| write_atomically(&path, &fitted.serialize(Some(fingerprint))?));
        let cache = stored
            .map_or_else(|why| Cache::NotStored(format!("{}: {why}", path.shown())), |()| Cache::Stored);
        Ok((fitted, cache))
    }

    /// Writes the preprocessing to `path` atomically.
    pub fn save(&self, path: &Path) -> Result<(), PreprocessError> {
        self.to_bytes()
            .and_then(|bytes| write_atomically(path, &bytes))
            .map_err(|source| PreprocessError::Io { action: "write", path: path.to_owned(), source })
    }

    /// Serializes for [`Preprocessor::save`].
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        self.serialize(None)
    }

    /// Reads a file written by [`Preprocessor::save`]. The result is bitwise equal to the saved preprocessing.
    pub fn load(path: &Path) -> Result<Self, PreprocessError> {
        Ok(read(path)?.0)
    }

    /// Parses the contents of a file; the error describes what is wrong.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        Ok(parse(bytes)?.0)
    }

    fn serialize(&self, fingerprint: Option<&str>) -> io::Result<Vec<u8>> {
        let Geometry { height, width, channels } = self.geometry;
        let mut metadata: HashMap<String, String> = HashMap::new();
        let mut note = |key: &str, value: String| metadata.insert(key.to_owned(), value);
        note("format", FORMAT.to_owned());
        note("method", self.method().to_string());
        note("height", height.to_string());
        note("width", width.to_string());
        note("channels", channels.to_string());
        if let Some(fingerprint) = fingerprint {
            note("fingerprint", fingerprint.to_owned());
        }
        let tensors = match &self.fitted {
            Fitted::GcnZca(whitening) => {
                note("gcn_scale", contrast::SCALE.to_string());
                note("gcn_divisor_floor", contrast::DIVISOR_FLOOR.to_string());
                note("zca_epsilon", zca::EPSILON.to_string());
                note("typical_mean", whitening.typical.mean.to_string());
                note("typical_divisor", whitening.typical.divisor.to_string());
                let size = whitening.matrix.size();
                let element = |index: usize| whitening.matrix.at(index / size, index % size);
                let matrix = (0..size * size).flat_map(|index| element(index).to_le_bytes()).collect();
                vec![("mean", vec![size], bytes(&whitening.mean)), ("zca", vec![size, size], matrix)]
            }
            Fitted::MeanStd { mean, std } => {
                vec![("mean", vec![channels], bytes(mean)), ("std", vec![channels], bytes(std))]
            }
            Fitted::None => vec![],
        };
        let views: Result<Vec<_>, SafeTensorError> = tensors
            .iter()
            .map(|(name, shape, data)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), data)?)))
            .collect();
        let views = views.map_err(io::Error::other)?;
        safetensors_file::to_bytes(views, metadata).map_err(io::Error::other)
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The cache file of a fingerprint. Fingerprints with special characters may collide; the one stored in the file
/// decides.
fn cache_path(cache_dir: &Path, fingerprint: &str) -> PathBuf {
    let plain: String = fingerprint.chars().filter(char::is_ascii_alphanumeric).take(100).collect();
    cache_dir.join(format!("gcn-zca-{plain}.safetensors"))
}

/// Reads a file: the preprocessing and the fingerprint it was stored under.
fn read(path: &Path) -> Result<(Preprocessor, Option<String>), PreprocessError> {
    let bytes = open_file::read(path, MAX_FILE).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => PreprocessError::Missing { path: path.to_owned() },
        _ => PreprocessError::Io { action: "read", path: path.to_owned(), source },
    })?;
    parse(&bytes).map_err(|reason| PreprocessError::WrongFile { path: path.to_owned(), reason })
}

/// Parses the contents of a file; the error describes what is wrong.
fn parse(bytes: &[u8]) -> Result<(Preprocessor, Option<String>), String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let none = HashMap::new();
    let file = File { metadata: header.metadata().as_ref().unwrap_or(&none), tensors };
    let format = file.text("format")?;
    if format != FORMAT {
        return Err(format!("its format is `{format}`, not `{FORMAT}`"));
    }
    let method: Method = file.text("method")?.parse().map_err(|error: PreprocessError| error.to_string())?;
    let [height, width, channels] = ["height", "width", "channels"].map(|key| file.number::<u16>(key));
    let geometry = Geometry { height: height?.into(), width: width?.into(), channels: channels?.into() };
    if geometry.is_empty() || method == Method::GcnZca && geometry.len() > ZCA_LIMIT {
        return Err(format!("its image size {geometry} is not possible"));
    }
    let fitted = match method {
        Method::GcnZca => Fitted::GcnZca(file.whitening(geometry.len())?),
        Method::MeanStd => Fitted::MeanStd {
            mean: file.tensor("mean", &[geometry.channels])?,
            std: checked_deviations(file.tensor("std", &[geometry.channels])?)?,
        },
        Method::None => Fitted::None,
    };
    Ok((Preprocessor { geometry, fitted }, file.metadata.get("fingerprint").cloned()))
}

/// A file's header and tensors, with checked access.
struct File<'a> {
    metadata: &'a HashMap<String, String>,
    tensors: SafeTensors<'a>,
}

impl File<'_> {
    fn text(&self, key: &str) -> Result<&str, String> {
        self.metadata.get(key).map(String::as_str).ok_or_else(|| format!("its metadata lack `{key}`"))
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T, String> {
        let text = self.text(key)?;
        text.parse().map_err(|_| format!("its `{key}` is `{text}`"))
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.tensor(name).map_err(|error| error.to_string())?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            let (dtype, given) = (tensor.dtype(), tensor.shape());
            return Err(format!("its `{name}` is {dtype:?} {given:?}, not F32 {shape:?}"));
        }
        let values: Vec<f32> =
            tensor.data().as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
        match values.iter().find(|value| value.is_nan() || value.abs() > MAX_VALUE) {
            Some(value) => Err(format!("its tensor `{name}` holds {value:?}")),
            None => Ok(values),
        }
    }

    fn whitening(&self, size: usize) -> Result<Whitening, String> {
        let expected = [
            ("gcn_scale", contrast::SCALE),
            ("gcn_divisor_floor", contrast::DIVISOR_FLOOR),
            ("zca_epsilon", zca::EPSILON),
        ];
        for (key, value) in expected {
            let given: f64 = self.number(key)?;
            if given != value {
                return Err(format!("its `{key}` is {given}, and this program has {value}"));
            }
        }
        let typical =
            Contrast { mean: self.number("typical_mean")?, divisor: self.number("typical_divisor")? };
        let in_range = |value: f64| value.abs() <= f64::from(MAX_VALUE); // rejects NaN
        if !(in_range(typical.mean) && in_range(typical.divisor) && typical.divisor > 0.0) {
            let Contrast { mean, divisor } = typical;
            return Err(format!("its `typical_mean` is {mean} and its `typical_divisor` {divisor}"));
        }
        let matrix = self.tensor("zca", &[size, size])?;
        Ok(Whitening {
            mean: self.tensor("mean", &[size])?,
            matrix: SymmetricMatrix::from_fn(size, |row, column| matrix[row * size + column]),
            typical,
            inverse: OnceLock::new(),
        })
    }
}

fn checked_deviations(values: Vec<f32>) -> Result<Vec<f32>, String> {
    match values.iter().find(|&&value| value < MIN_DEVIATION) {
        Some(value) => Err(format!("its tensor `std` holds {value:?}; expected {MIN_DEVIATION:?} or more")),
        None => Ok(values),
    }
}
