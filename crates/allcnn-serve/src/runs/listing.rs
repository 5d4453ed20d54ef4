//! The runs that there are. A request names a run by its name in this listing, never by a path.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use allcnn::run::{RunError, RunFolder};
use allcnn::text::shown::PathText;

use super::name;
use super::open_run::{OpenRun, Version};
use super::summary::Listed;
use crate::options::Explored;
use crate::recent::Recent;

/// How deep runs are looked for: sweeps and cross-validations have theirs in folders of their own.
const DEPTH: usize = 3;
/// The most runs that are listed.
const MOST: usize = 5000;
/// Runs whose network stays in memory.
const OPEN: usize = 4;

/// The runs that there are.
pub(crate) struct Listing {
    explored: Explored,
    /// Those that were found last, by name.
    found: Mutex<BTreeMap<String, RunFolder>>,
    /// Those that were asked for last, the newest first.
    open: Mutex<Recent<(Version, Arc<OpenRun>), OPEN>>,
}

impl Listing {
    pub(crate) fn new(explored: Explored) -> Self {
        Self { explored, found: Mutex::default(), open: Mutex::default() }
    }

    /// What is shown, as a person named it.
    pub(crate) fn title(&self) -> String {
        match &self.explored {
            Explored::Run(run) => run.called().text(),
            Explored::Folder(folder) => folder.text(),
        }
    }

    /// The name of the run, if the explorer shows one alone.
    pub(crate) fn single(&self) -> Option<String> {
        match &self.explored {
            Explored::Run(run) => Some(name_of_run(run.called())),
            Explored::Folder(_) => None,
        }
    }

    /// All runs, by name.
    fn folders(&self) -> BTreeMap<String, RunFolder> {
        let folders = match &self.explored {
            Explored::Run(run) => BTreeMap::from([(name_of_run(run.called()), run.clone())]),
            Explored::Folder(folder) => {
                let mut found = BTreeMap::new();
                collect(folder, Path::new(""), DEPTH, &mut found);
                found
            }
        };
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&folders);
        folders
    }

    /// What is said of each run, the newest first; runs that cannot be read are left out.
    pub(crate) fn summaries(&self) -> Vec<Listed> {
        let folders = self.folders().into_iter();
        let mut summaries: Vec<Listed> =
            folders.filter_map(|(name, run)| Listed::of(name, &run).ok()).collect();
        summaries.sort_by_key(|listed| Reverse(listed.summary.begun_at));
        summaries
    }

    /// The folder of a run; `None` if there is no such run.
    pub(crate) fn folder(&self, name: &str) -> Option<RunFolder> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.filter(|run| RunFolder::is_run(run.path())).or_else(|| self.folders().remove(name))
    }

    /// A run with its network, as its best checkpoint has it now; `None` if there is no such run.
    ///
    /// # Errors
    /// A run without weights, or a damaged one.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Arc<OpenRun>>, RunError> {
        let Some(folder) = self.folder(name) else { return Ok(None) };
        let version = Version::of(&folder);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(known, run)| run.name != name || *known == version); // older checkpoints go
        let read = || Ok::<_, RunError>((version, Arc::new(OpenRun::read(name.into(), folder)?)));
        let (_, run) = open.find_or_make(|(_, run)| run.name == name, read)?;
        Ok(Some(Arc::clone(run)))
    }
}

/// What follows the explorer's address in that of the page which shows a run's training as it runs, where it shows that run
/// alone.
pub fn address_of_training(run: &RunFolder) -> String {
    format!("#/run/{}/training", name_of_run(run.called()))
}

fn name_of_run(path: &Path) -> String {
    name::of(Path::new(path.file_name().unwrap_or_else(|| "run".as_ref())))
}

/// Finds the runs in a folder.
fn collect(folder: &Path, below: &Path, depth: usize, found: &mut BTreeMap<String, RunFolder>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    for path in folders {
        let Some(own) = path.file_name().filter(|own| !own.as_encoded_bytes().starts_with(b".")) else {
            continue;
        };
        if found.len() >= MOST {
            return;
        }
        let below = below.join(own);
        match RunFolder::open(&path) {
            Ok(run) => {
                found.insert(name::of(&below), run);
            }
            Err(_) if depth > 1 => collect(&path, &below, depth - 1, found),
            Err(_) => {}
        }
    }
}
