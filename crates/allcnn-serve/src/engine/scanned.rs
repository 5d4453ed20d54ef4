//! The images of a run's data that activate the units of a layer most.

use std::sync::Arc;

use allcnn::data::DataSet;
use allcnn::visualise::{
    ExplainedFilter, Explainer, FilterChoice, FilterPatches, Method, Scanned, VisualiseError,
    explain_patches, patch_pictures, strongest_patches,
};
use allcnn_device::Device;

use super::error::EngineError;
use super::job::{FoundPatch, PatchesOf};
use super::own_data;
use crate::runs::OpenRun;

/// The most bytes of a run's images that are read for that.
const READ: usize = 4 << 30;
/// The most images that are looked at.
const IMAGES: usize = 2000;
/// The most bytes of images that are kept.
const BYTES: usize = 256 << 20;
/// Patches of a unit.
const PATCHES: usize = 9;

/// A layer with the strongest patches of each of its units.
pub(super) struct Scan {
    run: Arc<OpenRun>,
    choice: FilterChoice,
    scanned: Arc<Scanned>,
    found: Vec<FilterPatches>,
}

/// Reads the images of a run's data that are looked at: all, or some from all over.
pub(super) fn read_images(run: &OpenRun) -> Result<Scanned, EngineError> {
    let DataSet { name, classes, train, test, .. } = own_data::read(run, READ)?;
    let images = if train.is_empty() { test } else { train };
    let mut scanned = Scanned { name, classes, images };
    let most = IMAGES.min(BYTES / scanned.images.image_len().max(1)).max(1);
    if scanned.images.len() > most {
        // Classes often lie one after the other.
        let count = scanned.images.len();
        let spread: Vec<usize> = (0..most).map(|index| index * count / most).collect();
        scanned.images = scanned.images.select(&spread).map_err(allcnn::evaluate::EvaluateError::from)?;
    }
    Ok(scanned)
}

impl Scan {
    /// Looks at the images of the run's data.
    pub(super) fn new<D: Device>(
        device: &D,
        run: &Arc<OpenRun>,
        layer: &str,
        scanned: Arc<Scanned>,
    ) -> Result<Self, EngineError> {
        let choice = FilterChoice::new(&run.trained.checkpoint.network, layer, None)?;
        let parameters = run.trained.checkpoint.parameters(device).map_err(VisualiseError::from)?;
        let data = (&scanned.images, &run.trained.transform);
        let found = strongest_patches(device, &choice, &parameters, data, PATCHES, &mut ())?;
        Ok(Self { run: Arc::clone(run), choice, scanned, found })
    }

    pub(super) fn is_of(&self, run: &Arc<OpenRun>, layer: &str) -> bool {
        Arc::ptr_eq(&self.run, run) && self.choice.name() == layer
    }

    /// The patches of a unit, with what in them activates it.
    pub(super) fn patches<D: Device>(&self, device: &D, unit: usize) -> Result<PatchesOf, EngineError> {
        let found = self.found[unit].clone();
        let parameters = self.run.trained.checkpoint.parameters(device).map_err(VisualiseError::from)?;
        let data = (&self.scanned.images, &self.run.trained.transform);
        let mut explainer = Explainer::new(device, self.choice.network(), PATCHES)?;
        let maps =
            explain_patches(&mut explainer, &self.choice, &parameters, data, &found, &[Method::Guided])?;
        let filter = ExplainedFilter { found, maps };
        let pictures = patch_pictures(data, &filter);
        let each = filter.found.patches.iter().zip(pictures);
        let patches = each.map(|(patch, pictures)| FoundPatch {
            image: self.scanned.images.names[patch.image].clone(),
            class: self.scanned.classes.get(self.scanned.images.labels[patch.image] as usize).cloned(),
            activation: patch.unit.activation,
            pictures,
        });
        Ok(PatchesOf { images: self.scanned.images.len(), patches: patches.collect() })
    }
}
