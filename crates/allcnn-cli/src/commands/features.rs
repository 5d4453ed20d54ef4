//! `allcnn features`: what activates the filters of a layer, or their visualization without an image.

use allcnn::data::Reading;
use allcnn::observer::{Event, Observer, Phase, Times};
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
use crate::exit::Exit;
use crate::output::{self, Align, Table};
use crate::progress::{Progress, Unit};
use crate::training_progress::LoadingProgress;

/// Scans the images or visualizes without any, writes the sheet and prints the result.
pub(super) fn run(arguments: &FeaturesArgs) -> anyhow::Result<Exit> {
    picture::check_out("--out", &arguments.out, "png")?;
    let run = RunFolder::open(&arguments.run)?;
    let mut loading = LoadingProgress::new(Progress::of(arguments.common.output));
    on_device!(device::open(&arguments.common)?, |device| {
        loading.stopwatch().begin(Phase::Preparing);
        let explorer = FeatureExplorer::new(&device, &run, arguments.checkpoint.into())?;
        explore(arguments, &explorer, &mut loading)
    })
}

fn explore<D: Device>(
    arguments: &FeaturesArgs,
    explorer: &FeatureExplorer<'_, D>,
    loading: &mut LoadingProgress,
) -> anyhow::Result<Exit> {
    let choice = FilterChoice::new(explorer.network(), &arguments.layer, arguments.filters.clone())?;
    if arguments.without_image {
        return draw(arguments, explorer, choice, loading);
    }
    let data = (arguments.data.as_deref(), &arguments.reading.reading());
    let scanned = open(explorer, data, arguments.split, loading)?;
    let methods = picture::methods(arguments.method);
    let progress = Progress::of(arguments.common.output);
    let filters = scan(explorer, &choice, &scanned, (arguments.patches, &methods), progress, loading)?;
    loading.stopwatch().begin(Phase::Drawing);
    let sheet = explorer.patch_sheet(&choice, &scanned, &filters, (arguments.patches, &methods));
    let pages = picture::write_sheet(sheet, &arguments.out, arguments.common.output)?;
    loading.report_times(&Times::default());
    let mut entries = explorer.patch_entries(&choice, &scanned, &filters);
    for (tile, entry) in entries.iter_mut().enumerate() {
        entry.source.picture = Some(pages.of_tile(tile));
    }
    if arguments.common.output.json {
        output::json(&entries)?;
    } else {
        output::text(&format!("{}\n{}", table(&entries), pages.words()))?;
    }
    Ok(Exit::DONE)
}

/// Opens the images with a progress bar.
pub(super) fn open<D: Device>(
    explorer: &FeatureExplorer<'_, D>,
    (data, reading): (Option<&str>, &Reading),
    split: Option<SplitChoice>,
    loading: &mut LoadingProgress,
) -> anyhow::Result<Scanned> {
    let data = data.map(|location| GivenData { location, reading });
    let opened = explorer.open(data, split.map(Split::from), loading);
    loading.end();
    Ok(opened?)
}

/// Scans the images with a progress bar.
pub(super) fn scan<D: Device>(
    explorer: &FeatureExplorer<'_, D>,
    choice: &FilterChoice,
    scanned: &Scanned,
    (most, methods): (usize, &[Method]),
    progress: Progress,
    loading: &mut LoadingProgress,
) -> anyhow::Result<Vec<ExplainedFilter>> {
    loading.stopwatch().begin(Phase::Evaluation);
    let mut task = progress.task("scanning", scanned.images.len() as u64, Unit::Things);
    let mut observer = |event: Event<'_>| match event {
        Event::Evaluating { done, total } => {
            task.set(done as u64, String::new);
            if done == total {
                loading.stopwatch().begin(Phase::Explaining);
            }
        }
        event => loading.observe(event),
    };
    Ok(explorer.patches(choice, scanned, most, methods, &mut observer)?)
}

fn draw<D: Device>(
    arguments: &FeaturesArgs,
    explorer: &FeatureExplorer<'_, D>,
    choice: FilterChoice,
    loading: &mut LoadingProgress,
) -> anyhow::Result<Exit> {
    loading.stopwatch().begin(Phase::Explaining);
    let drawings = explorer.drawings(&choice, loading)?;
    let mut entries = explorer.drawing_entries(&choice, &drawings);
    loading.stopwatch().begin(Phase::Drawing);
    let sheet = explorer.drawing_sheet(&[(choice, drawings)]);
    let pages = picture::write_sheet(sheet, &arguments.out, arguments.common.output)?;
    loading.report_times(&Times::default());
    for (tile, entry) in entries.iter_mut().enumerate() {
        entry.source.picture = Some(pages.of_tile(tile));
    }
    if arguments.common.output.json {
        output::json(&entries)?;
    } else {
        output::text(&format!("{}{}", drawn(&entries), pages.words()))?;
    }
    Ok(Exit::DONE)
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
