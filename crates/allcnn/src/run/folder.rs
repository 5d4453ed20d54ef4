//! The run folder: what a training leaves behind, and what `eval`, `predict` and the others begin from.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use crate::claim::Holder;
use crate::data::{DataSet, Framing, Ignored, Labels, Reading, open_file};
use crate::date;
use crate::net::Network;
use crate::owner::{Fault, Owner};
use crate::preprocess::Preprocessor;
use crate::shown::{PathText, first_of};
use crate::split::Split;
use crate::toml_text;
use crate::train::{Checkpoint, CheckpointError, EpochRow, Lengthening, Recipe, Request, csv};

/// What is wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder for a new run has one already.
    #[error("{path} already holds a run: give another --out, or continue it with --resume {path}", path = .0.shown())]
    Occupied(PathBuf),
    /// Another process writes into the folder.
    #[error(
        "{path} is being written by {holder}\n{advice}, or give another folder",
        path = .path.shown(), advice = .holder.advice()
    )]
    Held {
        /// The folder.
        path: PathBuf,
        /// The process.
        holder: Holder,
    },
    /// Another process took the folder over, since this one gave no sign of life.
    #[error(
        "{path} was taken over by another process, since this one gave no sign of life for two minutes\n\
         nothing more was written there; what the other one makes of the run is not touched", path = .0.shown()
    )]
    TakenOver(PathBuf),
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
        path = .path.shown(), changes = first_of(.changes)
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
    /// The file that the weights were imported from, where they were not trained here: then there are no images, no steps
    /// and no recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// What was decided while they were imported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_notes: Vec<String>,
    /// Height and width that the network was planned for, where they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<[usize; 2]>,
    /// How pictures are framed, where the recipe does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framing: Option<Framing>,
    /// Steps of the whole training. The schedule spans exactly these.
    pub total_steps: u64,
    /// Steps of a full epoch.
    pub epoch_steps: u64,
    /// The step in which the training diverged, from 1, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<u64>,
    /// The images.
    pub data: DataRecord,
    /// How it was carried out.
    pub session: Session,
    /// The settings of the training; [`Recipe::none`] where there was none.
    #[serde(default = "Recipe::none", skip_serializing_if = "Recipe::is_none")]
    pub recipe: Recipe,
    /// That it was made longer, each time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengthened: Vec<Lengthening>,
    /// The network as TOML, with the dropout rates that apply.
    pub network: String,
}

/// `allcnn` and its version.
pub const PROGRAM: &str = concat!("allcnn ", env!("CARGO_PKG_VERSION"));

impl Manifest {
    /// Reads the text of a `run.toml`, whose settings must be those of a training; the error is what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml_text::parse(text)?;
        manifest.fault().map_or(Ok(manifest), Err)
    }

    /// What is wrong with the settings of a stored run, where something is: a file can hold anything.
    fn fault(&self) -> Option<String> {
        let network = match Network::from_toml(&self.network) {
            Ok(network) => network,
            Err(error) => return Some(format!("its network: {error}")),
        };
        if self.recipe.is_none() {
            if self.imported.is_none() {
                return Some("it has no recipe".into());
            }
        } else if let Err(error) = self.recipe.clone().checked() {
            return Some(format!("its {error}"));
        }
        if let Some(wrong) = self.lengthened.iter().find(|longer| !longer.is_sound(self.total_steps)) {
            return Some(format!("{wrong:?}; expected numbers of a training of {} steps", self.total_steps));
        }
        if let Some(framing) = self.framing {
            let input = network.input();
            if let Some(fault) = framing.fault(input.height, input.width) {
                return Some(format!("its framing: {fault}"));
            }
        }
        if self.epoch_steps == 0 || self.total_steps >= 1 << 56 {
            let Self { total_steps, epoch_steps, .. } = self;
            return Some(format!(
                "total_steps = {total_steps}, epoch_steps = {epoch_steps}; expected numbers of a training"
            ));
        }
        None
    }

    /// How pictures of another size than the network's are framed for it, wherever they are read for the run.
    pub fn framing(&self) -> Framing {
        self.framing.unwrap_or_else(|| self.recipe.augment.framing())
    }

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
///
/// Whoever opens it may read it. Only its one owner writes into it, from the moment that it creates the folder or goes on
/// with its run until it is dropped.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    owner: Option<Arc<Owner>>,
}

impl RunFolder {
    /// Owns the folder for a new run, made where there is none, and makes sure that it can be written to.
    ///
    /// # Errors
    /// [`RunError::Held`] when another process owns it, [`RunError::Occupied`] when a run is there already,
    /// [`RunError::Io`] when it cannot be made or written to.
    pub fn create(path: &Path) -> Result<Self, RunError> {
        let run = Self::owned(path)?;
        let occupied = [run.manifest_path(), run.last(), run.best()].iter().any(|file| file.exists());
        if occupied { Err(RunError::Occupied(run.path)) } else { Ok(run) }
    }

