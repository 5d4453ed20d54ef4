//! `allcnn data convert`: writes data as one archive of images.

use allcnn::data::{Images, Options, convert};
use allcnn::observer::report_left_out;
use allcnn::text::shown::PathText;
use serde::Serialize;

use super::opened::{images, open};
use crate::args::DataConvertArgs;
use crate::exit::Exit;
use crate::output;
use crate::progress::Progress;
use crate::training_progress::LoadingProgress;

/// What `convert --json` prints: the archive, its images, and how many could not be read and were left out.
#[derive(Serialize)]
struct Converted {
    file: String,
    train: usize,
    validation: usize,
    test: usize,
    unreadable: usize,
}

/// Converts the data and prints what the archive holds.
pub(super) fn run(arguments: &DataConvertArgs) -> anyhow::Result<Exit> {
    let is_there = std::fs::symlink_metadata(&arguments.to).is_ok_and(|file| !file.is_dir());
    anyhow::ensure!(
        arguments.force || !is_there,
        "{} is there already\ngive another --to, or --force to replace it",
        arguments.to.shown()
    );
    convert::check_name(&arguments.to)?;
    let reading = arguments.reading.reading();
    let set = open(&arguments.data, &Options { reading, ..Options::default() }, arguments.output)?;
    let mut loading = LoadingProgress::new(Progress::of(arguments.output));
    report_left_out(&set, &mut loading);
    convert::convert(&set, &arguments.to, &mut |at| loading.show(at))?;
    loading.end();
    let [train, validation, test] = [&set.train, &set.validation, &set.test].map(Images::len);
    if arguments.output.json {
        let (file, unreadable) = (arguments.to.text(), set.skipped.len());
        output::json(&Converted { file, train, validation, test, unreadable })?;
    } else {
        output::text(&format!("{}: {}\n", arguments.to.shown(), images(train, validation, test)))?;
    }
    Ok(Exit::DONE)
}
