//! `allcnn predict`: classifies pictures with a run's network.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use allcnn::predict::{Prediction, Predictor};
use allcnn::run::RunFolder;
use allcnn::run::WhichCheckpoint;
use allcnn::text::shown::escaped;
use allcnn_device::Device;

use super::picture;
use crate::args::PredictArgs;
use crate::device::{self, on_device};
use crate::failure::EXIT_FAILED;
use crate::output::{self, Align, Table, counted};
use crate::progress::{Progress, Unit};
use crate::streams;
use crate::training_progress::LoadingProgress;

/// Pictures per batch.
const BATCH: usize = 32;

/// Classifies and prints. Pictures that cannot be read are reported and skipped; the exit code is then that of failure.
pub fn run(arguments: &PredictArgs) -> anyhow::Result<ExitCode> {
    let run = RunFolder::open(&arguments.run)?;
    let (_, checkpoint) = WhichCheckpoint::from(arguments.checkpoint).trained(&run)?;
    let device = device::open(&arguments.common)?;
    let files = picture::given(&arguments.images, arguments.common.telling)?;
    let predictions = on_device!(device, |device| {
        predict(arguments, Predictor::new(&device, &run, checkpoint, BATCH.min(files.len()))?, &files)
    })?;
    if arguments.common.telling.json {
        output::json(&predictions)?;
    } else {
        show(&predictions)?;
    }
    let unread = predictions.iter().any(|prediction| matches!(prediction, Prediction::Unread { .. }));
    Ok(if unread { ExitCode::from(EXIT_FAILED) } else { ExitCode::SUCCESS })
}

/// Classifies all files with a progress bar.
fn predict<D: Device>(
    arguments: &PredictArgs,
    mut predictor: Predictor<'_, D>,
    files: &[PathBuf],
) -> anyhow::Result<Vec<Prediction>> {
    let progress = Progress::of(arguments.common.telling);
    predictor.tell(&mut LoadingProgress::new(progress));
    let since = Instant::now();
    let mut task = progress.task("looking", files.len() as u64, Unit::Things);
    let mut predictions = Vec::with_capacity(files.len());
    for files in files.chunks(BATCH) {
        predictions.extend(predictor.predict(files, arguments.top)?);
        task.set(predictions.len() as u64, String::new);
    }
    let seconds = since.elapsed().as_secs_f64();
    progress.detail(&format!("read and looked at {} in {seconds:.2} s", counted(files.len(), "picture")));
    Ok(predictions)
}

fn show(predictions: &[Prediction]) -> anyhow::Result<()> {
    let mut table =
        Table::new(&[("file", Align::Left), ("class", Align::Left), ("probability", Align::Right)]);
    for prediction in predictions {
        match prediction {
            Prediction::Seen { file, predictions } => {
                for (place, guess) in predictions.iter().enumerate() {
                    let file = if place == 0 { file.clone() } else { String::new() };
                    table.row([file, guess.class.clone(), format!("{:.2} %", 100.0 * guess.probability)]);
                }
            }
            Prediction::Unread { file, error } => {
                streams::message(&format!("cannot read {}: {error}", escaped(file)))
            }
        }
    }
    output::text(&table.to_string())
}
