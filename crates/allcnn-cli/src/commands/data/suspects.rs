//! `allcnn data suspects`: the images whose labels a run's network doubts most.

use std::sync::atomic::AtomicBool;

use allcnn::report;
use allcnn::run::RunFolder;
use allcnn::suspects::{Search, Suspects, find};
use allcnn::text::shown::{PathText, escaped};
use anyhow::Context;
use serde::Serialize;

use crate::args::DataSuspectsArgs;
use crate::commands::picture;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::output::{self, Align, Table, thousands};
use crate::progress::{Progress, Unit};
use crate::training_progress::LoadingProgress;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    run: String,
    #[serde(flatten)]
    suspects: &'a Suspects,
}

/// Finds suspect labels and prints them.
pub(super) fn run(arguments: &DataSuspectsArgs) -> anyhow::Result<Exit> {
    if let Some(page) = &arguments.out {
        picture::check_name("--out", page, "html")?;
    }
    let run = RunFolder::open(&arguments.run)?;
    let device = device::open(&arguments.common)?;
    let search = Search {
        data: arguments.data.clone(),
        reading: arguments.reading.reading(),
        checkpoint: arguments.checkpoint.into(),
        top: arguments.top,
        pictures: arguments.out.is_some(),
    };
    let progress = Progress::of(arguments.common.output);
    let mut loading = LoadingProgress::new(progress);
    let mut task = None;
    let mut done = |done: usize, total: usize| {
        let task = task.get_or_insert_with(|| progress.task("looking", total as u64, Unit::Things));
        task.set(done as u64, String::new);
    };
    let never = AtomicBool::new(false); // there is nothing to save: Ctrl-C just ends the program
    let found = on_device!(device, |device| find(&device, &run, &search, &never, &mut loading, &mut done))?
        .context("the search was stopped")?;
    drop((task, loading));
    if let Some(page) = &arguments.out {
        report::write_suspects(&found, &run.called().shown(), page)?;
    }
    if arguments.common.output.json {
        output::json(&Document { run: run.called().text(), suspects: &found })?;
    } else {
        output::text(&words(&found, &run))?;
    }
    Ok(Exit::DONE)
}

/// What was examined, and the suspects, the most suspect first, as text.
fn words(found: &Suspects, run: &RunFolder) -> String {
    let number = |count: usize| thousands(count as u64);
    let splits = found.splits.iter().map(|counted| format!("{} {}", number(counted.images), counted.split));
    let mut text = format!(
        "{} on {} images of {}\n",
        run.called().shown(),
        splits.collect::<Vec<_>>().join(" and "),
        escaped(&found.data)
    );
    if found.trained_on > 0 {
        text += &format!("{} images are left out: they were trained on\n", number(found.trained_on));
    }
    text += &format!(
        "{} are taken for another class{}\n\n",
        number(found.predicted_otherwise),
        found.confident_otherwise.map_or_else(String::new, |images| format!(
            ", {} confidently (by confident learning)",
            number(images)
        ))
    );
    let mut table = Table::new(&[
        ("given", Align::Left),
        ("probability", Align::Right),
        ("says", Align::Left),
        ("probability", Align::Right),
        ("split", Align::Left),
        ("file", Align::Left),
    ]);
    let percent = |probability: f32| format!("{:.2} %", 100.0 * probability);
    for suspect in &found.suspects {
        table.row([
            suspect.label.clone(),
            percent(suspect.label_probability),
            suspect.predicted.clone(),
            percent(suspect.predicted_probability),
            suspect.split.to_string(),
            suspect.file.clone(),
        ]);
    }
    text + &table.to_string()
}
