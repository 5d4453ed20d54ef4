//! A run whose network is in memory.

use std::time::SystemTime;

use allcnn::data::Framing;
use allcnn::data::decode::Picture;
use allcnn::export::Trained;
use allcnn::preprocess::Geometry;
use allcnn::run::{RunError, RunFolder, WhichCheckpoint};

/// A run with the weights of its best checkpoint.
pub(crate) struct OpenRun {
    /// Its name in the listing.
    pub name: String,
    pub folder: RunFolder,
    pub trained: Trained,
    framing: Framing,
}

impl OpenRun {
    pub(super) fn read(name: String, folder: RunFolder) -> Result<Self, RunError> {
        let trained = Trained::open(&folder, WhichCheckpoint::Best)?;
        let framing = trained.manifest.framing();
        Ok(Self { name, folder, trained, framing })
    }

    /// Decodes an image file as the network sees it; the error says why that cannot be done.
    pub(crate) fn decode(&self, file: &[u8]) -> Result<Picture, String> {
        let Geometry { height, width, .. } = self.trained.transform.pictures();
        self.framing
            .decode(file, height, width)
            .and_then(|picture| self.framing.apply(picture, height, width))
    }
}

/// What tells a checkpoint from a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version([Option<(SystemTime, u64)>; 3]);

impl Version {
    pub(super) fn of(run: &RunFolder) -> Self {
        let of = |path: std::path::PathBuf| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        };
        Self([of(run.best()), of(run.last()), of(run.preprocessing())])
    }
}
