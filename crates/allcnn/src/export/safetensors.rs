//! The weights alone, in PyTorch's names and layout: a state dict that `safetensors.torch.load_file` reads.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensorError, TensorView};

use super::error::ExportError;
use super::trained::Trained;
use crate::data::Identity;
use crate::files::safetensors_file;

/// Serializes the weights and biases. As metadata the file holds what it takes to use them: the network (TOML), the classes (JSON
/// list), the kind of preprocessing and the program's version; equal weights make equal bytes.
pub(super) fn to_bytes(trained: &Trained) -> Result<Vec<u8>, ExportError> {
    let checkpoint = &trained.checkpoint;
    let texts = HashMap::from([
        ("format".into(), "pt".into()), // what PyTorch's own files say
        ("network".into(), checkpoint.network.to_toml()),
        ("classes".into(), trained.classes_json()?),
        ("preprocess".into(), trained.transform.preprocessor().method().to_string()),
        ("allcnn_version".into(), env!("CARGO_PKG_VERSION").into()),
    ]);
    let wrong = ExportError::Wrong;
    let values = checkpoint.values.iter();
    let stored: Vec<Vec<u8>> =
        values.map(|tensor| tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let views = checkpoint.values.iter().zip(&stored).map(|(tensor, bytes)| {
        Ok((tensor.name.as_str(), TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?))
    });
    let views: Result<Vec<_>, SafeTensorError> = views.collect();
    safetensors_file::to_bytes(views.map_err(|error| wrong(error.to_string()))?, texts).map_err(wrong)
}

/// The SHA-256 of the weights as [`to_bytes`] writes them.
pub(super) fn sha256(trained: &Trained) -> Result<String, ExportError> {
    Ok(Identity::of(&to_bytes(trained)?).to_string())
}
