//! Trains one fold after the other.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use allcnn_device::Device;

use super::error::FoldsError;
use super::results::{FoldResult, FoldResults};
use crate::data::{Fold, GroupBy};
use crate::observer::Event;
use crate::run::{Length, RunError, RunFolder, TrainRequest};
use crate::train::{self, End};

/// A cross-validation, whose folder this process owns.
#[derive(Debug)]
pub struct CrossValidation {
    folder: RunFolder,
    /// What each fold is trained by, but for its number.
    request: TrainRequest,
    fold: Fold,
    /// Where the images are, for folds that are not begun ...
    place: String,
    /// ... and for the others, if they moved.
    moved: Option<String>,
}

/// The events of a cross-validation.
#[derive(Debug)]
pub enum FoldEvent<'a> {
    /// A fold starts or resumes.
    Begins {
        /// The fold, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Whether it was begun before.
        resumed: bool,
    },
    /// An event of its training.
    Training(Event<'a>),
    /// A fold is done, now or before.
    Ended(&'a FoldResult),
}

/// How a cross-validation ended.
#[derive(Clone, Debug)]
pub struct FoldsOutcome {
    /// The results of the folds that are done.
    pub results: FoldResults,
    /// The files that hold them; none if it was interrupted: then everything is saved, and it can be resumed.
    pub files: Vec<PathBuf>,
}

impl CrossValidation {
    /// Prepares to train `request` on each of `folds` folds, in a folder that this process owns ([`RunFolder::create`],
    /// [`RunFolder::create_unused`]).
    ///
    /// # Errors
    /// [`FoldsError::TooFew`], [`FoldsError::Occupied`].
    pub fn new(
        folder: RunFolder,
        request: TrainRequest,
        folds: usize,
        group_by: Option<GroupBy>,
    ) -> Result<Self, FoldsError> {
        if folds < 2 {
            return Err(FoldsError::TooFew(folds));
        }
        if Self::is_in(folder.path()) {
            return Err(FoldsError::Occupied(folder.path().into()));
        }
        let fold = Fold { number: 1, of: folds, group_by };
        Ok(Self { folder, place: request.data.clone(), request, fold, moved: None })
    }

    /// Prepares to continue the cross-validation in a folder; `moved` is where its images are now, if they moved.
    ///
    /// # Errors
    /// [`FoldsError::NoFolds`]; a run that cannot be read, or that another process owns.
    pub fn resume(folder: &Path, moved: Option<String>) -> Result<Self, FoldsError> {
        if !Self::is_in(folder) {
            return Err(FoldsError::NoFolds(folder.into()));
        }
        let first = RunFolder::open(&fold_folder(folder, 1))?;
        let manifest = first.manifest()?;
        let request = TrainRequest::of(&manifest)?;
        let fold = manifest.data.fold.clone().ok_or_else(|| FoldsError::NoFolds(folder.into()))?;
        let place = moved.clone().unwrap_or_else(|| manifest.data.place(first.path()));
        Ok(Self { folder: RunFolder::owned(folder)?, request, fold, place, moved })
    }

    /// Whether a folder holds a cross-validation that was begun.
    pub fn is_in(folder: &Path) -> bool {
        let first = RunFolder::open(&fold_folder(folder, 1)).and_then(|run| run.manifest());
        first.is_ok_and(|manifest| manifest.data.fold.is_some())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The request of the folds, to which a caller may add what changes no result.
    pub fn request(&mut self) -> &mut TrainRequest {
        &mut self.request
    }

    /// Trains the folds that are not done, until all are or `stop` is set, and writes the results.
    ///
    /// # Errors
    /// [`FoldsError::Training`] if a fold fails, [`FoldsError::Lengthened`]; a file that cannot be read or written.
    pub fn train<D: Device>(
        &self,
        device: &D,
        stop: &AtomicBool,
        notify: &mut dyn FnMut(FoldEvent<'_>),
    ) -> Result<FoldsOutcome, FoldsError> {
        let mut results = vec![];
        for number in 1..=self.fold.of {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let Some(result) = self.train_fold(device, number, stop, notify)? else { break };
            notify(FoldEvent::Ended(&result));
            results.push(result);
        }
        let group_by = self.fold.group_by.as_ref().map(ToString::to_string);
        let of = (self.request.model.as_str(), self.request.data.as_str());
        let results = FoldResults::new(of, (self.fold.of, group_by), results);
        let files = if results.done == results.folds { self.write(&results)? } else { vec![] };
        Ok(FoldsOutcome { results, files })
    }

    /// Trains a fold to its end, unless it is done; returns `None` if stopped.
    fn train_fold<D: Device>(
        &self,
        device: &D,
        number: usize,
        stop: &AtomicBool,
        notify: &mut dyn FnMut(FoldEvent<'_>),
    ) -> Result<Option<FoldResult>, FoldsError> {
        let wrong = |source| FoldsError::Training { number, source };
        let run = RunFolder::owned(&fold_folder(self.path(), number))?;
        let fold = Some(Fold { number, ..self.fold.clone() });
        let mut request = TrainRequest { fold, data: self.place.clone(), ..self.request.clone() };
        if number > 1 && request.length == Length::FitImages {
            // All folds are as long as the first one.
            let first = RunFolder::open(&fold_folder(self.path(), 1))?.manifest()?;
            (request.recipe.epochs, request.length) = (first.recipe.epochs, Length::OfRecipe);
        }
        let resumed = run.is_begun();
        if resumed {
            let manifest = run.manifest()?;
            if !manifest.lengthened.is_empty() {
                return Err(FoldsError::Lengthened(run.path().into()));
            }
            if request.recipe.iterations.is_some() {
                request.recipe.epochs = manifest.recipe.epochs; // which follow from the fold's size
            }
            let changes = request.changes(&manifest);
            if !changes.is_empty() {
                return Err(wrong(RunError::Changed { path: run.path().into(), changes }.into()));
            }
            if let Some(done) = FoldResult::of(&run)?.filter(|_| run.report().exists()) {
                return Ok(Some(done));
            }
            request.data = self.moved.clone().unwrap_or(manifest.data.source);
        }
        notify(FoldEvent::Begins { number, of: self.fold.of, resumed });
        let mut observer = |event: Event<'_>| notify(FoldEvent::Training(event));
        let trained = if resumed {
            train::resume_in(device, run, &request, stop, &mut observer)
        } else {
            train::start_in(device, &request, run, stop, &mut observer)
        };
        let trained = trained.map_err(wrong)?;
        if trained.outcome.end == End::Finished { FoldResult::of(&trained.run) } else { Ok(None) }
    }

    /// Writes the results of all folds.
    fn write(&self, results: &FoldResults) -> Result<Vec<PathBuf>, FoldsError> {
        let [json, csv] = ["folds.json", "folds.csv"].map(|name| self.path().join(name));
        let text = serde_json::to_string_pretty(results).map_err(|error| RunError::Io {
            action: "write",
            path: json.clone(),
            source: error.into(),
        })?;
        self.folder.write(&json, text.as_bytes())?;
        self.folder.write(&csv, results.csv().as_bytes())?;
        Ok(vec![json, csv])
    }
}

/// The run folder of a fold.
fn fold_folder(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("fold-{number}"))
}
