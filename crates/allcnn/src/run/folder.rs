//! The run folder: the files that a training writes and that `eval`, `predict` and the other commands read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::checkpoint::{Checkpoint, CheckpointError};
use super::demo;
use super::epoch_row::{self, EpochRow, csv};
use super::error::RunError;
use super::manifest::Manifest;
use super::mistakes::{self, Mistake};
use super::owner::{self, Fault, Owner};
use crate::data::open_file;
use crate::net::Network;
use crate::preprocess::{PreprocessError, Preprocessor};
use crate::text::date;
use crate::text::shown::PathText;

/// The file that makes a folder a run.
const MANIFEST: &str = "run.toml";

/// A run folder.
///
/// Anyone may read it. Only its single owner writes to it, from creating or resuming the run until the value is
/// dropped.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    owner: Option<Arc<Owner>>,
    /// Whether it is the run that comes along.
    comes_along: bool,
}

impl RunFolder {
    /// Creates a folder for a new run (or takes an existing one without a run), owns it, and checks that it is
    /// writable.
    ///
    /// # Errors
    /// [`RunError::Held`] if another process owns it, [`RunError::Occupied`] if it contains a run,
    /// [`RunError::Io`] if it cannot be created or written.
    pub fn create(path: &Path) -> Result<Self, RunError> {
        if is_demo(path) {
            return Err(RunError::ComesAlong);
        }
        let run = Self::owned(path)?;
        let occupied = [run.manifest_path(), run.last(), run.best()].iter().any(|file| file.exists());
        if occupied { Err(RunError::Occupied(run.path)) } else { Ok(run) }
    }

