//! Tensors of a safetensors file, and class names in its metadata.

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::stored::{Element, Stored};
use crate::parameters::Tensor;

/// Parses the file.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Stored<'_>>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("its header is damaged ({error})"))?;
    let tensors = file
        .iter()
        .map(|(name, view)| Stored::row_major(name, element(view.dtype()), view.shape(), view.data()));
    Ok(tensors.collect())
}

/// The tensors of a file under their own names, in order of their names, and the class names if the file has them.
///
/// # Errors
/// No safetensors file, or a tensor that holds no numbers; described in a sentence.
pub fn plain_tensors(bytes: &[u8]) -> Result<(Vec<Tensor>, Option<Vec<String>>), String> {
    let mut tensors = read(bytes)?.iter().map(Stored::values).collect::<Result<Vec<_>, _>>()?;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    match tensors.iter().find_map(|tensor| Some((&tensor.name, tensor.absurd()?))) {
        Some((name, value)) => Err(format!("its tensor {name} holds {value:?}, which no training leaves")),
        None => Ok((tensors, classes(bytes))),
    }
}

/// The class names, if the file has them as this program writes them: a JSON list under `classes` in the metadata.
pub(super) fn classes(bytes: &[u8]) -> Option<Vec<String>> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    serde_json::from_str(header.metadata().as_ref()?.get("classes")?).ok()
}

fn element(dtype: Dtype) -> Element {
    match dtype {
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::BOOL
        | Dtype::U8
        | Dtype::I8
        | Dtype::U16
        | Dtype::I16
        | Dtype::U32
        | Dtype::I32
        | Dtype::U64
        | Dtype::I64 => Element::Whole(format!("{dtype:?}")),
        other => Element::Other(format!("{other:?}")),
    }
}
