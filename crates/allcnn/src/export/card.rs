//! The model card: what the network is, how good, on what data, and how to use it.

use super::check::Agreement;
use super::figures::Figures;
use super::onnx::{ExplanationTarget, OnnxOptions};
use super::trained::Trained;
use crate::data::Framing;
use crate::run::RunFolder;

/// Data that everybody knows by these names; others are the user's own, and named by nothing but their size.
const KNOWN: [&str; 3] = ["shapes", "cifar10", "cifar100"];

/// The model card of a run, as Markdown: what the network is, how good, on what data, and how to use it.
pub fn model_card(run: &RunFolder, trained: &Trained) -> String {
    card(trained, &Figures::of_run(trained, run), &OnnxOptions::default(), None)
}

/// The card as Markdown.
pub(super) fn card(
    trained: &Trained,
    figures: &Figures,
    options: &OnnxOptions,
    agreement: Option<&Agreement>,
) -> String {
    let network = &trained.checkpoint.network;
    let (name, info) = (network.name(), network.info());
    let rows: String = figures.rows().iter().map(|[what, value]| format!("| {what} | {value} |\n")).collect();
    let version = env!("CARGO_PKG_VERSION");
    let agreement = agreement.map_or(String::new(), agreed);
    format!(
        "---\n\
         license: # fill in, with regard to the images it was trained on\n\
         pipeline_tag: image-classification\n\
         tags:\n  - image-classification\n  - all-convolutional-net\n  - onnx\n\
         ---\n\n\
         # {name}\n\n\
         An image classifier of the All-Convolutional-Net family (Springenberg et al. 2015, arXiv 1412.6806), trained with \
         allcnn {version}: {parameters} parameters, {operations} multiply-adds a picture.\n\n\
         ## Figures\n\n| | |\n|---|---|\n{rows}\n{agreement}\
         ## Data\n\n{data}\n\
         ## Licence\n\nTo be filled in by the publisher: that of the weights, with regard to the images above.\n\n\
         ## Use\n\n{python}\n{program}",
        parameters = info.parameters,
        operations = info.multiply_adds,
        data = data(trained),
        python = python(trained, options),
        program = program(trained),
    )
}

fn agreed(agreement: &Agreement) -> String {
    format!(
        "`model.onnx` was run on {} pictures before it was written; its logits differ from those of allcnn by at most {:.1e} of \
         the largest.\n\n",
        agreement.pictures, agreement.logits_difference
    )
}

fn data(trained: &Trained) -> String {
    let data = &trained.manifest.data;
    let classes = trained.checkpoint.classes.len();
    if trained.manifest.imported.is_some() {
        return format!("The weights were imported from a file of another program; {classes} classes.\n");
    }
    let source = match KNOWN.iter().find(|known| **known == data.source) {
        Some(known) => format!("`{known}`"),
        None => "Images of its publisher".into(),
    };
    let validation = match data.validation_images {
        0 => String::new(),
        images => format!(", {images} for validation"),
    };
    format!(
        "{source}: {} images for training{validation}, {} for testing, {classes} classes. Fingerprint (SHA-256 of classes, \
         labels and pixels): `{}`\n",
        data.train_images, data.test_images, data.fingerprint
    )
}

/// How it is used from Python.
fn python(trained: &Trained, options: &OnnxOptions) -> String {
    let size = trained.transform.pictures();
    let framing = match trained.manifest.framing() {
        Framing::Whole => String::new(),
        framing => format!("  # in training: {framing}"),
    };
    let (mut inputs, mut outputs) = (vec!["\"image\": pixels"], vec!["probabilities"]);
    if options.explain.is_some() {
        outputs.push("explanation");
        if options.target == ExplanationTarget::Input {
            inputs.push("\"class\": np.array([0])");
        }
    }
    let asked: Vec<String> = outputs.iter().map(|name| format!("\"{name}\"")).collect();
    let comment = options.explain.map_or(String::new(), |method| {
        format!("# explanation: float32 [1, height, width, 3], what speaks for the class by {method}\n")
    });
    format!(
        "From Python, with onnxruntime; the preprocessing is in the file:\n\n\
         ```python\n\
         import json\n\
         import numpy as np\n\
         import onnxruntime\n\
         from PIL import Image, ImageOps\n\n\
         session = onnxruntime.InferenceSession(\"model.onnx\")\n\
         classes = json.loads(session.get_modelmeta().custom_metadata_map[\"classes\"])\n\
         picture = Image.open(\"picture.jpg\").convert(\"RGB\")\n\
         picture = ImageOps.fit(picture, ({width}, {height}), Image.BILINEAR){framing}\n\
         pixels = np.asarray(picture)[None]  # uint8 [1, {height}, {width}, 3]\n\
         {comment}{outputs}, = session.run([{asked}], {{{inputs}}})\n\
         print(classes[probabilities[0].argmax()], probabilities[0].max())\n\
         ```\n\n\
         The weights alone, as PyTorch has them:\n\n\
         ```python\n\
         from safetensors.torch import load_file\n\n\
         state_dict = load_file(\"model.safetensors\")  # conv1.weight [out, in, height, width], conv1.bias, ...\n\
         ```\n",
        height = size.height,
        width = size.width,
        outputs = outputs.join(", "),
        asked = asked.join(", "),
        inputs = inputs.join(", "),
    )
}

/// How the program and the library take it up again.
fn program(trained: &Trained) -> String {
    if trained.transform.pictures() != trained.transform.input() {
        let comment =
            "allcnn trained it on a canvas larger than the pictures: use `model.onnx`, which centers them.\n";
        return comment.into();
    }
    let frame = match trained.manifest.framing() {
        Framing::ShorterSide(side) => format!(" --frame {side}"),
        _ => String::new(),
    };
    format!(
        "From the command line, with allcnn:\n\n\
         ```\n\
         allcnn import model.safetensors --model network.toml --classes-file classes.txt \\\n    \
         --preprocess preprocess.safetensors{frame} --out run\n\
         allcnn predict run picture.jpg\n\
         allcnn explain run picture.jpg\n\
         ```\n\n\
         From Rust, with the run that the first of these commands made:\n\n\
         ```rust\n\
         use allcnn::prelude::*;\n\n\
         let device = Cpu::new(CpuOptions::default())?;\n\
         let run = RunFolder::open(\"run\".as_ref())?;\n\
         for answer in Predictor::open(&device, &run)?.predict(&[\"picture.jpg\".into()], 1)? {{\n    \
         println!(\"{{answer:?}}\");\n\
         }}\n\
         ```\n"
    )
}
