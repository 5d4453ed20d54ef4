//! Progress and remaining time of a sweep.

use std::time::Duration;

use super::error::SweepError;
use super::folder::{Sweep, due};
use crate::data::open_file;
use crate::net::Network;
use crate::run::RunFolder;
use crate::run::epoch_row::{self, EpochTime};

/// An experiment in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// The name of its run.
    pub name: String,
    /// Epochs done.
    pub epochs: u32,
    /// Epochs in total.
    pub total_epochs: u32,
    /// Whether a process is working on it now.
    pub is_held: bool,
}

/// The progress of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Experiments that are done.
    pub ended: usize,
    /// Experiments in total.
    pub total: usize,
    /// Experiments in progress.
    pub running: Vec<Running>,
    /// The estimated time left for the current number of working processes, or for one if none is working; `None`
    /// before the first epoch.
    pub left: Option<Duration>,
}

impl Sweep {
    /// Determines the progress of the sweep.
    ///
    /// The cost of an experiment is assumed proportional to the multiply-adds of its network, and calibrated on
    /// the epochs done.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn status(&self) -> Result<Status, SweepError> {
        let (claims, epochs) = (self.claims(), self.plan().recipe.epochs);
        let mut status =
            Status { ended: 0, total: self.experiments().len(), running: Vec::new(), left: None };
        let (mut seconds, mut work, mut remaining) = (0.0, 0.0, 0.0);
        for experiment in self.experiments() {
            let network = Network::open(&experiment.request(0).model, 10, None)?;
            let epoch_work = network.info().multiply_adds as f64;
            let records = self.records(experiment)?;
            for record in &records {
                seconds += record.seconds;
                work += epoch_work * record.history.len() as f64;
            }
            let Some(again) = due(&records, 0) else {
                status.ended += 1;
                continue;
            };
            let is_held = claims
                .is_held(&experiment.name)
                .map_err(SweepError::io("read", claims.path(&experiment.name, 1)))?;
            let run = RunFolder::open(&self.run_folder(experiment, again)).ok();
            let (done, spent) = run.as_ref().and_then(so_far).unwrap_or((0, 0.0));
            seconds += spent;
            work += epoch_work * f64::from(done);
            remaining += epoch_work * f64::from(epochs.saturating_sub(done));
            if is_held || run.is_some() {
                let name = experiment.run_name(again);
                status.running.push(Running { name, epochs: done, total_epochs: epochs, is_held });
            }
        }
        let workers = status.running.iter().filter(|running| running.is_held).count().max(1);
        let left = remaining * seconds / work / workers as f64;
        status.left = (work > 0.0).then(|| Duration::try_from_secs_f64(left).ok()).flatten();
        Ok(status)
    }
}

/// Epochs done and seconds spent of a run.
fn so_far(run: &RunFolder) -> Option<(u32, f64)> {
    let text = open_file::read_text(&run.metrics(), open_file::TEXT).ok()?;
    epoch_row::parse::<EpochTime>(&text).last().map(|last| (last.epoch, last.seconds))
}
