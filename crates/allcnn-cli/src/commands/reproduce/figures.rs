//! `allcnn reproduce fig2` to `fig6`: the paper's figures with a network of one's own.

use std::path::{Path, PathBuf};

use allcnn::net::{LayerKind, Network};
use allcnn::run::RunFolder;
use allcnn::run::WhichCheckpoint;
use allcnn::text::shown::{PathText, escaped};
use allcnn::visualise::render::Sheet;
use allcnn::visualise::{
    Attribution, ExplainRequest, Explained, FeatureExplorer, FileExplainer, FilterChoice, Method, Unread,
    plate,
};
use allcnn_device::Device;
use anyhow::{Context, anyhow};
use serde::Serialize;

use crate::args::{FigureArgs, ImageFigureArgs, PatchFigureArgs, SplitChoice};
use crate::commands::{features, picture};
use crate::device::{self, on_device};
use crate::failure::WrongUsage;
use crate::output;
use crate::progress::Progress;
use crate::training_progress::LoadingProgress;

/// The layers of Figure 2.
const DRAWN_LAYERS: [&str; 3] = ["conv1", "conv2", "conv3"];
/// The layers of Figure 3.
const PATCH_LAYERS: [&str; 2] = ["conv6", "conv9"];
/// Filters of a layer in Figure 3.
const PATCH_FILTERS: usize = 12;

/// Figure 2: filters visualized without an image.
pub(super) fn figure2(arguments: &FigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    on_device!(device::open(&arguments.common)?, |device| drawings(&device, arguments))
}

fn drawings(device: &impl Device, arguments: &FigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    let explorer = FeatureExplorer::new(device, &open(arguments)?, which(arguments))?;
    let mut loading = LoadingProgress::new(Progress::of(arguments.common.output));
    let mut layers = Vec::new();
    for layer in present(explorer.network(), &DRAWN_LAYERS, arguments) {
        let choice = FilterChoice::new(explorer.network(), &layer, None)?;
        match explorer.drawings(&choice, &mut loading) {
            Ok(drawings) => layers.push((choice, drawings)),
            // The layers below a pool are still shown.
            Err(error) if error.is_usage() && !layers.is_empty() => {
                note(arguments, &format!("left out: {error}"))
            }
            Err(error) => return Err(error.into()),
        }
    }
    finish(arguments, "fig2", explorer.drawing_sheet(&layers))
}

/// Figure 3: the patches that activate filters most.
pub(super) fn figure3(arguments: &PatchFigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    on_device!(device::open(&arguments.figure.common)?, |device| patches(&device, arguments))
}

fn patches(device: &impl Device, arguments: &PatchFigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    let figure = &arguments.figure;
    let explorer = FeatureExplorer::new(device, &open(figure)?, which(figure))?;
    let methods = [Method::Deconvnet, Method::Guided];
    let mut choices = Vec::new();
    for layer in present(explorer.network(), &PATCH_LAYERS, figure) {
        let all = FilterChoice::new(explorer.network(), &layer, None)?.filters();
        let filters = arguments.filters.clone().unwrap_or(0..all.end.min(PATCH_FILTERS));
        choices.push(FilterChoice::new(
            explorer.network(),
            &layer,
            Some(filters.start..filters.end.min(all.end)),
        )?);
    }
    let progress = Progress::of(figure.common.output);
    let mut loading = LoadingProgress::new(progress);
    let scanned = features::open(
        &explorer,
        (arguments.data.as_deref(), &arguments.reading.reading()),
        arguments.split,
        &mut loading,
    )?;
    let mut written = Vec::new();
    for choice in choices {
        let wanted = (arguments.patches, methods.as_slice());
        let filters = features::scan(&explorer, &choice, &scanned, wanted, progress, &mut loading)?;
        let sheet = explorer.patch_sheet(&choice, &scanned, &filters, wanted);
        written.extend(finish(figure, &format!("fig3-{}", choice.name()), sheet)?);
    }
    Ok(written)
}

/// Figure 4: what activates the last convolution.
pub(super) fn figure4(arguments: &ImageFigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    images("fig4", arguments, last_convolution, true)
}

/// Figure 5: Figure 4 for the pre-softmax layer.
pub(super) fn figure5(arguments: &ImageFigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    images("fig5", arguments, last_layer, true)
}

/// Figure 6: Figure 4 for the last layer of a network with max pooling.
pub(super) fn figure6(arguments: &ImageFigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    images("fig6", arguments, last_convolution, false)
}

/// Figures 4 to 6: images beside the maps of the three methods.
fn images(
    name: &str,
    arguments: &ImageFigureArgs,
    layer: fn(&Network) -> String,
    switches: bool,
) -> anyhow::Result<Vec<PathBuf>> {
    let figure = &arguments.figure;
    let run = open(figure)?;
    let given = given(arguments)?;
    let network = which(figure).trained(&run)?.1.network;
    let layer = layer(&network);
    let has_max_pool = network.layers().iter().any(|layer| matches!(layer.kind(), LayerKind::Pool(_)));
    if !switches && !has_max_pool {
        note(
            figure,
            &format!("{} has no pooling; the paper's figure is of a network trained with it", network.name()),
        );
    }
    let request = ExplainRequest {
        checkpoint: which(figure),
        layer: Some(layer),
        methods: Attribution::PAPER.to_vec(),
        switches,
        ..ExplainRequest::default()
    };
    let opened = device::open(&figure.common)?;
    let sheet = on_device!(opened, |device| image_sheet(&device, arguments, (&run, &given), &request))?;
    finish(figure, name, sheet)
}

