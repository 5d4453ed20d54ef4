//! `allcnn predict`: classifies pictures with a run's network.

use std::path::PathBuf;

use allcnn::predict::{Ensemble, Prediction};
use allcnn::run::RunFolder;
use allcnn::text::shown::{PathText, escaped};
use allcnn_device::Device;
use anyhow::Context;

use super::picture;
use crate::args::PredictArgs;
use crate::csv_file::write_predictions;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::failure::WrongUsage;
use crate::output::{self, Align, Table};
use crate::progress::{Progress, Unit};
use crate::streams;
use crate::training_progress::LoadingProgress;

/// Pictures per batch.
const BATCH: usize = 32;

/// Classifies and prints. Pictures that cannot be read are reported and skipped; the exit code is then that of failure.
pub(super) fn run(arguments: &PredictArgs) -> anyhow::Result<Exit> {
    if let Some(path) = &arguments.csv {
        picture::check_out("--csv", path, "csv")?;
    }
    let (runs, images) = runs_and_images(arguments)?;
    let device = device::open(&arguments.common)?;
    let files = picture::given(images, arguments.common.output)?;
    let mut predictions = on_device!(device, |device| {
        let (checkpoint, batch) = (arguments.checkpoint.into(), BATCH.min(files.len()));
        let networks = Ensemble::new(&device, &runs, checkpoint, arguments.calibrated, batch)?;
        predict(arguments, networks, &files)
    })?;
    if let Some(below) = arguments.unsure_below {
        predictions.iter_mut().for_each(|prediction| prediction.mark_unsure(below));
    }
    if let Some(path) = &arguments.csv {
        write_predictions(path, &predictions).with_context(|| format!("cannot write {}", path.shown()))?;
    }
    if arguments.common.output.json {
        output::json(&predictions)?;
    } else {
        show(&predictions)?;
    }
    let unread = predictions.iter().any(|prediction| matches!(prediction, Prediction::Unread { .. }));
    Ok(if unread { Exit::FAILED } else { Exit::DONE })
}

/// The runs and the pictures: leading arguments that hold a `run.toml` are runs, the first other one begins the pictures.
fn runs_and_images(arguments: &PredictArgs) -> anyhow::Result<(Vec<RunFolder>, &[PathBuf])> {
    let further = arguments.images.iter().take_while(|path| RunFolder::is_run(path)).count();
    let (runs, images) = arguments.images.split_at(further);
    if images.is_empty() {
        return Err(WrongUsage(format!(
            "{} is a run, and no picture follows: expected RUN... and then pictures or folders of them",
            runs.last().unwrap_or(&arguments.run).shown()
        ))
        .into());
    }
    let runs: Result<_, _> =
        [&arguments.run].into_iter().chain(runs).map(|run| RunFolder::open(run)).collect();
    Ok((runs?, images))
}

/// Classifies all files with a progress bar.
fn predict<D: Device>(
    arguments: &PredictArgs,
    mut networks: Ensemble<'_, D>,
    files: &[PathBuf],
) -> anyhow::Result<Vec<Prediction>> {
    let progress = Progress::of(arguments.common.output);
    let mut loading = LoadingProgress::new(progress);
    networks.report_algorithms(&mut loading);
    let mut task = progress.task("looking", files.len() as u64, Unit::Things);
    let mut predictions = Vec::with_capacity(files.len());
    for files in files.chunks(BATCH) {
        predictions.extend(networks.predict(files, arguments.top)?);
        task.set(predictions.len() as u64, String::new);
    }
    drop(task);
    loading.report_times(&networks.times());
    Ok(predictions)
}

fn show(predictions: &[Prediction]) -> anyhow::Result<()> {
    let mut table =
        Table::new(&[("file", Align::Left), ("class", Align::Left), ("probability", Align::Right)]);
    for prediction in predictions {
        match prediction {
            Prediction::Seen { file, predictions, unsure } => {
                for (index, guess) in predictions.iter().enumerate() {
                    let file = if index == 0 { file.clone() } else { String::new() };
                    let doubt = if *unsure && index == 0 { " (unsure)" } else { "" };
                    let probability = format!("{:.2} %", 100.0 * guess.probability);
                    table.row([file, format!("{}{doubt}", guess.class), probability]);
                }
            }
            Prediction::Unread { file, error } => {
                streams::message(&format!("cannot read {}: {error}", escaped(file)))
            }
        }
    }
    let any = predictions.iter().any(|prediction| matches!(prediction, Prediction::Seen { .. }));
    output::text(&if any { table.to_string() } else { String::new() })
}
