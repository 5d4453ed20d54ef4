//! A run's filters visualized on images of a data set, as by `allcnn features`.

use std::path::Path;

use allcnn_device::Device;
use serde::Serialize;

use super::render::Sheet;
use super::{
    Drawing, ExplainedFilter, Explainer, FilterChoice, Labels, Method, Patch, VisualiseError,
    draw_without_image, drawing_rows, drawing_sheet, explain_patches, patch_rows, patch_tile_side,
    strongest_patches,
};
use crate::augment::Augment;
use crate::data::{self, DataSet, Identities, Images, Skipped};
use crate::evaluate::{self, EvaluateError};
use crate::input::InputTransform;
use crate::net::{Network, Rectangle};
use crate::observer::report_left_out;
use crate::observer::{Event, Observer};
use crate::parameters::Parameters;
use crate::preprocess::Geometry;
use crate::run::Checkpoint;
use crate::run::WhichCheckpoint;
use crate::run::{DataLocationError, GivenData, Opened};
use crate::run::{Manifest, RunFolder};
use crate::split::Split;
use crate::text::shown::PathText;

/// The images to scan.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The data set's name.
    pub name: String,
    /// Its classes; empty if the images have none.
    pub classes: Vec<String>,
    /// The images.
    pub images: Images,
}

/// A trained network whose filters are visualized.
pub struct FeatureExplorer<'d, D: Device> {
    device: &'d D,
    run: RunFolder,
    which: WhichCheckpoint,
    manifest: Manifest,
    checkpoint: Checkpoint,
    parameters: Parameters<D>,
    transform: InputTransform,
}

impl<'d, D: Device> FeatureExplorer<'d, D> {
    /// Loads a checkpoint of a run.
    ///
    /// # Errors
    /// A run without weights, or a damaged one; device failures.
    pub fn new(device: &'d D, run: &RunFolder, which: WhichCheckpoint) -> Result<Self, VisualiseError> {
        let (manifest, checkpoint) = which.trained(run)?;
        let parameters = checkpoint.parameters(device)?;
        let transform = run.input_transform(&checkpoint.network)?;
        let which = which.at_hand(run);
        Ok(Self { device, run: run.clone(), which, manifest, checkpoint, parameters, transform })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.checkpoint.network
    }

    /// The network's classes.
    pub fn classes(&self) -> &[String] {
        &self.checkpoint.classes
    }

    /// Opens the images to scan: those of `data`, or the run's own data if `None`. The default `split` is the
    /// training images, or the test images if there are no others. Their classes need not be the network's, and
    /// they may have none.
    ///
    /// # Errors
    /// Data that cannot be read, or has no images in the split.
    pub fn open(
        &self,
        data: Option<GivenData<'_>>,
        split: Option<Split>,
        observer: &mut dyn Observer,
    ) -> Result<Scanned, VisualiseError> {
        let run = (&self.run, &self.manifest);
        let opened = evaluate::open_and_report_notes(data, run, self.transform.pictures(), true, observer);
        let mut opened = match (opened, data) {
            (Err(DataLocationError::Data(data::Error::NoClasses(_))), Some(data)) => {
                return self.open_loose(Path::new(data.location), observer);
            }
            (opened, _) => opened.map_err(EvaluateError::from)?,
        };
        if let (None, Some(data)) = (split, data.filter(|_| are_loose(&opened))) {
            return self.open_loose(Path::new(data.location), observer);
        }
        report_left_out(&opened.data, observer);
        let split = match split {
            None if opened.data.train.is_empty() => Split::Test,
            None => Split::Train,
            Some(split) if opened.own => split,
            Some(split) => split.or_only(&opened.data),
        };
        let images = split.take(&mut opened.data).map_err(EvaluateError::from)?;
        let DataSet { name, classes, .. } = opened.data;
        if !opened.own {
            self.report_trained_on(&images, observer)?;
        }
        Ok(Scanned { name, classes, images })
    }

