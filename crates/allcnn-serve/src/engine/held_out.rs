//! The images of a run's data that it is not trained on.

use allcnn::data::decode::Picture;
use allcnn::data::{DataSet, Images};
use allcnn::split::Split;

use super::error::EngineError;
use super::own_data;
use crate::runs::OpenRun;

/// The most bytes of a run's images that are read for that.
const READ: usize = 512 << 20;

/// The images of a run's data that it is not trained on.
pub(crate) struct HeldOut {
    run: String,
    fingerprint: String,
    data: DataSet,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub image: String,
    pub class: Option<String>,
    pub picture: Picture,
}

impl HeldOut {
    pub(super) fn read(run: &OpenRun) -> Result<Self, EngineError> {
        let mut data = own_data::read(run, READ)?;
        data.train = Images::default();
        Ok(Self { run: run.name.clone(), fingerprint: run.trained.manifest.data.fingerprint.clone(), data })
    }

    /// Whether they are those of a run, at whichever checkpoint.
    pub(super) fn is_of(&self, run: &OpenRun) -> bool {
        self.run == run.name && self.fingerprint == run.trained.manifest.data.fingerprint
    }

    /// At most `most` to begin with: the first image of each class, then the second of each, and so on.
    pub(crate) fn samples(&self, most: usize) -> Vec<Sample> {
        let split = if self.data.test.is_empty() { Split::Validation } else { Split::Test };
        let mut seen = vec![0; self.data.classes.len()];
        let labels = split.of(&self.data).labels.iter();
        let mut order: Vec<(usize, usize)> = labels
            .enumerate()
            .map(|(image, &label)| {
                let Some(seen) = seen.get_mut(label as usize) else { return (usize::MAX, image) };
                *seen += 1;
                (*seen, image)
            })
            .collect();
        order.sort_by_key(|&(turn, _)| turn); // stable
        order.iter().take(most).filter_map(|&(_, image)| self.sample(split, image)).collect()
    }

    /// An image by its name.
    pub(crate) fn named(&self, split: Split, name: &str) -> Option<Sample> {
        let image = split.of(&self.data).names.iter().position(|known| known == name)?;
        self.sample(split, image)
    }

    fn sample(&self, split: Split, image: usize) -> Option<Sample> {
        let images = split.of(&self.data);
        let class = self.data.classes.get(images.labels[image] as usize).cloned();
        Some(Sample { image: images.names[image].clone(), class, picture: images.picture(image).ok()? })
    }
}
