//! The folder of a sweep: plan, runs with their records, results.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::SweepError;
use super::plan::{Experiment, Plan};
use super::record::{Record, TrialOutcome};
use super::table::Table;
use super::{page, text};
use crate::atomic_file::{create_atomically, sweep, write_atomically};
use crate::data::{self, open_file};
use crate::files::claim::Claims;
use crate::run::RunFolder;
use crate::text::toml_text;

/// A sweep's folder.
#[derive(Clone, Debug)]
pub struct Sweep {
    path: PathBuf,
    plan: Plan,
    experiments: Vec<Experiment>,
}

impl Sweep {
    /// Opens the sweep in the folder `path`; `None` if there is none.
    ///
    /// # Errors
    /// A plan that cannot be read.
    pub fn find(path: &Path) -> Result<Option<Self>, SweepError> {
        let file = path.join("plan.toml");
        let text = match open_file::read_text(&file, open_file::SETTINGS) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(SweepError::io("read", &file))?,
        };
        let plan: Plan =
            toml_text::parse(&text).map_err(|problem| SweepError::BadPlan { path: file.clone(), problem })?;
        let experiments = plan.experiments().map_err(|error| match error {
            SweepError::Choice(problem) => SweepError::BadPlan { path: file, problem },
            other => other,
        })?;
        Ok(Some(Self { path: path.into(), plan, experiments }))
    }

    /// Creates a sweep of `plan` in the folder `path`, or opens the existing one with the same plan.
    ///
    /// # Errors
    /// [`SweepError::OtherPlan`]; for a new sweep also [`SweepError::NoTestSplit`], data that cannot be opened, an
    /// inconsistent plan, a folder that cannot be created.
    pub fn open(
        path: &Path,
        plan: Plan,
        progress: &mut dyn FnMut(data::Progress),
    ) -> Result<Self, SweepError> {
        let plan = plan.anchored();
        if let Some(sweep) = Self::find(path)? {
            return sweep.agreeing_with(&plan);
        }
        let sweep = Self { path: path.into(), experiments: plan.experiments()?, plan };
        sweep.check_test_splits(progress)?;
        for folder in [sweep.path.clone(), sweep.path.join("runs"), sweep.path.join("claims")] {
            fs::create_dir_all(&folder).map_err(SweepError::io("make the folder", folder))?;
        }
        let file = path.join("plan.toml");
        let text = toml::to_string(&sweep.plan)
            .map_err(|error| SweepError::BadPlan { path: file.clone(), problem: error.to_string() })?;
        if create_atomically(&file, text.as_bytes()).map_err(SweepError::io("write", &file))? {
            return Ok(sweep);
        }
        // Another process created it first.
        let other = Self::find(path)?.ok_or_else(|| SweepError::NoPlan(path.into()))?;
        other.agreeing_with(&sweep.plan)
    }

    fn agreeing_with(self, plan: &Plan) -> Result<Self, SweepError> {
        let changes = self.plan.changes(plan);
        if changes.is_empty() { Ok(self) } else { Err(SweepError::OtherPlan { path: self.path, changes }) }
    }

    /// Checks, before anything is trained, that all data exists and has test images.
    fn check_test_splits(&self, progress: &mut dyn FnMut(data::Progress)) -> Result<(), SweepError> {
        let mut all: Vec<String> =
            self.plan.entries().iter().map(|entry| self.plan.data_of(entry).to_owned()).collect();
        all.sort();
        all.dedup();
        for name in all {
            if !data::has_test_split(&name, &self.plan.reading, progress)? && self.plan.holdout.is_none() {
                return Err(SweepError::NoTestSplit(name));
            }
        }
        Ok(())
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The experiments, in execution order.
    pub fn experiments(&self) -> &[Experiment] {
        &self.experiments
    }

    pub(super) fn claims(&self) -> Claims {
        Claims::new(self.path.join("claims"))
    }

    /// The run folder of an experiment's attempt number `again` (from 0).
    pub(super) fn run_folder(&self, experiment: &Experiment, again: usize) -> PathBuf {
        self.path.join("runs").join(experiment.run_name(again))
    }

    /// Reads the records of an experiment's attempts.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn records(&self, experiment: &Experiment) -> Result<Vec<Record>, SweepError> {
        let mut records = Vec::new();
        loop {
            let path = record_file(&self.run_folder(experiment, records.len()));
            let text = match open_file::read_text(&path, open_file::TEXT) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(records),
                read => read.map_err(SweepError::io("read", &path))?,
            };
            let problem = |error: serde_json::Error| SweepError::BadPlan { path, problem: error.to_string() };
            records.push(serde_json::from_str(&text).map_err(problem)?);
        }
    }

    /// Builds the table from the results so far.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn table(&self) -> Result<Table, SweepError> {
        let records: Result<Vec<_>, SweepError> =
            self.experiments.iter().map(|experiment| self.records(experiment)).collect();
        Ok(Table::new(&self.plan, &self.experiments, records?))
    }

    /// Writes the table so far as Markdown, CSV and HTML, and returns it.
    ///
    /// # Errors
    /// A record that cannot be read, a file that cannot be written.
    pub fn write_results(&self) -> Result<Table, SweepError> {
        let _ = sweep(&self.path, 0); // removes old temporary files of killed processes
        let table = self.table()?;
        for (name, contents) in [
            ("results.md", table.markdown()),
            ("results.csv", text::csv(&table)),
            ("results.html", page::page(&table)),
        ] {
            let path = self.path.join(name);
            write_atomically(&path, contents.as_bytes()).map_err(SweepError::io("write", path))?;
        }
        Ok(table)
    }
}

/// The number (from 0) of the attempt that is due after these records; `None` if the experiment is done. If the
/// network did not learn, there are up to `reseed` further attempts.
pub(super) fn due(records: &[Record], reseed: usize) -> Option<usize> {
    let again = records.len();
    let failed = records.last().is_none_or(|record| record.fate != TrialOutcome::Finished);
    (failed && again <= reseed).then_some(again)
}

/// Writes the result of an attempt into its run folder.
pub(super) fn write_record(run: &RunFolder, record: &Record) -> Result<(), SweepError> {
    let path = record_file(run.path());
    let text = serde_json::to_string_pretty(record).map_err(std::io::Error::other);
    Ok(run.write(&path, text.map_err(SweepError::io("write", &path))?.as_bytes())?)
}

fn record_file(run: &Path) -> PathBuf {
    run.join("result.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_did_not_learn_is_begun_again_and_so_often() {
        let record = |fate| Record {
            fate,
            seed: 0,
            seconds: 1.0,
            history: Vec::new(),
            tested: None,
            test_images: None,
        };
        let after = |fates: &[TrialOutcome], reseed| {
            due(&fates.iter().map(|&fate| record(fate)).collect::<Vec<_>>(), reseed)
        };
        let (dead, good) = (TrialOutcome::Dead, TrialOutcome::Finished);
        assert_eq!(after(&[], 0), Some(0));
        assert_eq!((after(&[good], 5), after(&[dead], 0)), (None, None));
        assert_eq!((after(&[dead], 2), after(&[dead, dead], 2)), (Some(1), Some(2)));
        assert_eq!((after(&[dead, good], 2), after(&[dead, dead], 1)), (None, None));
    }
}
