//! `allcnn features`: what activates the filters of a layer, or their visualization without an image.

use std::process::ExitCode;

use allcnn::data::Reading;
use allcnn::run::GivenData;
use allcnn::run::RunFolder;
use allcnn::split::Split;
use allcnn::text::shown::{escaped, first_of};
use allcnn::visualise::{
    DrawingEntry, ExplainedFilter, FeatureExplorer, FilterChoice, FilterEntry, Method, Scanned,
};
use allcnn_device::Device;

use super::picture;
use crate::args::{FeaturesArgs, SplitChoice};
use crate::device::{self, on_device};
use crate::output::{self, Align, Table};
use crate::progress::{Progress, Unit};
use crate::training_progress::LoadingProgress;

/// Scans the images or visualizes without any, writes the sheet and prints the result.
pub fn run(arguments: &FeaturesArgs) -> anyhow::Result<ExitCode> {
    picture::check_out("--out", &arguments.out, "png")?;
    let run = RunFolder::open(&arguments.run)?;
    on_device!(device::open(&arguments.common)?, |device| {
        explore(arguments, &FeatureExplorer::new(&device, &run, arguments.checkpoint.into())?)
    })
}

fn explore<D: Device>(
    arguments: &FeaturesArgs,
    explorer: &FeatureExplorer<'_, D>,
) -> anyhow::Result<ExitCode> {
    let choice = FilterChoice::new(explorer.network(), &arguments.layer, arguments.filters.clone())?;
    if arguments.without_image {
        return draw(arguments, explorer, choice);
    }
    let progress = Progress::of(arguments.common.telling);
    let data = (arguments.data.as_deref(), &arguments.reading.reading());
    let scanned = open(explorer, data, arguments.split, progress)?;
    let methods = picture::methods(arguments.method);
    let filters = scan(explorer, &choice, &scanned, (arguments.patches, &methods), progress)?;
    let sheet = explorer.patch_sheet(&choice, &scanned, &filters, (arguments.patches, &methods));
    let pages = sheet.write_pages(&arguments.out)?;
    let mut entries = explorer.patch_entries(&choice, &scanned, &filters);
    for (tile, entry) in entries.iter_mut().enumerate() {
        entry.source.picture = Some(pages.of_tile(tile));
    }
    if arguments.common.telling.json {
        output::json(&entries)?;
    } else {
        output::text(&format!("{}\n{}", table(&entries), pages.words()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the images with a progress bar.
pub fn open<D: Device>(
    explorer: &FeatureExplorer<'_, D>,
    (data, reading): (Option<&str>, &Reading),
    split: Option<SplitChoice>,
    progress: Progress,
) -> anyhow::Result<Scanned> {
    let mut loading = LoadingProgress::new(progress);
    let data = data.map(|place| GivenData { place, reading });
    Ok(explorer.open(data, split.map(Split::from), &mut loading)?)
}

/// Scans the images with a progress bar.
pub fn scan<D: Device>(
    explorer: &FeatureExplorer<'_, D>,
    choice: &FilterChoice,
    scanned: &Scanned,
    (most, methods): (usize, &[Method]),
    progress: Progress,
) -> anyhow::Result<Vec<ExplainedFilter>> {
    let mut task = progress.task("scanning", scanned.images.len() as u64, Unit::Things);
    let mut done = |images: usize| task.set(images as u64, String::new);
    Ok(explorer.patches(choice, scanned, most, methods, &mut done)?)
}

fn draw<D: Device>(
    arguments: &FeaturesArgs,
    explorer: &FeatureExplorer<'_, D>,
    choice: FilterChoice,
) -> anyhow::Result<ExitCode> {
    let drawings = explorer.drawings(&choice)?;
    let mut entries = explorer.drawing_entries(&choice, &drawings);
    let pages = explorer.drawing_sheet(&[(choice, drawings)]).write_pages(&arguments.out)?;
    for (tile, entry) in entries.iter_mut().enumerate() {
        entry.source.picture = Some(pages.of_tile(tile));
    }
    if arguments.common.telling.json {
        output::json(&entries)?;
    } else {
        output::text(&format!("{}{}", drawn(&entries), pages.words()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The number of filters and the classes of their units, as text.
fn drawn(entries: &[DrawingEntry]) -> String {
    let named = |entry: &DrawingEntry| Some(named(entry.filter, entry.class.as_ref()?));
    let named: Vec<String> = entries.iter().filter_map(named).collect();
    match named.as_slice() {
        [] => format!("{} filters\n", entries.len()),
        named => format!("{} filters: {}\n", entries.len(), escaped(&first_of(named))),
    }
}

fn named(filter: usize, class: &str) -> String {
    format!("{filter} ({class})")
}

/// A row per filter: its highest activation and the image that has it.
fn table(entries: &[FilterEntry]) -> Table {
    let is_of_classes = entries.iter().any(|entry| entry.class.is_some());
    let mut table = Table::new(&[
        ("filter", if is_of_classes { Align::Left } else { Align::Right }),
        ("patches", Align::Right),
        ("activation", Align::Right),
        ("rows", Align::Left),
        ("columns", Align::Left),
        ("image", Align::Left),
    ]);
    for entry in entries {
        let range = |[start, end]: [usize; 2]| format!("{start}..{end}");
        let first = entry.patches.first().map(|patch| {
            let activation = format!("{:.4}", patch.activation);
            [activation, range(patch.seen.rows), range(patch.seen.columns), patch.image.clone()]
        });
        let first = first.unwrap_or_else(|| ["never active", "", "", ""].map(String::from));
        let filter =
            entry.class.as_ref().map_or_else(|| entry.filter.to_string(), |class| named(entry.filter, class));
        table.row([filter, entry.patches.len().to_string()].into_iter().chain(first));
    }
    table
}
