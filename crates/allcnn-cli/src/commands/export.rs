//! `allcnn export`: a run's network for other programs.

use std::path::Path;

use allcnn::export::{
    Agreement, OnnxOptions, Trained, Written, write_html, write_hub, write_onnx, write_safetensors,
};
use allcnn::run::RunFolder;
use allcnn::text::shown::PathText;
use allcnn::visualise::Method;
use serde::Serialize;

use super::picture;
use crate::args::ExportArgs;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::output::{self, thousands};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    run: String,
    model: String,
    path: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Agreement>,
}

/// Exports the run and prints what was written, and how far it is from the program.
pub(super) fn run(arguments: &ExportArgs) -> anyhow::Result<Exit> {
    check_names(arguments)?;
    let run = RunFolder::open(&arguments.run)?;
    let trained = Trained::open(&run, arguments.checkpoint.into())?;
    let (path, written) = write(arguments, &run, &trained)?;
    let document = Document {
        run: run.called().text(),
        model: trained.checkpoint.network.name().into(),
        path: path.text(),
        bytes: written.bytes,
        check: written.agreement,
    };
    if arguments.common.output.json {
        output::json(&document)?;
    } else {
        let check = document.check.as_ref().map_or(String::new(), checked);
        let bytes = thousands(document.bytes);
        output::text(&format!(
            "network  {}\n{check}written  {} ({bytes} bytes)\n",
            document.model,
            path.shown()
        ))?;
    }
    Ok(Exit::DONE)
}

/// Refuses a file that cannot be written before any work is done.
fn check_names(arguments: &ExportArgs) -> anyhow::Result<()> {
    for (flag, path, kind) in
        [("--onnx", &arguments.onnx, "onnx"), ("--safetensors", &arguments.safetensors, "safetensors")]
    {
        if let Some(path) = path {
            picture::check_out(flag, path, kind)?;
        }
    }
    Ok(())
}

/// Writes what was asked for.
fn write<'a>(
    arguments: &'a ExportArgs,
    run: &RunFolder,
    trained: &Trained,
) -> anyhow::Result<(&'a Path, Written)> {
    if let Some(path) = &arguments.safetensors {
        return Ok((path, write_safetensors(trained, path)?));
    }
    if let Some(path) = &arguments.html {
        return Ok((path, write_html(trained, path)?));
    }
    let guided = arguments.with_explanation.then_some(Method::Guided);
    let options = OnnxOptions {
        explain: arguments.explain.map(Method::from).or(guided),
        target: arguments.target.into(),
        raw: arguments.raw,
    };
    let device = device::open(&arguments.common)?;
    match (&arguments.onnx, &arguments.hub) {
        (Some(path), _) => {
            Ok((path, on_device!(device, |device| write_onnx(&device, trained, &options, path))?))
        }
        (_, Some(path)) => {
            Ok((path, on_device!(device, |device| write_hub(&device, run, trained, &options, path))?))
        }
        (None, None) => unreachable!("clap asks for one of them"),
    }
}

/// What the check found.
fn checked(agreement: &Agreement) -> String {
    let maps = agreement.explanation_difference;
    let maps = maps.map_or(String::new(), |maps| format!(", maps {maps:.1e}"));
    format!(
        "check    run on {} pictures; differs from this program by at most: layers {:.1e} ({}), logits {:.1e}{maps}\n",
        agreement.pictures, agreement.layer_difference, agreement.layer, agreement.logits_difference
    )
}
