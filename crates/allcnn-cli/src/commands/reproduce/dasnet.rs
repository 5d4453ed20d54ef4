//! `allcnn reproduce dasnet`: searches a policy that lets a Maxout network look again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use allcnn::dasnet::{DasnetRequest, DasnetResult, Generation, dasnet};
use allcnn::run::RunFolder;
use allcnn::text::shown::PathText;
use anyhow::Context;
use serde::Serialize;

use crate::args::DasnetArgs;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::failure::WrongUsage;
use crate::interrupt;
use crate::output::{self, thousands};
use crate::progress::Progress;
use crate::training_progress::LoadingProgress;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    run: String,
    folder: String,
    #[serde(flatten)]
    result: &'a DasnetResult,
}

pub(super) fn run(arguments: &DasnetArgs) -> anyhow::Result<Exit> {
    let DasnetArgs { population, looks, .. } = *arguments;
    if population < 4 || looks < 2 {
        let wrong = format!(
            "--population {population} --looks {looks}; expected 4 policies or more, and 2 looks or more"
        );
        return Err(WrongUsage(wrong).into());
    }
    let run = RunFolder::open(&arguments.run)?;
    let request = DasnetRequest {
        checkpoint: arguments.checkpoint.into(),
        generations: arguments.generations,
        population,
        images: arguments.images,
        looks,
        seed: arguments.seed,
        out: arguments.out.clone(),
    };
    let progress = Progress::of(arguments.common.output);
    let stop = Arc::new(AtomicBool::new(false));
    interrupt::listen(&stop).context("cannot listen to Ctrl-C")?;
    let mut told = |Generation { number, fitness: [best, mean] }| {
        progress
            .note(&format!("generation {number}/{}  fitness {mean:.4}, best {best:.4}", request.generations));
    };
    let mut loading = LoadingProgress::new(progress);
    let opened = device::open(&arguments.common)?;
    let found = on_device!(opened, |device| dasnet(&device, &run, &request, &stop, &mut loading, &mut told))?;
    loading.end();
    let Some(result) = found else {
        progress.note("interrupted: everything is saved; the same command goes on");
        return Ok(Exit::INTERRUPTED);
    };
    let shown = if arguments.common.output.json {
        let [run, folder] = [run.path(), &arguments.out].map(|path| path.text());
        output::json(&Document { run, folder, result: &result })
    } else {
        output::text(&words(&result))
    };
    interrupt::exit_code(false, shown)
}

fn words(result: &DasnetResult) -> String {
    let interval = |interval: Option<[f64; 2]>| {
        interval.map_or_else(String::new, |[low, high]| format!(" (95 % interval {low:.2} to {high:.2})"))
    };
    format!(
        "alone        {:.2} % error on {} {} images{}\nwith policy  {:.2} %{}, after {} generations; {} weights\n",
        result.alone_error_pct,
        thousands(result.images as u64),
        result.split,
        interval(result.alone_error_interval95),
        result.error_pct,
        interval(result.error_interval95),
        result.generations,
        thousands(result.weights as u64)
    )
}