    /// Owns a new folder for a run of `model` now: `runs/DATE-TIME-MODEL` in `parent`, in UTC, with a number at its end
    /// where there is one already.
    ///
    /// # Errors
    /// [`RunError::Io`] when it cannot be made or written to.
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
                Ok(Some(owner)) => return Ok(Self { path, owner: Some(Arc::new(owner)) }),
                Ok(None) => number += 1,
                Err(fault) => return Err(not_owned(&path, fault)),
            }
        }
    }

    /// A run that was made before, to be read.
    ///
    /// # Errors
    /// [`RunError::NotARun`].
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let run = Self { path: path.into(), owner: None };
        if run.is_begun() { Ok(run) } else { Err(RunError::NotARun(run.path)) }
    }

    /// Owns a run that was made before, to go on with it.
    ///
    /// # Errors
    /// [`RunError::NotARun`], [`RunError::Held`], [`RunError::Io`].
    pub fn go_on(path: &Path) -> Result<Self, RunError> {
        Self::open(path)?;
        let run = Self::owned(path)?;
        if run.is_begun() { Ok(run) } else { Err(RunError::NotARun(run.path)) }
    }

    /// The same run to be read: it is owned no longer.
    pub(crate) fn given_back(self) -> Self {
        Self { owner: None, ..self }
    }

    /// Owns a folder, whatever it holds.
    pub(crate) fn owned(path: &Path) -> Result<Self, RunError> {
        let owner = Owner::of(path).map_err(|fault| not_owned(path, fault))?;
        Ok(Self { path: path.into(), owner: Some(Arc::new(owner)) })
    }

    /// Whether a run was begun here, so that it can be read and gone on with.
    pub(crate) fn is_begun(&self) -> bool {
        self.manifest_path().is_file()
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
    /// [`RunError::Io`], [`RunError::TakenOver`].
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

    /// Writes one of its files, as its owner; of a folder that was opened to be read it is owned for that long.
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

    /// Writes a checkpoint: the file is wholly the old or wholly the new one, whatever happens.
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

    /// Reads `run.toml`, whose settings are those of a training.
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

    /// The newest checkpoint, or nothing where the run was stopped before there was one.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_last(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        if self.last().exists() { self.read(&self.last()).map(Some) } else { Ok(None) }
    }

    /// The best checkpoint, or the newest where there is no best one yet; without velocities.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_best(&self) -> Result<Checkpoint, CheckpointError> {
        let path = if self.best().exists() { self.best() } else { self.last() };
        if !path.exists() {
            return Err(self.no_weights());
        }
        Ok(self.timed(Checkpoint::read_values(&path)?))
    }

    /// Why there are no weights.
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

    /// One of its checkpoints.
    pub(crate) fn read(&self, path: &Path) -> Result<Checkpoint, CheckpointError> {
        Ok(self.timed(Checkpoint::read(path)?))
    }

    /// A checkpoint with the times of its epochs, which `metrics.csv` keeps.
    fn timed(&self, mut checkpoint: Checkpoint) -> Checkpoint {
        if let Ok(csv) = open_file::read_text(&self.metrics(), open_file::TEXT) {
            checkpoint.progress.take_times(&csv);
        }
        checkpoint
    }

    /// Refuses the weights of another network than that of the run.
    pub(crate) fn expect_own(
        &self,
        manifest: &Manifest,
        checkpoint: &Checkpoint,
    ) -> Result<(), crate::train::Error> {
        let network = Network::from_toml(&manifest.network)?;
        if network == checkpoint.network {
            return Ok(());
        }
        let (path, given) = (self.path.clone(), checkpoint.network.name().into());
        Err(RunError::OtherNetwork { path, given, expected: network.name().into() }.into())
    }

    /// The preprocessing that was fitted for the run.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read_preprocessing(&self) -> Result<Preprocessor, crate::preprocess::Error> {
        Preprocessor::load(&self.preprocessing())
    }
}

/// Why a folder cannot be owned.
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

    fn manifest() -> Manifest {
        Manifest {
            program: PROGRAM.into(),
            model: "all-cnn-c".into(),
            imported: None,
            import_notes: vec![],
            input: None,
            framing: None,
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
            lengthened: vec![],
            diverged: None,
            session: Session { device: "cpu".into(), time_limit_s: None },
            recipe: Recipe::quick(),
            network: Network::named("all-cnn-c", 10).unwrap().to_toml(),
        }
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
    fn a_framing_of_its_own_counts_before_that_of_the_recipe() {
        let of = |framing, recipe| Manifest { framing, recipe, ..manifest() };
        assert_eq!(of(None, Recipe::quick()).framing(), Framing::Whole);
        assert_eq!(of(None, Recipe::imagenet()).framing(), Framing::Middle);
        let own = of(Some(Framing::ShorterSide(36)), Recipe::imagenet());
        assert_eq!(own.framing(), Framing::ShorterSide(36));
        let imported = Manifest { imported: Some("w.pt".into()), recipe: Recipe::none(), ..own };
        let text = toml::to_string(&imported).unwrap();
        assert!(!text.contains("recipe") && !text.contains("epochs"), "{text}");
        assert_eq!(Manifest::parse(&text).unwrap(), imported);
    }

    #[test]
    fn changed_settings_are_named_with_both_values() {
        let mut other = Request::of(&manifest()).unwrap();
        other.time_limit = Some(std::time::Duration::from_secs(60));
        assert!(manifest().changes(&other).is_empty());
        other.recipe.batch += 1;
        other.recipe.table1_dropout = None;
        other.limit = None;
        let changes = manifest().changes(&other);
        assert_eq!(changes[0], "limit was 500, now none");
        let batch = manifest().recipe.batch;
        assert_eq!(changes[1], format!("batch was {batch}, now {}", batch + 1));
        assert!(
            changes[2].starts_with("table1_dropout was {") && changes[2].ends_with("now none"),
            "{}",
            changes[2]
        );
        assert_eq!(changes.len(), 3);
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
