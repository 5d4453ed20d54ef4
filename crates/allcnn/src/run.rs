//! The run folder: what a training leaves behind, and what `eval`, `predict` and the others begin from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::atomic_file::write_atomically;
use crate::data::{DataSet, Ignored, Labels, Reading};
use crate::net::Network;
use crate::preprocess::Preprocessor;
use crate::shown::PathText;
use crate::split::Split;
use crate::train::{Checkpoint, CheckpointError, EpochRow, Recipe, Request, csv};

/// What is wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder for a new run has one already.
    #[error("{path} already holds a run: give another --out, or continue it with --resume {path}", path = .0.shown())]
    Occupied(PathBuf),
    /// No run is there.
    #[error("{path} is no run folder: it has no run.toml\nexpected a folder that `allcnn train` made", path = .0.shown())]
    NotARun(PathBuf),
    /// A `run.toml` that cannot be understood.
    #[error("cannot understand {path}: {problem}", path = .path.shown())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A resumed training with other settings.
    #[error(
        "a resumed training keeps its settings, but these differ from {path}: {changes}\n\
         leave them out, or begin a new run; only the threads and the time limit may change",
        path = .path.shown(), changes = .changes.join(", ")
    )]
    Changed {
        /// The folder.
        path: PathBuf,
        /// Each setting with both values.
        changes: Vec<String>,
    },
    /// A list of images that cannot be understood.
    #[error(
        "cannot understand {path}: it is damaged or no list of images\n\
         put the file back, or remove it: then this run does not know its images any more",
        path = .0.shown()
    )]
    Identities(PathBuf),
    /// Weights of another network than that of the run.
    #[error(
        "the weights in {path} are of the network {given}, the run trained {expected}, and they differ\n\
         put the run's own best.safetensors and last.safetensors back", path = .path.shown()
    )]
    OtherNetwork {
        /// The folder.
        path: PathBuf,
        /// The network of the weights.
        given: String,
        /// The network of the run.
        expected: String,
    },
    /// The system refused.
    #[error("cannot {action} {path}: {source}", path = .path.shown())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Where the images of a run came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// The data as it was given.
    pub source: String,
    /// Its place from the root of the file system, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absolute: Option<String>,
    /// Its place from the run folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<String>,
    /// What was held out for testing, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<String>,
    /// Which labels of CIFAR-100.
    #[serde(default, skip_serializing_if = "Labels::are_fine")]
    pub labels: Labels,
    /// The most images that were used, where that was limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The fingerprint of the images.
    pub fingerprint: String,
    /// Training images.
    pub train_images: usize,
    /// Validation images, where the data has such a split.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub validation_images: usize,
    /// Test images.
    pub test_images: usize,
    /// What was said of the data where it does not tell itself.
    #[serde(default, skip_serializing_if = "Reading::is_default")]
    pub reading: Reading,
    /// What was decided while it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Files that were left out, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
}

/// Whether a number is left out of a file.
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl DataRecord {
    /// The split whose images choose the best epoch of a training; none where every image is trained on.
    pub fn selected_on(&self) -> Option<Split> {
        match (self.validation_images, self.test_images) {
            (0, 0) => None,
            (0, _) => Some(Split::Test),
            _ => Some(Split::Validation),
        }
    }

    /// The fingerprint of `data` to hold against the record's: a run that knew no validation images knows none of their
    /// fingerprint.
    pub fn fingerprint_of(&self, data: &DataSet) -> String {
        if self.validation_images == 0 {
            data.fingerprint_without_validation()
        } else {
            data.fingerprint.clone()
        }
    }
}

/// How a run was carried out: nothing here changes its result on one kind of device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The device in words.
    pub device: String,
    /// The seconds that were allowed, where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_s: Option<f64>,
}

/// `run.toml`: every resolved setting of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The program and its version.
    pub program: String,
    /// The model as it was given: a name or a file.
    pub model: String,
    /// The file that the weights were imported from, where they were not trained here: then there are no images and no
    /// steps, and the recipe says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// What was decided while they were imported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_notes: Vec<String>,
    /// Height and width that the network was planned for, where they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<[usize; 2]>,
    /// Steps of the whole training. The schedule spans exactly these.
    pub total_steps: u64,
    /// Steps of a full epoch.
    pub epoch_steps: u64,
    /// The images.
    pub data: DataRecord,
    /// How it was carried out.
    pub session: Session,
    /// The settings.
    pub recipe: Recipe,
    /// The network as TOML, with the dropout rates that apply.
    pub network: String,
}

/// `allcnn` and its version.
pub const PROGRAM: &str = concat!("allcnn ", env!("CARGO_PKG_VERSION"));

