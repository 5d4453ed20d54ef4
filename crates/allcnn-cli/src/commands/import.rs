//! `allcnn import`: weights of PyTorch or Caffe as a run folder.

use allcnn::import::{Container, Import, Imported, Naming, Note};
use allcnn::text::shown::{PathText, escaped};
use serde::Serialize;

use crate::args::ImportArgs;
use crate::exit::Exit;
use crate::output::{self, thousands};
use crate::streams;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    run: String,
    model: String,
    form: String,
    classes: usize,
    parameters: usize,
    preprocess: String,
    framing: String,
    notes: Vec<Note>,
}

/// Imports the weights and prints what was found.
pub(super) fn run(arguments: &ImportArgs) -> anyhow::Result<Exit> {
    let import = Import {
        weights: arguments.weights.clone(),
        model: arguments.model.clone(),
        input: arguments.input,
        class_names: arguments.classes_file.clone(),
        scaling: arguments.preprocess.clone(),
        framing: arguments.frame,
    };
    let Imported { run, container, form, network, scaling, framing, notes } =
        import.into_run(&arguments.out)?;
    let document = Document {
        run: run.path().text(),
        model: network.name().to_owned(),
        form: naming_text(container, form),
        classes: network.classes(),
        parameters: network.info().parameters,
        preprocess: scaling.to_string(),
        framing: framing.to_string(),
        notes,
    };
    for note in &document.notes {
        streams::message(&format!("note: {}", escaped(&note.text)));
    }
    if arguments.output.json {
        output::json(&document)?;
    } else {
        let Document { run, model, form, classes, parameters, preprocess, framing, .. } = document;
        let parameters = thousands(parameters as u64);
        output::text(&format!(
            "weights     {form}\nnetwork     {model}, {parameters} parameters, {classes} classes\n\
             input       {preprocess}\npictures    {framing}\nrun         {}\n",
            escaped(&run)
        ))?;
    }
    Ok(Exit::DONE)
}

/// The file in words.
fn naming_text(container: Container, form: Naming) -> String {
    match form {
        Naming::Caffe => container.to_string(),
        form => format!("{container} {form}"),
    }
}
