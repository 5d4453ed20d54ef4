//! A folder for a model hub: the network in the forms that others read, and a card that says what it is. It holds no path and no
//! name of the person who trained it: of the data only what the program itself named is said by name.

use std::path::Path;

use allcnn_device::Device;
use serde_json::{Value, json};

use super::card::card;
use super::check::Agreement;
use super::error::ExportError;
use super::figures::Figures;
use super::onnx::OnnxOptions;
use super::safetensors;
use super::trained::Trained;
use super::written::{Written, write_onnx};
use crate::atomic_file::write_atomically;
use crate::files::new_folder;
use crate::preprocess::FittedValues;
use crate::run::RunFolder;

/// Makes the folder `path`, which appears whole or not at all.
///
/// # Errors
/// A folder that is there and not empty; as [`write_onnx`].
pub fn write_hub<D: Device>(
    device: &D,
    run: &RunFolder,
    trained: &Trained,
    options: &OnnxOptions,
    path: &Path,
) -> Result<Written, ExportError> {
    let io = |source| ExportError::Io { path: path.into(), source };
    let figures = Figures::of_run(trained, run);
    let mut written = Written { bytes: 0, agreement: None };
    let made = new_folder::make(path, io, |folder| {
        let model =
            write_onnx(device, trained, options, &folder.join("model.onnx")).map_err(
                |error| match error {
                    ExportError::Io { source, .. } => io(source), // nobody knows of the temporary folder
                    other => other,
                },
            )?;
        written = Written { bytes: model.bytes, agreement: model.agreement };
        for (name, contents) in files(trained, &figures, options, written.agreement.as_ref())? {
            written.bytes += contents.len() as u64;
            write_atomically(&folder.join(name), &contents).map_err(io)?;
        }
        Ok(())
    });
    made?.map(|()| written).ok_or_else(|| ExportError::Occupied(path.into()))
}

/// Every file but the ONNX file.
fn files(
    trained: &Trained,
    figures: &Figures,
    options: &OnnxOptions,
    agreement: Option<&Agreement>,
) -> Result<Vec<(&'static str, Vec<u8>)>, ExportError> {
    let wrong = |error: &dyn std::fmt::Display| ExportError::Wrong(error.to_string());
    let configuration =
        serde_json::to_vec_pretty(&configuration(trained, figures)?).map_err(|e| wrong(&e))?;
    let preprocessing = trained.transform.preprocessor().to_bytes().map_err(|error| wrong(&error))?;
    let classes: String = trained.checkpoint.classes.iter().map(|class| format!("{class}\n")).collect();
    Ok(vec![
        ("model.safetensors", safetensors::to_bytes(trained)?),
        ("config.json", configuration),
        ("network.toml", trained.checkpoint.network.to_toml().into_bytes()),
        ("preprocess.safetensors", preprocessing),
        ("classes.txt", classes.into_bytes()),
        ("README.md", card(trained, figures, options, agreement).into_bytes()),
    ])
}

fn configuration(trained: &Trained, figures: &Figures) -> Result<Value, ExportError> {
    let network = &trained.checkpoint.network;
    let (input, pictures) = (network.input(), trained.transform.pictures());
    let preprocessor = trained.transform.preprocessor();
    let mut preprocess = json!({ "method": preprocessor.method().to_string() });
    if let FittedValues::MeanStd { mean, std } = preprocessor.values() {
        preprocess["mean"] = json!(mean);
        preprocess["std"] = json!(std);
    }
    let names = trained.checkpoint.classes.iter().enumerate();
    let id2label: serde_json::Map<String, Value> =
        names.map(|(id, class)| (id.to_string(), json!(class))).collect();
    Ok(json!({
        "model_type": "allcnn",
        "model": network.name(),
        "allcnn_version": env!("CARGO_PKG_VERSION"),
        "parameters": network.info().parameters,
        "input": [input.height, input.width, input.channels],
        "picture": [pictures.height, pictures.width, pictures.channels],
        "framing": trained.manifest.framing().to_string(),
        "preprocess": preprocess,
        "id2label": id2label,
        "network": network.to_toml(),
        "weights_sha256": safetensors::sha256(trained)?,
        "figures": figures,
    }))
}
