//! What the listing says of a run.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use allcnn::net::Network;
use allcnn::run::{EpochRow, Manifest, RunError, RunFolder};
use allcnn::score::wilson95_pct;
use allcnn::split::Split;
use allcnn::text::date;
use allcnn::text::shown::PathText;
use serde::Serialize;

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Training,
    Finished,
    Stopped,
    Diverged,
    Imported,
}

impl State {
    pub(crate) fn of(run: &RunFolder, manifest: &Manifest, epoch: u32, epochs: u32) -> Self {
        if manifest.imported.is_some() {
            Self::Imported
        } else if manifest.diverged.is_some() {
            Self::Diverged
        } else if epoch >= epochs {
            Self::Finished
        } else if run.is_held() {
            Self::Training
        } else if manifest.recipe.patience.is_some() && run.report().exists() {
            Self::Finished // before its last epoch
        } else {
            Self::Stopped
        }
    }
}

/// What is said of a run wherever it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// What it is called in addresses.
    pub name: String,
    /// What it is called on the page.
    pub title: String,
    /// The network's name.
    pub model: String,
    pub state: State,
    /// In UTC.
    pub begun: Option<String>,
    /// Seconds since 1970.
    #[serde(skip)]
    pub begun_at: Option<u64>,
    pub epoch: u32,
    pub epochs: u32,
    pub error_pct: Option<f64>,
    pub interval95: Option<[f64; 2]>,
    /// The images of that error, and of the curve.
    pub error_on: Option<&'static str>,
    /// Whether it has weights.
    pub usable: bool,
}

/// A run in the listing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    pub summary: Summary,
    images: usize,
    classes: usize,
    data: String,
    /// The error in percent by epoch.
    curve: Vec<f64>,
}

impl Listed {
    pub(crate) fn of(name: String, run: &RunFolder) -> Result<Self, RunError> {
        let manifest = run.manifest()?;
        let network = Network::from_toml(&manifest.network)?;
        let rows = run.history();
        Ok(Self {
            images: manifest.data.train_images,
            classes: network.classes(),
            curve: rows.iter().filter_map(EpochRow::choosing_error_pct).collect(),
            summary: Summary::new(name, run, &manifest, &network, &rows),
            data: manifest.data.source,
        })
    }
}

impl Summary {
    pub(crate) fn new(
        name: String,
        run: &RunFolder,
        manifest: &Manifest,
        network: &Network,
        rows: &[EpochRow],
    ) -> Self {
        let epoch = rows.last().map_or(0, |row| row.epoch);
        let (epochs, begun) = (epochs(manifest), begun(run));
        let (error_on, count) = match manifest.data.selected_on() {
            Some(Split::Validation) => (Some("validation"), manifest.data.validation_images),
            Some(_) => (Some("test"), manifest.data.test_images),
            None => (None, 0),
        };
        let error_pct = rows.iter().rev().find_map(EpochRow::choosing_error_pct);
        let wrong = |pct: f64| (pct / 100.0 * count as f64).round() as u64;
        Self {
            name,
            title: run.called().file_name().map_or_else(|| run.called().text(), |own| Path::new(own).text()),
            model: network.name().into(),
            state: State::of(run, manifest, epoch, epochs),
            begun: begun.map(date::readable),
            begun_at: begun,
            epoch,
            epochs,
            error_pct,
            interval95: error_pct.and_then(|pct| wilson95_pct(wrong(pct), count as u64)),
            error_on: error_on.filter(|_| error_pct.is_some()),
            usable: run.best().exists() || run.last().exists(),
        }
    }
}

/// The epochs of the whole training.
pub(crate) fn epochs(manifest: &Manifest) -> u32 {
    manifest.total_steps.div_ceil(manifest.epoch_steps.max(1)).try_into().unwrap_or(u32::MAX)
}

/// When the run began: its preprocessing is written once, before the first step.
fn begun(run: &RunFolder) -> Option<u64> {
    let written = std::fs::metadata(run.preprocessing()).and_then(|file| file.modified()).ok()?;
    written
        .duration_since(UNIX_EPOCH)
        .or_else(|_| SystemTime::now().duration_since(UNIX_EPOCH))
        .ok()
        .map(|since| since.as_secs())
}
