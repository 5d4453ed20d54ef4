//! All that is said of a run.

use allcnn::net::{LayerInfo, Network};
use allcnn::run::{EpochRow, Health, RunError, RunFolder};
use allcnn::visualise::{Attribution, FilterChoice, Target};
use serde::Serialize;

use super::summary::Summary;

/// A row of the metrics.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MetricsRow {
    #[serde(flatten)]
    row: EpochRow,
    /// Beside those of the run's file, so that a page need not look for what is missing.
    validation_loss: Option<f64>,
    validation_error_pct: Option<f64>,
    images_per_second: f64,
}

impl From<EpochRow> for MetricsRow {
    fn from(row: EpochRow) -> Self {
        let (validation_loss, validation_error_pct) = (row.validation_loss, row.validation_error_pct);
        let images_per_second = row.images_per_s;
        let row = EpochRow { validation_loss: None, validation_error_pct: None, ..row };
        Self { row, validation_loss, validation_error_pct, images_per_second }
    }
}

/// A layer.
#[derive(Clone, Debug, Serialize)]
struct Layer {
    name: String,
    kind: String,
    height: usize,
    width: usize,
    channels: usize,
    /// Rows and columns of the picture that a unit sees.
    receptive_field: [usize; 2],
    /// Pixels between neighbouring units.
    stride: f64,
    /// Whether it has weights.
    weights: bool,
    /// Whether each channel is a class.
    of_classes: bool,
    /// Whether units can be drawn without an image.
    without_image: bool,
}

/// A way to explain.
#[derive(Clone, Debug, Serialize)]
struct Way {
    name: &'static str,
    says: &'static str,
    /// Whether it explains nothing but classes.
    classes_only: bool,
}

/// The size of the network's input.
#[derive(Clone, Copy, Debug, Serialize)]
struct Size {
    height: usize,
    width: usize,
}

/// All that is said of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Details {
    #[serde(flatten)]
    summary: Summary,
    classes: Vec<String>,
    input: Size,
    settings: Vec<(String, String)>,
    layers: Vec<Layer>,
    methods: Vec<Way>,
    switches: bool,
    metrics: Vec<MetricsRow>,
    warnings: Vec<String>,
}

impl Details {
    /// What is said of the run called `name`, whose network's classes are `classes` where it has weights.
    pub(crate) fn of(name: String, run: &RunFolder, classes: Vec<String>) -> Result<Self, RunError> {
        let manifest = run.manifest()?;
        let network = Network::from_toml(&manifest.network)?;
        let history = run.history();
        let health = Health::of(&history, network.classes(), manifest.recipe.loss);
        let trained = !manifest.recipe.is_none();
        let advice = health.advice(&manifest.recipe, manifest.total_steps, &[]).filter(|_| trained);
        Ok(Self {
            summary: Summary::new(name, run, &manifest, &network, &history),
            classes,
            input: Size { height: network.input().height, width: network.input().width },
            settings: manifest.settings(),
            layers: network.info().layers.iter().filter_map(|info| layer(&network, info)).collect(),
            methods: ways(&network),
            switches: network.with_switches().is_ok(),
            metrics: history.into_iter().map(MetricsRow::from).collect(),
            warnings: advice.into_iter().collect(),
        })
    }
}

/// A layer of the network; `None` for the softmax, whose units are those of the layer before.
fn layer(network: &Network, info: &LayerInfo) -> Option<Layer> {
    let choice = FilterChoice::new(network, &info.name, None).ok()?;
    let [height, width, channels] = info.output;
    let field = info.receptive_field;
    Some(Layer {
        name: info.name.clone(),
        kind: format!("{} {}", info.kind, info.description),
        height,
        width,
        channels,
        receptive_field: [field.height, field.width],
        stride: field.stride,
        weights: info.parameters > 0,
        of_classes: choice.is_of_classes(),
        without_image: choice.layer_that_needs_an_image().is_none(),
    })
}

/// The ways to explain a class that the network has.
fn ways(network: &Network) -> Vec<Way> {
    let target = Target::of_classes(network, vec![]);
    let has = |way: &Attribution| target.as_ref().is_ok_and(|target| way.is_of(network, target));
    let first = [Attribution::PAPER[2], Attribution::PAPER[0], Attribution::PAPER[1]];
    let ways = first.into_iter().chain(Attribution::EVERY[3..].iter().copied());
    ways.filter(has)
        .map(|way| Way { name: way.word(), says: way.says(), classes_only: way.needs_class_maps() })
        .collect()
}