    /// Creates and owns a new folder for a run of `model`: `runs/DATE-TIME-MODEL` in `parent`, in UTC, with a
    /// numeric suffix if that exists.
    ///
    /// # Errors
    /// [`RunError::Io`] if it cannot be created or written.
    pub fn create_unused(parent: &Path, model: &str) -> Result<Self, RunError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let stem = Path::new(model).file_stem().map_or_else(|| model.into(), |stem| stem.to_string_lossy());
        let name = format!("{}-{stem}", date::compact(now));
        let mut number = 1;
        loop {
            let path = parent.join("runs").join(match number {
                1 => name.clone(),
                _ => format!("{name}-{number}"),
            });
            match Owner::of_new(&path) {
                Ok(Some(owner)) => {
                    return Ok(Self { path, owner: Some(Arc::new(owner)), comes_along: false });
                }
                Ok(None) => number += 1,
                Err(fault) => return Err(not_owned(&path, fault)),
            }
        }
    }

    /// Opens an existing run for reading. The word `demo` means the run that comes along with the program; `./demo` is a path.
    ///
    /// # Errors
    /// [`RunError::NotARun`]; [`RunError::Io`] if the run that comes along cannot be unpacked into the cache.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        if is_demo(path) {
            let unpacked = demo::folder();
            let path =
                unpacked.map_err(|source| RunError::Io { action: "unpack", path: path.into(), source })?;
            return Ok(Self { path, owner: None, comes_along: true });
        }
        let run = Self { path: path.into(), owner: None, comes_along: false };
        if run.is_begun() { Ok(run) } else { Err(RunError::NotARun(run.path)) }
    }

    /// Whether a run is there, or the one that comes along is meant.
    pub fn is_run(path: &Path) -> bool {
        is_demo(path) || path.join(MANIFEST).is_file()
    }

    /// Opens an existing run as its owner, to resume it.
    ///
    /// # Errors
    /// [`RunError::NotARun`], [`RunError::Held`], [`RunError::Io`].
    pub fn go_on(path: &Path) -> Result<Self, RunError> {
        if is_demo(path) {
            return Err(RunError::ComesAlong);
        }
        Self::open(path)?;
        let run = Self::owned(path)?;
        if run.is_begun() { Ok(run) } else { Err(RunError::NotARun(run.path)) }
    }

    /// Releases ownership; the run remains open for reading.
    pub(crate) fn given_back(self) -> Self {
        Self { owner: None, ..self }
    }

    /// Owns a folder, whatever it contains.
    pub(crate) fn owned(path: &Path) -> Result<Self, RunError> {
        let owner = Owner::of(path).map_err(|fault| not_owned(path, fault))?;
        Ok(Self { path: path.into(), owner: Some(Arc::new(owner)), comes_along: false })
    }

    /// Whether it contains a run that was started, so that it can be read and resumed.
    pub(crate) fn is_begun(&self) -> bool {
        self.manifest_path().is_file()
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a person calls it: its path, or `demo`.
    pub fn called(&self) -> &Path {
        if self.comes_along { Path::new(demo::NAME) } else { &self.path }
    }

    /// The path of the newest checkpoint.
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// The path of the checkpoint with the lowest error on the validation images, or on the test images if the
    /// data has no validation split.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// The path of the fitted preprocessing.
    pub fn preprocessing(&self) -> PathBuf {
        self.path.join("preprocess.safetensors")
    }

    /// The path of the training images' identities.
    pub fn trained_images(&self) -> PathBuf {
        self.path.join("trained.bin")
    }

    /// The path of the held-out images' identities and names.
    pub fn heldout(&self) -> PathBuf {
        self.path.join("heldout.txt")
    }

    /// The path of the metrics of each epoch.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.csv")
    }

    /// The path of the report.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// Whether a living process trains the run, or writes into its folder.
    pub fn is_held(&self) -> bool {
        owner::is_held(&self.path)
    }

    /// The metrics of the epochs so far, with the digits of `metrics.csv`; empty before the first. Also while it is trained.
    pub fn history(&self) -> Vec<EpochRow> {
        let text = open_file::read_text(&self.metrics(), open_file::TEXT);
        text.map_or_else(|_| vec![], |text| epoch_row::parse(&text))
    }

    fn mistakes_path(&self) -> PathBuf {
        self.path.join("mistakes.csv")
    }

    /// The surest mistakes on held-out images after the last epoch; empty before the first. Also while it is trained.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let text = open_file::read_text(&self.mistakes_path(), open_file::TEXT);
        text.map_or_else(|_| vec![], |text| mistakes::parse(&text))
    }

    fn manifest_path(&self) -> PathBuf {
        self.path.join(MANIFEST)
    }

    /// Writes `metrics.csv`.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::TakenOver`].
    pub fn write_metrics(&self, rows: &[EpochRow]) -> Result<(), RunError> {
        self.write(&self.metrics(), csv(rows).as_bytes())
    }

    /// Writes `mistakes.csv`.
    ///
    /// # Errors
    /// As [`RunFolder::write_metrics`].
    pub(crate) fn write_mistakes(&self, mistakes: &[Mistake]) -> Result<(), RunError> {
        self.write(&self.mistakes_path(), mistakes::csv(mistakes).as_bytes())
    }

    /// Writes `run.toml`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), RunError> {
        let path = self.manifest_path();
        let text =
            manifest.to_toml().map_err(|problem| RunError::Manifest { path: path.clone(), problem })?;
        self.write(&path, text.as_bytes())
    }

    /// Writes a file atomically, as the owner; a folder opened for reading is owned for the duration of the write.
    pub(crate) fn write(&self, path: &Path, contents: &[u8]) -> Result<(), RunError> {
        let written = match &self.owner {
            Some(owner) => owner.write(path, contents),
            None => Owner::of(&self.path).and_then(|owner| owner.write(path, contents)),
        };
        let folder = self.path.clone();
        written.map_err(|fault| match fault {
            Fault::Held(holder) => RunError::Held { path: folder, holder },
            Fault::TakenOver => RunError::TakenOver(folder),
            Fault::Io(source) => RunError::Io { action: "write", path: path.into(), source },
        })
    }

    /// Writes a checkpoint atomically: the file is always entirely the old or entirely the new one.
    ///
    /// # Errors
    /// As [`RunFolder::write_metrics`].
    pub(crate) fn write_checkpoint(&self, path: &Path, checkpoint: &Checkpoint) -> Result<(), RunError> {
        let wrong =
            |problem| RunError::Io { action: "write", path: path.into(), source: io::Error::other(problem) };
        self.write(path, &checkpoint.to_bytes().map_err(wrong)?)
    }

    /// Writes the fitted preprocessing.
    ///
    /// # Errors
    /// As [`RunFolder::write_metrics`].
    pub(crate) fn write_preprocessing(&self, preprocessor: &Preprocessor) -> Result<(), RunError> {
        let path = self.preprocessing();
        let wrong = |source| RunError::Io { action: "write", path: path.clone(), source };
        self.write(&path, &preprocessor.to_bytes().map_err(wrong)?)
    }

    /// Reads `run.toml` and checks its settings.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Manifest`].
    pub fn manifest(&self) -> Result<Manifest, RunError> {
        let path = self.manifest_path();
        let text = open_file::read_text(&path, open_file::SETTINGS).map_err(|source| RunError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        Manifest::parse(&text).map_err(|problem| RunError::Manifest { path, problem })
    }

    /// Reads the newest checkpoint; `None` if the run was stopped before the first.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_last(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        if self.last().exists() { self.read(&self.last()).map(Some) } else { Ok(None) }
    }

    /// Reads the best checkpoint, or the newest if there is no best one yet; without velocities.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_best(&self) -> Result<Checkpoint, CheckpointError> {
        self.read_values(&if self.best().exists() { self.best() } else { self.last() })
    }

    /// Reads a checkpoint of the run as it is used: the averaged weights, if it has any; without velocities.
    ///
    /// # Errors
    /// [`CheckpointError::NoWeights`] with the reason if it is not there; a damaged file.
    pub(crate) fn read_values(&self, path: &Path) -> Result<Checkpoint, CheckpointError> {
        if !path.exists() {
            return Err(self.no_weights());
        }
        Ok(self.timed(Checkpoint::read_values(path)?))
    }

    /// The error for a run without a checkpoint, with the reason.
    fn no_weights(&self) -> CheckpointError {
        let why = match self.manifest() {
            Ok(Manifest { diverged: Some(step), .. }) => format!(
                "its training diverged in step {step}, before there were any\n\
                 train again with a lower --lr (a third of it), or a longer warm-up"
            ),
            _ => format!(
                "its training was stopped before there were any, or they were removed\n\
                 go on with: allcnn train --resume {}",
                self.path.shown()
            ),
        };
        CheckpointError::NoWeights { run: self.path.clone(), why }
    }

    /// Reads a checkpoint of the run.
    pub(crate) fn read(&self, path: &Path) -> Result<Checkpoint, CheckpointError> {
        Ok(self.timed(Checkpoint::read(path)?))
    }

    /// Adds the times of its epochs, from `metrics.csv`, to a checkpoint.
    fn timed(&self, mut checkpoint: Checkpoint) -> Checkpoint {
        if let Ok(csv) = open_file::read_text(&self.metrics(), open_file::TEXT) {
            checkpoint.progress.take_times(&csv);
        }
        checkpoint
    }

    /// Fails if the weights belong to another network than the run's.
    pub(crate) fn expect_own(&self, manifest: &Manifest, checkpoint: &Checkpoint) -> Result<(), RunError> {
        let network = Network::from_toml(&manifest.network)?;
        if network == checkpoint.network {
            return Ok(());
        }
        let (path, given) = (self.path.clone(), checkpoint.network.name().into());
        Err(RunError::OtherNetwork { path, given, expected: network.name().into() })
    }

    /// Reads the run's fitted preprocessing.
    ///
    /// # Errors
    /// The file is missing or damaged.
    pub fn read_preprocessing(&self) -> Result<Preprocessor, PreprocessError> {
        Preprocessor::load(&self.preprocessing())
    }
}