    /// Opens images without classes.
    fn open_loose(&self, path: &Path, observer: &mut dyn Observer) -> Result<Scanned, VisualiseError> {
        let Geometry { height, width, .. } = self.transform.pictures();
        let framing = self.manifest.framing();
        let options = data::Options { size: Some((height, width)), framing, ..data::Options::default() };
        let mut progress = |progress| observer.observe(Event::Loading(progress));
        let data = data::open_loose(path, &options, &mut progress).map_err(EvaluateError::from)?;
        report_left_out(&data, observer);
        let images = data.train;
        self.report_trained_on(&images, observer)?;
        let name = path.file_name().map_or_else(|| path.text(), |name| Path::new(name).text());
        Ok(Scanned { name, classes: vec![], images })
    }

    /// Reports how many of these images the network was trained on, if it can be told for images in memory.
    fn report_trained_on(&self, images: &Images, observer: &mut dyn Observer) -> Result<(), VisualiseError> {
        if self.manifest.recipe.augment == Augment::CropFlip {
            return Ok(()); // such a run identifies images by their files, not their pixels
        }
        let run = (&self.run, &self.manifest);
        let known = evaluate::known(run, self.transform.pictures(), None, &mut ())?;
        let known = known.unwrap_or_default();
        let identities = Identities::of(images);
        let trained = identities.iter().flatten().filter(|identity| known.contains(identity)).count();
        if trained > 0 {
            let were = if trained == 1 { "was" } else { "were" };
            let text = format!("{trained} of {} images {were} trained on", images.len());
            observer.observe(Event::Warning(&text));
        }
        Ok(())
    }

    /// Finds the `most` patches with the strongest activation of each filter, and explains them by each method.
    /// `observer` is told the algorithms, and the number of images scanned.
    ///
    /// # Errors
    /// Device failures.
    pub fn patches(
        &self,
        choice: &FilterChoice,
        scanned: &Scanned,
        most: usize,
        methods: &[Method],
        observer: &mut dyn Observer,
    ) -> Result<Vec<ExplainedFilter>, VisualiseError> {
        let data = (&scanned.images, &self.transform);
        let found = strongest_patches(self.device, choice, &self.parameters, data, most, observer)?;
        let mut explainer = Explainer::new(self.device, choice.network(), most)?;
        let explained = found.into_iter().map(|found| {
            let maps = explain_patches(&mut explainer, choice, &self.parameters, data, &found, methods)?;
            Ok(ExplainedFilter { found, maps })
        });
        explained.collect()
    }

