//! What a search is resumed from: `policy.safetensors`, with mean and deviation of the policy's weights `[maps, inputs]`, and the settings and
//! the fitness of each generation as metadata.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::error::DasnetError;
use super::evolution::Evolution;
use super::looks::PolicyShape;
use crate::atomic_file::write_atomically;
use crate::data::open_file;
use crate::files::safetensors_file;

/// The key of the metadata.
const KEY: &str = "allcnn-dasnet";

/// The settings that a search keeps to, and what it has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    /// The SHA-256 of the network's weights.
    pub(super) weights: String,
    pub(super) population: usize,
    pub(super) images: usize,
    pub(super) looks: u32,
    pub(super) seed: u64,
    /// The best and the mean fitness of each generation.
    pub(super) generations: Vec<[f64; 2]>,
}

impl Search {
    /// What another search differs in.
    fn differs(&self, other: &Self) -> Option<String> {
        let pairs = [
            ("population", self.population as u64, other.population as u64),
            ("images", self.images as u64, other.images as u64),
            ("looks", self.looks.into(), other.looks.into()),
            ("seed", self.seed, other.seed),
        ];
        if self.weights != other.weights {
            return Some("it is for a network of other weights".into());
        }
        let (name, had, given) = pairs.into_iter().find(|(_, had, given)| had != given)?;
        Some(format!("its {name} is {had}, not {given}"))
    }
}

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("policy.safetensors")
}

/// Writes a search.
pub(super) fn write(
    folder: &Path,
    search: &Search,
    evolution: &Evolution,
    shape: PolicyShape,
) -> Result<(), DasnetError> {
    let path = path(folder);
    let failed = |problem: String| DasnetError::File { action: "write", path: path.clone(), problem };
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (mean, deviation) = (bytes(&evolution.mean), bytes(&evolution.deviation));
    let tensor = |bytes| TensorView::new(Dtype::F32, vec![shape.maps, shape.inputs], bytes);
    let tensors =
        [("mean", &mean), ("deviation", &deviation)].map(|(name, bytes)| Ok((name, tensor(bytes)?)));
    let tensors = tensors.into_iter().collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let tensors = tensors.map_err(|error| failed(error.to_string()))?;
    let text = serde_json::to_string(search).map_err(|error| failed(error.to_string()))?;
    let bytes = safetensors_file::to_bytes(tensors, HashMap::from([(KEY.into(), text)])).map_err(failed)?;
    write_atomically(&path, &bytes).map_err(|error| failed(error.to_string()))
}

/// Reads the search of a folder with the settings of `wanted`; `None` where there is none.
pub(super) fn read(
    folder: &Path,
    wanted: &Search,
    shape: PolicyShape,
) -> Result<Option<(Search, Evolution)>, DasnetError> {
    let path = path(folder);
    let failed = |problem: String| DasnetError::File { action: "read", path: path.clone(), problem };
    let bytes = match open_file::read(&path, open_file::WEIGHTS) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|error| failed(error.to_string()))?,
    };
    let (search, evolution) = parse(&bytes, shape).map_err(failed)?;
    match search.differs(wanted) {
        Some(problem) => Err(DasnetError::OtherSearch { path, problem }),
        None => Ok(Some((search, evolution))),
    }
}

/// Parses the file of a search.
pub(super) fn parse(bytes: &[u8], shape: PolicyShape) -> Result<(Search, Evolution), String> {
    let say = |error: &dyn std::fmt::Display| error.to_string();
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| say(&error))?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| say(&error))?;
    let text = header.metadata().as_ref().and_then(|texts| texts.get(KEY)).ok_or("it holds no policy")?;
    let search: Search = serde_json::from_str(text).map_err(|error| say(&error))?;
    let values = |name: &str| {
        let tensor = tensors.tensor(name).map_err(|error| say(&error))?;
        let floats: Vec<f32> = tensor
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        match tensor.dtype() == Dtype::F32
            && floats.len() == shape.len()
            && floats.iter().all(|x| x.is_finite())
        {
            true => Ok(floats),
            false => Err(format!("its {name} is not {} numbers", shape.len())),
        }
    };
    let (generation, seed) = (search.generations.len() as u64, search.seed);
    let evolution = Evolution { mean: values("mean")?, deviation: values("deviation")?, generation, seed };
    Ok((search, evolution))
}

/// Whether these bytes are a search for a network of two maps, for fuzzing.
pub(crate) fn is_policy(bytes: &[u8]) -> bool {
    let parsed = parse(bytes, PolicyShape { maps: 2, inputs: 5 });
    parsed.is_ok_and(|(search, evolution)| search.differs(&search).is_none() && evolution.mean.len() == 10)
}