fn is_demo(path: &Path) -> bool {
    path.as_os_str() == demo::NAME
}

/// Converts the failure to own a folder.
fn not_owned(path: &Path, fault: Fault) -> RunError {
    match fault {
        Fault::Held(holder) => RunError::Held { path: path.into(), holder },
        Fault::TakenOver => RunError::TakenOver(path.into()),
        Fault::Io(source) => {
            let action = if path.exists() { "write into the run folder" } else { "make the run folder" };
            RunError::Io { action, path: path.into(), source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Framing;
    use crate::recipe::Recipe;

    fn manifest() -> Manifest {
        Manifest::example()
    }

    #[test]
    fn a_manifest_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("a/b")).unwrap();
        assert!(matches!(RunFolder::open(run.path()), Err(RunError::NotARun(_))));
        run.write_manifest(&manifest()).unwrap();
        assert_eq!(RunFolder::open(run.path()).unwrap().manifest().unwrap(), manifest());
        assert!(matches!(RunFolder::create(run.path()), Err(RunError::Held { .. })));
        let path = run.path().to_owned();
        drop(run);
        assert!(matches!(RunFolder::create(&path), Err(RunError::Occupied(_))));
    }

    #[test]
    fn a_manifest_that_is_no_training_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("a")).unwrap();
        let refused = |change: fn(&mut Manifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            run.write_manifest(&manifest).unwrap();
            run.manifest().unwrap_err().to_string()
        };
        for (error, expected) in [
            (refused(|manifest| manifest.recipe.batch = 0), "batch is 0, expected 1 to"),
            (refused(|manifest| manifest.epoch_steps = 0), "epoch_steps = 0"),
            (refused(|manifest| manifest.network.insert(9, '\n')), "its network: "),
            (refused(|manifest| manifest.recipe.learning_rate = f64::NAN), "learning rate is NaN"),
            (refused(|manifest| manifest.recipe = Recipe::none()), "no recipe"),
            (refused(|manifest| manifest.framing = Some(Framing::Square(31))), "its framing: "),
        ] {
            assert!(error.contains("run.toml") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn two_new_folders_of_one_second_have_two_names() {
        let folder = tempfile::tempdir().unwrap();
        let runs = [(); 3].map(|()| RunFolder::create_unused(folder.path(), "nets/mine.toml").unwrap());
        let names: std::collections::BTreeSet<_> = runs.iter().map(RunFolder::path).collect();
        assert_eq!(names.len(), 3);
        assert!(names.iter().all(|name| name.to_string_lossy().contains("-mine")), "{names:?}");
        runs.into_iter().rev().for_each(drop);
        assert!(!folder.path().join("runs").exists(), "nothing was written");
    }
}
