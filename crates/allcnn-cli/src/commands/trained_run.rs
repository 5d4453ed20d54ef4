//! What `eval` and `predict` begin with: a run folder and one of its checkpoints.

use std::path::Path;

use allcnn::run::RunFolder;
use allcnn::train::Checkpoint;

use crate::args::CheckpointChoice;

/// Opens the run in `folder` and reads the checkpoint that is asked for.
pub fn open(folder: &Path, choice: CheckpointChoice) -> anyhow::Result<(RunFolder, Checkpoint)> {
    let run = RunFolder::open(folder)?;
    let checkpoint = match choice {
        CheckpointChoice::Best => run.read_best()?,
        CheckpointChoice::Last => Checkpoint::read(&run.last())?,
    };
    Ok((run, checkpoint))
}