impl Manifest {
    /// The settings of a request that differ and would change the result, each with both values.
    pub fn changes(&self, request: &Request) -> Vec<String> {
        let mut changes = Vec::new();
        let mut note = |name: &str, ours: String, theirs: String| {
            if ours != theirs {
                changes.push(format!("{name} was {ours}, now {theirs}"));
            }
        };
        let (holdout, default) =
            (request.holdout.map(|holdout| holdout.to_string()), || "the default".into());
        let limit = |limit: Option<usize>| limit.map_or_else(|| "none".into(), |limit| limit.to_string());
        let size = |size: Option<[usize; 2]>| {
            size.map_or_else(|| "the network's own".into(), |[height, width]| format!("{height}x{width}"))
        };
        note("model", self.model.clone(), request.model.clone());
        note("input", size(self.input), size(request.input.map(|(height, width)| [height, width])));
        note("holdout", self.data.holdout.clone().unwrap_or_else(default), holdout.unwrap_or_else(default));
        let words = |reading: &Reading| match reading.anywhere().to_string() {
            none if none.is_empty() => "as the data tells".to_string(),
            flags => flags,
        };
        note("reading", words(&self.data.reading), words(&request.reading));
        note("labels", self.data.labels.to_string(), request.labels.to_string());
        note("limit", limit(self.data.limit), limit(request.limit));
        let settings = |recipe: &Recipe| toml::Table::try_from(recipe).unwrap_or_default();
        let (ours, theirs) = (settings(&self.recipe), settings(&request.recipe));
        for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
            let text =
                |table: &toml::Table| table.get(name).map_or_else(|| "none".into(), ToString::to_string);
            note(name, text(&ours), text(&theirs));
        }
        changes
    }
}

/// The folder of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// An error where `path` holds a run already, so that this is said before anything long is done.
    ///
    /// # Errors
    /// [`RunError::Occupied`].
    pub fn refuse_occupied(path: &Path) -> Result<(), RunError> {
        let run = Self { path: path.into() };
        let occupied = [run.manifest_path(), run.last(), run.best()].iter().any(|file| file.exists());
        if occupied { Err(RunError::Occupied(run.path)) } else { Ok(()) }
    }

    /// Makes the folder for a new run, where there is none, and makes sure that it can be written to.
    ///
    /// # Errors
    /// [`RunError::Occupied`] when a run is there already, [`RunError::Io`] when it cannot be made or written to.
    pub fn create(path: &Path) -> Result<Self, RunError> {
        Self::refuse_occupied(path)?;
        let wrong = |source| RunError::Io { action: "make the run folder", path: path.into(), source };
        fs::create_dir_all(path).map_err(wrong)?;
        tempfile::Builder::new().prefix(".writing-").tempfile_in(path).map_err(wrong)?;
        Ok(Self { path: path.into() })
    }

    /// A run that was made before.
    ///
    /// # Errors
    /// [`RunError::NotARun`].
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let run = Self { path: path.into() };
        if run.manifest_path().is_file() { Ok(run) } else { Err(RunError::NotARun(run.path)) }
    }

    /// A folder for a new run of `model` now: `runs/DATE-TIME-MODEL` in `parent`, in UTC, not yet made.
    pub fn unused(parent: &Path, model: &str) -> PathBuf {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let stem = Path::new(model).file_stem().map_or_else(|| model.into(), |stem| stem.to_string_lossy());
        let name = format!("{}-{stem}", date_time(now));
        let candidates = (1u32..).map(|number| match number {
            1 => parent.join("runs").join(&name),
            _ => parent.join("runs").join(format!("{name}-{number}")),
        });
        candidates.into_iter().find(|path| !path.exists()).unwrap_or_default()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest checkpoint.
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// The checkpoint with the lowest error on the images that choose it: the validation images where the data has some,
    /// else the test images.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// The fitted preprocessing.
    pub fn preprocessing(&self) -> PathBuf {
        self.path.join("preprocess.safetensors")
    }

    /// The images that it was trained on, by what they are.
    pub fn trained_images(&self) -> PathBuf {
        self.path.join("trained.bin")
    }

    /// The images that it was not trained on, by what they are and by name.
    pub fn heldout(&self) -> PathBuf {
        self.path.join("heldout.txt")
    }

    /// The figures of each epoch.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.csv")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    fn manifest_path(&self) -> PathBuf {
        self.path.join("run.toml")
    }

    /// Writes `metrics.csv`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_metrics(&self, rows: &[EpochRow]) -> Result<(), RunError> {
        self.write(&self.metrics(), csv(rows).as_bytes())
    }

    /// Writes `run.toml`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), RunError> {
        let path = self.manifest_path();
        let text = toml::to_string(manifest)
            .map_err(|error| RunError::Manifest { path: path.clone(), problem: error.to_string() })?;
        self.write(&path, text.as_bytes())
    }

    /// Writes one of its files.
    pub(crate) fn write(&self, path: &Path, contents: &[u8]) -> Result<(), RunError> {
        let wrong = |source| RunError::Io { action: "write", path: path.into(), source };
        write_atomically(path, contents).map_err(wrong)
    }

    /// Reads `run.toml`.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Manifest`].
    pub fn manifest(&self) -> Result<Manifest, RunError> {
        let path = self.manifest_path();
        let text = fs::read_to_string(&path).map_err(|source| RunError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| RunError::Manifest { path, problem: error.to_string() })
    }

    /// The newest checkpoint, or nothing where the run was stopped before there was one.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_last(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        if self.last().exists() { Checkpoint::read(&self.last()).map(Some) } else { Ok(None) }
    }

    /// The best checkpoint, or the newest where there is no best one yet; without velocities.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_best(&self) -> Result<Checkpoint, CheckpointError> {
        let path = if self.best().exists() { self.best() } else { self.last() };
        Checkpoint::read_values(&path)
    }

    /// The settings and the best checkpoint, which has to be of the run's network.
    ///
    /// # Errors
    /// As [`RunFolder::manifest`] and [`RunFolder::read_best`]; [`RunError::OtherNetwork`].
    pub fn trained(&self) -> Result<(Manifest, Checkpoint), crate::train::Error> {
        let (manifest, checkpoint) = (self.manifest()?, self.read_best()?);
        let network = Network::from_toml(&manifest.network)?;
        if network != checkpoint.network {
            let (path, given) = (self.path.clone(), checkpoint.network.name().into());
            return Err(RunError::OtherNetwork { path, given, expected: network.name().into() }.into());
        }
        Ok((manifest, checkpoint))
    }

    /// The preprocessing that was fitted for the run.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read_preprocessing(&self) -> Result<Preprocessor, crate::preprocess::Error> {
        Preprocessor::load(&self.preprocessing())
    }
}

