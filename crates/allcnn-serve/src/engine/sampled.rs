//! Held-out images of a run's data, to begin with.

use std::sync::Arc;

use allcnn::data::decode::Picture;
use allcnn::run::WhichCheckpoint;
use allcnn::split::Split;
use allcnn::visualise::{FeatureExplorer, Scanned};
use allcnn_device::Device;

use super::error::EngineError;
use super::limit::expect_images_within;
use crate::runs::OpenRun;

/// The most bytes of a run's images that are read for that.
const READ: usize = 512 << 20;
/// The most samples.
const MOST: usize = 24;

/// Samples of a run's data.
pub(super) struct Sampled {
    run: Arc<OpenRun>,
    pub(super) samples: Arc<Vec<Sample>>,
}

/// An image.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub image: String,
    pub class: Option<String>,
    pub picture: Picture,
}

impl Sampled {
    /// Reads the run's data.
    pub(super) fn new<D: Device>(device: &D, run: &Arc<OpenRun>) -> Result<Self, EngineError> {
        expect_images_within(run, READ)?;
        let explorer = FeatureExplorer::new(device, &run.folder, WhichCheckpoint::Best)?;
        let held_out = if run.manifest.data.test_images > 0 { Split::Test } else { Split::Validation };
        let scanned = explorer.open(None, Some(held_out), &mut ())?;
        Ok(Self { run: Arc::clone(run), samples: Arc::new(samples(&scanned)) })
    }

    pub(super) fn is_of(&self, run: &Arc<OpenRun>) -> bool {
        Arc::ptr_eq(&self.run, run)
    }
}

/// The first image of each class, then the second of each, and so on.
fn samples(Scanned { classes, images, .. }: &Scanned) -> Vec<Sample> {
    let mut seen = vec![0; classes.len().max(1)];
    let mut order: Vec<(usize, usize)> = (0..images.len())
        .map(|image| {
            let seen = &mut seen[(images.labels[image] as usize).min(classes.len().saturating_sub(1))];
            *seen += 1;
            (*seen, image)
        })
        .collect();
    order.sort_by_key(|&(turn, _)| turn); // stable
    let sample = |&(_, image): &(usize, usize)| {
        let class = classes.get(images.labels[image] as usize).cloned();
        Some(Sample { image: images.names[image].clone(), class, picture: images.picture(image).ok()? })
    };
    order.iter().take(MOST).filter_map(sample).collect()
}
