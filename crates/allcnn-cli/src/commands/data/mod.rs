//! `allcnn data`: looks at data, fetches, converts and verifies it, and looks for suspect labels.

mod suspects;
mod verify;

use std::ffi::OsStr;
use std::process::ExitCode;

use allcnn::data::verify::Summary;
use allcnn::data::{self, DataSet, Framing, Ignored, Images, Kind, Options, Sizes, convert, fetch};
use allcnn::observer::tell_left_out;
use allcnn::text::shown::{PathText, escaped};
use serde::Serialize;

use crate::args::{DataCommand, DataConvertArgs, DataFetchArgs, DataInfoArgs, Telling};
use crate::output::{self, Align, Table, counted};
use crate::progress::Progress;
use crate::training_progress::LoadingProgress;

/// Names another address to fetch from.
const URL_VARIABLE: &str = "ALLCNN_DATA_URL";
/// Height and width at which photographs on disk are compared: those that networks for ImageNet take.
const PHOTOGRAPH: (usize, usize) = (224, 224);
/// Findings of one kind that are listed.
const MOST_LISTED: usize = 50;

/// Runs one of the data commands.
pub fn run(command: &DataCommand) -> anyhow::Result<ExitCode> {
    match command {
        DataCommand::Info(arguments) => info(arguments),
        DataCommand::Fetch(arguments) => fetch_archive(arguments),
        DataCommand::Convert(arguments) => convert_data(arguments),
        DataCommand::Verify(arguments) => verify::run(arguments),
        DataCommand::Suspects(arguments) => suspects::run(arguments),
    }
}

fn open(data: &OsStr, options: &Options, telling: Telling) -> anyhow::Result<DataSet> {
    let mut loading = LoadingProgress::new(Progress::of(telling));
    Ok(data::open(data, options, &mut |at| loading.show(at))?)
}

/// How data is read to be looked at.
fn options(arguments: &DataInfoArgs) -> Options {
    let reading = arguments.reading.reading();
    let options = Options { holdout: arguments.holdout, reading, one_class: true, ..Options::default() };
    if !arguments.on_disk {
        return options;
    }
    Options { on_disk: true, size: Some(PHOTOGRAPH), framing: Framing::Middle, ..options }
}

fn info(arguments: &DataInfoArgs) -> anyhow::Result<ExitCode> {
    let summary = Summary::of(&open(&arguments.data, &options(arguments), arguments.telling)?);
    if arguments.telling.json {
        output::json(&summary)?;
    } else {
        output::text(&words(&summary))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What `fetch --json` prints.
#[derive(Serialize)]
struct Fetched {
    file: String,
    bytes: u64,
}

/// What `convert --json` prints: the archive, its images, and how many were left out because they cannot be read.
#[derive(Serialize)]
struct Converted {
    file: String,
    train: usize,
    validation: usize,
    test: usize,
    unreadable: usize,
}

fn fetch_archive(arguments: &DataFetchArgs) -> anyhow::Result<ExitCode> {
    let folder = match &arguments.to {
        Some(folder) => folder.clone(),
        None => data::data_folder()?,
    };
    let url = std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
    let mut loading = LoadingProgress::new(Progress::of(arguments.telling));
    let file = fetch::fetch(arguments.name, &folder, url.as_deref(), &mut |at| loading.show(at))?;
    loading.end();
    let bytes = std::fs::metadata(&file)?.len();
    if arguments.telling.json {
        output::json(&Fetched { file: file.text(), bytes })?;
    } else {
        output::text(&format!("{}\n", file.shown()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn convert_data(arguments: &DataConvertArgs) -> anyhow::Result<ExitCode> {
    let is_there = std::fs::symlink_metadata(&arguments.to).is_ok_and(|file| !file.is_dir());
    anyhow::ensure!(
        arguments.force || !is_there,
        "{} is there already\ngive another --to, or --force to replace it",
        arguments.to.shown()
    );
    let reading = arguments.reading.reading();
    let set = open(&arguments.data, &Options { reading, ..Options::default() }, arguments.telling)?;
    let mut loading = LoadingProgress::new(Progress::of(arguments.telling));
    tell_left_out(&set, &mut loading);
    convert::convert(&set, &arguments.to, &mut |at| loading.show(at))?;
    loading.end();
    let [train, validation, test] = [&set.train, &set.validation, &set.test].map(Images::len);
    if arguments.telling.json {
        let (file, unreadable) = (arguments.to.text(), set.skipped.len());
        output::json(&Converted { file, train, validation, test, unreadable })?;
    } else {
        output::text(&format!("{}: {}\n", arguments.to.shown(), images(train, validation, test)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many images each split has.
fn images(train: usize, validation: usize, test: usize) -> String {
    let validation = match validation {
        0 => String::new(),
        images => counted(images, "validation image") + ", ",
    };
    format!("{}, {validation}{}", counted(train, "training image"), counted(test, "test image"))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Shapes => "drawn by the program",
        Kind::CifarBinary => "CIFAR binary batches",
        Kind::CifarPython => "CIFAR python batches",
        Kind::ImageFolder => "image folder",
        Kind::Table => "a table of image files",
        Kind::Parquet => "parquet files",
        Kind::Npz => "numpy arrays",
    }
}

fn words(summary: &Summary) -> String {
    let validates = summary.validation > 0;
    let mut text = format!(
        "{}: {}, {} class{}, {}x{}, {}\n{}\n",
        escaped(&summary.name),
        kind(summary.kind),
        summary.classes.len(),
        if summary.classes.len() == 1 { "" } else { "es" },
        summary.height,
        summary.width,
        images(summary.train, summary.validation, summary.test),
        summary.sizes.as_ref().map(|sizes| own_sizes(sizes, summary)).unwrap_or_default()
    );
    let mut columns = vec![("class", Align::Left), ("training", Align::Right)];
    columns.extend(validates.then_some(("validation", Align::Right)));
    columns.push(("test", Align::Right));
    let mut table = Table::new(&columns);
    for class in &summary.classes {
        let mut row = vec![class.name.clone(), class.train.to_string()];
        row.extend(validates.then(|| class.validation.to_string()));
        row.push(class.test.to_string());
        table.row(row);
    }
    text += &format!("{table}\nfingerprint {}\n", summary.fingerprint);
    for note in &summary.notes {
        text += &format!("note: {}\n", escaped(&note.to_string()));
    }
    text += &ignored(&summary.ignored);
    if !summary.skipped.is_empty() {
        text += &format!("{} left out:\n", counted(summary.skipped.len(), "image"));
        for file in summary.skipped.iter().take(MOST_LISTED) {
            text += &format!("  {}: {}\n", escaped(&file.file), escaped(&file.reason));
        }
    }
    text
}

/// The images' own sizes, where they are not what all images have now.
fn own_sizes(sizes: &Sizes, summary: &Summary) -> String {
    let alike = [sizes.min, sizes.max] == [[summary.height, summary.width]; 2];
    let all = summary.train + summary.validation + summary.test;
    let of = match sizes.images {
        images if images < all => format!(" (of {}, evenly spread)", counted(images, "image")),
        _ => String::new(),
    };
    if alike { String::new() } else { format!("the images' own sizes: {sizes}{of}\n") }
}

/// A line for each reason why files were left out; for kinds of pictures that are not read one for each folder.
fn ignored(ignored: &[Ignored]) -> String {
    let line = |one: &Ignored| format!("{}\n", escaped(&one.to_string()));
    let mut text: String = ignored.iter().take(MOST_LISTED).map(line).collect();
    if let Some(more) = ignored.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
        text += &format!("... and {more} more such lines; --json has all\n");
    }
    text
}