/// The given images, or some of the run's own, with their maps.
fn image_sheet(
    device: &impl Device,
    arguments: &ImageFigureArgs,
    (run, given): (&RunFolder, &[PathBuf]),
    request: &ExplainRequest,
) -> anyhow::Result<Sheet> {
    let mut explainer = FileExplainer::new(device, run, request, arguments.count)?;
    let explained = if given.is_empty() {
        explainer.explain_pictures(own_images(arguments, run, device)?)?
    } else {
        given_images(arguments, given, &mut explainer)?
    };
    Ok(plate(&explainer, &explained, request.coloring))
}

/// The first of the given pictures.
fn given_images(
    arguments: &ImageFigureArgs,
    given: &[PathBuf],
    explainer: &mut FileExplainer<'_, impl Device>,
) -> anyhow::Result<Vec<Explained>> {
    let files = picture::given(given, arguments.figure.common.output)?;
    let files: Vec<PathBuf> = files.into_iter().take(arguments.count).collect();
    let answers = explainer.explain(&files)?.into_iter();
    answers
        .map(|answer| {
            answer.map_err(|Unread { file, error }| anyhow!("cannot read {}: {error}", escaped(&file)))
        })
        .collect()
}

/// Test images of the run's data, spread over the classes, the first of each by name.
fn own_images(
    arguments: &ImageFigureArgs,
    run: &RunFolder,
    device: &impl Device,
) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let explorer = FeatureExplorer::new(device, run, which(&arguments.figure))?;
    let progress = Progress::of(arguments.figure.common.output);
    let scanned = features::open(
        &explorer,
        (arguments.data.as_deref(), &arguments.reading.reading()),
        Some(SplitChoice::Test),
        &mut LoadingProgress::new(progress),
    )?;
    let (images, classes) = (&scanned.images, scanned.classes.len());
    let count = arguments.count.min(classes);
    let first =
        |index: usize| images.labels.iter().position(|&label| label as usize == index * classes / count);
    let chosen = (0..count).filter_map(first);
    Ok(chosen.map(|image| (images.names[image].clone(), images.image(image).to_vec())).collect())
}

/// The figure's layers without duplicates; a layer that the network does not have is replaced by its last convolution.
fn present(network: &Network, wanted: &[&str], arguments: &FigureArgs) -> Vec<String> {
    let mut layers: Vec<String> = Vec::new();
    for &layer in wanted {
        let found =
            if network.layer_index(layer).is_some() { layer.to_owned() } else { last_convolution(network) };
        if found != layer {
            note(arguments, &format!("{} has no {layer}: its last convolution is {found}", network.name()));
        }
        if !layers.contains(&found) {
            layers.push(found);
        }
    }
    layers
}

fn last_convolution(network: &Network) -> String {
    let last = network.layers().iter().rfind(|layer| layer.kind().is_conv());
    last.map_or_else(|| last_layer(network), |layer| layer.name().to_owned())
}

fn last_layer(network: &Network) -> String {
    network.layers().last().map(|layer| layer.name().to_owned()).unwrap_or_default()
}

fn note(arguments: &FigureArgs, text: &str) {
    Progress::of(arguments.common.output).note(&format!("note: {text}"));
}

/// The run folder of a figure.
fn open(arguments: &FigureArgs) -> anyhow::Result<RunFolder> {
    Ok(RunFolder::open(arguments.run_and_other().0)?)
}

fn which(arguments: &FigureArgs) -> WhichCheckpoint {
    arguments.checkpoint.into()
}

/// The given pictures.
fn given(arguments: &ImageFigureArgs) -> anyhow::Result<Vec<PathBuf>> {
    let given: Vec<PathBuf> =
        arguments.figure.run_and_other().1.into_iter().chain(&arguments.images).cloned().collect();
    if arguments.data.is_some() && !given.is_empty() {
        return Err(WrongUsage("pictures and --data were given, expected one of them".into()).into());
    }
    Ok(given)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    run: String,
    checkpoint: WhichCheckpoint,
    pictures: Vec<String>,
}

/// Prints where the pictures of a figure are.
pub(super) fn print(arguments: &FigureArgs, pictures: &[PathBuf]) -> anyhow::Result<()> {
    if !arguments.common.output.json {
        return output::text(&pictures.iter().map(|path| format!("{}\n", path.shown())).collect::<String>());
    }
    output::json(&Document {
        run: arguments.run_and_other().0.text(),
        checkpoint: which(arguments),
        pictures: pictures.iter().map(|path| path.text()).collect(),
    })
}

/// Writes a figure, on several pages if one is too small.
fn finish(arguments: &FigureArgs, name: &str, sheet: Sheet) -> anyhow::Result<Vec<PathBuf>> {
    let folder: &Path = &arguments.out;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.shown()))?;
    let path = folder.join(format!("{name}.png"));
    let pages = picture::write_sheet(sheet, &path, arguments.common.output)?;
    Ok(pages.paths().map(Path::to_owned).collect())
}
