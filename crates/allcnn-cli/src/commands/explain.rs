//! `allcnn explain`: what in pictures activates a unit of a run's network.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use allcnn::run::RunFolder;
use allcnn::text::shown::{PathText, escaped};
use allcnn::visualise::render::{Pages, Shading};
use allcnn::visualise::{
    Coloring, Entry, ExplainRequest, Explained, FileExplainer, Place, Unit, Unread, plate, what_is_shown,
};
use allcnn_device::Device;
use anyhow::Context;

use super::picture;
use crate::args::{ExplainArgs, MapChoice};
use crate::device::{self, on_device};
use crate::failure::{EXIT_FAILED, WrongUsage};
use crate::npy;
use crate::output::{self, Align, Table};
use crate::progress::{Progress, Unit as Counted};
use crate::streams;
use crate::values::UnitChoice;

/// Explains the pictures, writes the files and prints the result. Pictures that cannot be read are reported and skipped;
/// the exit code is then that of failure.
pub fn run(arguments: &ExplainArgs) -> anyhow::Result<ExitCode> {
    picture::check_out("--out", &arguments.out, "png")?;
    if let Some(path) = &arguments.npy {
        picture::check_out("--npy", path, "npy")?;
    }
    let request = request(arguments)?;
    let run = RunFolder::open(&arguments.run)?;
    let device = device::open(&arguments.common)?;
    let files = picture::given(&arguments.images, arguments.common.telling)?;
    on_device!(device, |device| {
        explain(arguments, FileExplainer::new(&device, &run, &request, files.len())?, &files)
    })
}

fn explain<D: Device>(
    arguments: &ExplainArgs,
    mut explainer: FileExplainer<'_, D>,
    files: &[PathBuf],
) -> anyhow::Result<ExitCode> {
    let mut task =
        Progress::of(arguments.common.telling).task("explaining", files.len() as u64, Counted::Things);
    let mut answers = vec![];
    for files in files.chunks(explainer.batch()) {
        answers.extend(explainer.explain(files)?);
        task.set(answers.len() as u64, String::new);
    }
    drop(task);
    let explained: Vec<&Explained> = answers.iter().flatten().collect();
    let mut pages = None;
    if !explained.is_empty() {
        let sheet = plate(&explainer, explained.iter().copied(), coloring(arguments.map));
        pages = Some(sheet.write_pages(&arguments.out)?);
        if let Some(path) = &arguments.npy {
            write_maps(path, &explained).with_context(|| format!("cannot write {}", path.shown()))?;
        }
    }
    let entries = explainer.all_entries(&answers, pages.as_ref());
    if arguments.common.telling.json {
        output::json(&entries)?;
    } else {
        let views = explained.iter().flat_map(|explained| explained.units.iter().flatten());
        show(arguments, &entries, &what_is_shown(&explainer, views), pages.as_ref())?;
    }
    let unread = entries.iter().any(|entry| matches!(entry, Entry::Unread(_)));
    Ok(if unread { ExitCode::from(EXIT_FAILED) } else { ExitCode::SUCCESS })
}

fn request(arguments: &ExplainArgs) -> Result<ExplainRequest, WrongUsage> {
    let top = arguments.top;
    let several =
        |unit: &dyn Display| WrongUsage(format!("--unit {unit} with --top {top}: give one of them"));
    let (units, class) = match &arguments.unit {
        UnitChoice::Number(unit) if top > 1 => return Err(several(unit)),
        UnitChoice::Class(class) if top > 1 => return Err(several(&escaped(class))),
        UnitChoice::Number(unit) => (vec![Unit::Channel(*unit)], None),
        UnitChoice::Class(class) => (vec![], Some(class.clone())),
        UnitChoice::Strongest => ((0..top).map(Unit::Ranked).collect(), None),
    };
    Ok(ExplainRequest {
        layer: arguments.layer.clone(),
        units,
        class,
        place: arguments.at.unwrap_or(Place::Maximum),
        methods: picture::methods(arguments.method),
        switches: arguments.switches,
        randomize_from: arguments.randomize_from.clone(),
        seed: arguments.seed,
        checkpoint: arguments.checkpoint.into(),
    })
}

fn coloring(map: MapChoice) -> Coloring {
    match map {
        MapChoice::Signed => Coloring::Map(Shading::Signed),
        MapChoice::Absolute => Coloring::Map(Shading::Absolute),
        MapChoice::Positive => Coloring::Map(Shading::Positive),
        MapChoice::Overlay => Coloring::Overlay,
    }
}

/// Writes all maps as one array, in the order of the entries.
fn write_maps(path: &Path, explained: &[&Explained]) -> std::io::Result<()> {
    let maps: Vec<&[f32]> = explained
        .iter()
        .flat_map(|explained| explained.units.iter().flatten())
        .flat_map(|view| view.explanation.maps.iter().map(Vec::as_slice))
        .collect();
    let size = explained.first().map_or([0; 2], |one| [one.picture.height, one.picture.width]);
    let shape = [maps.len(), size[0], size[1], 3];
    let shape = if maps.len() == 1 { &shape[1..] } else { &shape };
    npy::write(path, shape, maps.into_iter())
}

/// Prints a line per picture and unit (all methods share it), then the path of the sheet.
fn show(
    arguments: &ExplainArgs,
    entries: &[Entry],
    shown: &str,
    pages: Option<&Pages>,
) -> anyhow::Result<()> {
    let columns = ["file", "class", "probability", "layer", "unit", "row", "column", "activation"];
    let mut table = Table::new(&columns.map(|name| match name {
        "file" | "class" | "layer" => (name, Align::Left),
        _ => (name, Align::Right),
    }));
    let mut last: Option<Vec<String>> = None;
    for entry in entries {
        match entry {
            Entry::Explained {
                file,
                layer,
                unit,
                row,
                column,
                activation,
                class,
                probability,
                switches,
                ..
            } => {
                let layer = if *switches { format!("{layer} (switches)") } else { layer.clone() };
                let share = format!("{:.2} %", 100.0 * probability);
                let [unit, row, column] = [unit, row, column].map(ToString::to_string);
                let line = vec![
                    file.clone(),
                    class.clone(),
                    share,
                    layer,
                    unit,
                    row,
                    column,
                    format!("{activation:.4}"),
                ];
                if last.as_ref() != Some(&line) {
                    table.row(line.clone());
                }
                last = Some(line);
            }
            Entry::Unread(Unread { file, error }) => {
                streams::message(&format!("cannot read {}: {error}", escaped(file)))
            }
        }
    }
    let mut text = String::new();
    if let Some(pages) = pages {
        text = format!("{}\n\n{table}\n{}", escaped(shown), pages.words());
        if let Some(path) = &arguments.npy {
            text += &format!("maps     {}\n", path.shown());
        }
    }
    output::text(&text)
}