/// `YYYYMMDD-HHMMSS` of a Unix time, in UTC (Hinnant, "chrono-compatible low-level date algorithms").
fn date_time(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", time / 3600, time / 60 % 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            program: PROGRAM.into(),
            model: "all-cnn-c".into(),
            imported: None,
            import_notes: vec![],
            input: None,
            total_steps: 400,
            epoch_steps: 40,
            data: DataRecord {
                source: "shapes".into(),
                absolute: None,
                relative: None,
                holdout: None,
                labels: Labels::Fine,
                limit: Some(500),
                fingerprint: "ab12".into(),
                train_images: 450,
                validation_images: 0,
                test_images: 50,
                reading: Reading::default(),
                notes: vec![],
                ignored: vec![],
            },
            session: Session { device: "cpu".into(), time_limit_s: None },
            recipe: Recipe::quick(),
            network: "name = \"x\"\n[[layer]]\n".into(),
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date_time(0), "19700101-000000");
        assert_eq!(date_time(951_782_399), "20000228-235959");
        assert_eq!(date_time(951_868_800), "20000301-000000");
        assert_eq!(date_time(1_735_689_599), "20241231-235959");
        assert_eq!(date_time(4_107_542_400), "21000301-000000");
    }

    #[test]
    fn a_manifest_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("a/b")).unwrap();
        assert!(matches!(RunFolder::open(run.path()), Err(RunError::NotARun(_))));
        run.write_manifest(&manifest()).unwrap();
        assert_eq!(RunFolder::open(run.path()).unwrap().manifest().unwrap(), manifest());
        assert!(matches!(RunFolder::create(run.path()), Err(RunError::Occupied(_))));
    }

    #[test]
    fn changed_settings_are_named_with_both_values() {
        let mut other = Request::of(&manifest()).unwrap();
        other.time_limit = Some(std::time::Duration::from_secs(60));
        assert!(manifest().changes(&other).is_empty());
        other.recipe.batch += 1;
        other.recipe.dropout = None;
        other.limit = None;
        let changes = manifest().changes(&other);
        assert_eq!(changes[0], "limit was 500, now none");
        let batch = manifest().recipe.batch;
        assert_eq!(changes[1], format!("batch was {batch}, now {}", batch + 1));
        assert!(
            changes[2].starts_with("dropout was {") && changes[2].ends_with("now none"),
            "{}",
            changes[2]
        );
        assert_eq!(changes.len(), 3);
    }

    #[test]
    fn a_new_folder_is_named_after_the_model_and_does_not_exist() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunFolder::unused(folder.path(), "nets/mine.toml");
        assert!(first.to_string_lossy().ends_with("-mine"), "{first:?}");
        fs::create_dir_all(&first).unwrap();
        assert_ne!(RunFolder::unused(folder.path(), "nets/mine.toml"), first);
    }
}