    /// Visualizes each filter without an image. `observer` is told the algorithms.
    ///
    /// # Errors
    /// [`VisualiseError::NeedsImage`]; device failures.
    pub fn drawings(
        &self,
        choice: &FilterChoice,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Drawing>, VisualiseError> {
        draw_without_image(self.device, choice, &self.parameters, observer)
    }

    /// The sheet of patches (Figure 3).
    pub fn patch_sheet(
        &self,
        choice: &FilterChoice,
        scanned: &Scanned,
        filters: &[ExplainedFilter],
        (most, methods): (usize, &[Method]),
    ) -> Sheet {
        let Scanned { name, classes, images } = scanned;
        let labels = Labels { data_classes: classes, classes: self.classes() };
        let below: Vec<String> = methods.iter().map(ToString::to_string).collect();
        Sheet {
            title: format!("{}: what activates the filters of {}", self.network().name(), choice.name()),
            subtitle: format!(
                "above, patches of {} images of {name}; below, {}",
                images.len(),
                below.join(", then ")
            ),
            rows: patch_rows(choice, (images, &self.transform), filters, most, methods.len(), labels),
            tile_side: patch_tile_side(choice, most, methods.len()),
            ..Sheet::default()
        }
    }

    /// The sheet of drawings (Figure 2) for these layers.
    pub fn drawing_sheet(&self, layers: &[(FilterChoice, Vec<Drawing>)]) -> Sheet {
        let labels = Labels { data_classes: &[], classes: self.classes() };
        let rows = layers.iter().flat_map(|(choice, drawings)| drawing_rows(choice, drawings, labels));
        drawing_sheet(format!("{}: what its filters draw", self.network().name()), rows.collect())
    }

    /// The patches as `allcnn features --json` lists them.
    pub fn patch_entries(
        &self,
        choice: &FilterChoice,
        scanned: &Scanned,
        filters: &[ExplainedFilter],
    ) -> Vec<FilterEntry> {
        let entry = |patch: &Patch| PatchEntry {
            image: scanned.images.names[patch.image].clone(),
            class: scanned.classes.get(scanned.images.labels[patch.image] as usize).cloned(),
            activation: patch.unit.activation,
            unit: [patch.unit.row, patch.unit.column],
            seen: (&patch.seen).into(),
        };
        let filter = |filter: &ExplainedFilter| FilterEntry {
            filter: filter.found.filter,
            class: self.class_of(choice, filter.found.filter),
            source: self.source(choice),
            patches: filter.found.patches.iter().map(entry).collect(),
        };
        filters.iter().map(filter).collect()
    }

    /// The drawings as `allcnn features --without-image --json` lists them.
    pub fn drawing_entries(&self, choice: &FilterChoice, drawings: &[Drawing]) -> Vec<DrawingEntry> {
        let entry = |drawing: &Drawing| DrawingEntry {
            filter: drawing.filter,
            class: self.class_of(choice, drawing.filter),
            source: self.source(choice),
            seen: (&drawing.seen).into(),
        };
        drawings.iter().map(entry).collect()
    }

    fn source(&self, choice: &FilterChoice) -> FilterSource {
        let (layer, run) = (choice.name().to_owned(), self.run.called().text());
        FilterSource { layer, run, checkpoint: self.which, picture: None }
    }

    fn class_of(&self, choice: &FilterChoice, filter: usize) -> Option<String> {
        choice.is_of_classes().then(|| self.classes()[filter].clone())
    }
}

/// Whether there are images without class next to those with one: then all are treated as images without class.
fn are_loose(opened: &Opened) -> bool {
    let DataSet { train, validation, test, skipped, .. } = &opened.data;
    let splits = [train, validation, test].iter().filter(|images| !images.is_empty()).count();
    !opened.own && splits < 2 && skipped.iter().any(Skipped::has_no_class)
}

/// The origin of a filter, for JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FilterSource {
    /// The layer.
    pub layer: String,
    /// The run.
    pub run: String,
    /// The run's checkpoint.
    pub checkpoint: WhichCheckpoint,
    /// The picture file that shows it, if one was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// A filter and its patches, for JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FilterEntry {
    /// The filter's index, from 0.
    pub filter: usize,
    /// Its class, in the last layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its origin.
    #[serde(flatten)]
    pub source: FilterSource,
    /// The patches, strongest activation first.
    pub patches: Vec<PatchEntry>,
}

/// A patch, for JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PatchEntry {
    /// The image's source.
    pub image: String,
    /// The image's class, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The unit's output.
    pub activation: f32,
    /// The unit's row and column in its layer.
    pub unit: [usize; 2],
    /// Its receptive field in the network's input.
    #[serde(flatten)]
    pub seen: Seen,
}

/// A drawing without image, for JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrawingEntry {
    /// The filter's index, from 0.
    pub filter: usize,
    /// Its class, in the last layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its origin.
    #[serde(flatten)]
    pub source: FilterSource,
    /// The unit's receptive field in the input.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Part of an image, for JSON, as half-open ranges of rows and columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// The rows.
    pub rows: [usize; 2],
    /// The columns.
    pub columns: [usize; 2],
}

impl From<&Rectangle> for Seen {
    fn from(Rectangle { rows, columns }: &Rectangle) -> Self {
        Self { rows: [rows.start, rows.end], columns: [columns.start, columns.end] }
    }
}
