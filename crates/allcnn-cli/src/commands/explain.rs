//! `allcnn explain`: what in pictures a unit of a run's network looks at.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use allcnn::run::RunFolder;
use allcnn::shown::{PathText, escaped};
use allcnn::visualise::render::Shading;
use allcnn::visualise::{Coloring, Entry, Explained, FileExplainer, Place, Request, Unit, plate};
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

/// Explains, writes the files and shows what was found. Pictures that cannot be read are told, the others done, and
/// the exit code is that of failure.
pub fn run(arguments: &ExplainArgs) -> anyhow::Result<ExitCode> {
    picture::check_name("--out", &arguments.out, "png")?;
    if let Some(path) = &arguments.npy {
        picture::check_name("--npy", path, "npy")?;
    }
    let request = request(arguments)?;
    let run = RunFolder::open(&arguments.run)?;
    let device = device::open(&arguments.common)?;
    let files = picture::given(&arguments.images, arguments.common.quiet)?;
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
        Progress::new(arguments.common.quiet).task("explaining", files.len() as u64, Counted::Things);
    let (mut explained, mut entries, mut done) = (vec![], vec![], 0);
    for files in files.chunks(explainer.batch()) {
        for answer in explainer.explain(files)? {
            match answer {
                Ok(one) => {
                    entries.extend(explainer.entries(&one));
                    explained.push(one);
                }
                Err(unread) => entries.push(unread),
            }
        }
        done += files.len() as u64;
        task.set(done, String::new);
    }
    drop(task);
    if !explained.is_empty() {
        let sheet = plate(&explainer, &explained, coloring(arguments.map));
        picture::write(&arguments.out, &sheet)?;
        if let Some(path) = &arguments.npy {
            write_maps(path, &explained).with_context(|| format!("cannot write {}", path.shown()))?;
        }
    }
    if arguments.json {
        output::json(&entries)?;
    } else {
        show(arguments, &entries, !explained.is_empty())?;
    }
    let unread = entries.iter().any(|entry| matches!(entry, Entry::Unread { .. }));
    Ok(if unread { ExitCode::from(EXIT_FAILED) } else { ExitCode::SUCCESS })
}

fn request(arguments: &ExplainArgs) -> Result<Request, WrongUsage> {
    let units = match arguments.unit {
        Unit::Channel(unit) if arguments.top > 1 => {
            return Err(WrongUsage(format!("--unit {unit} with --top {}: give one of them", arguments.top)));
        }
        Unit::Channel(_) => vec![arguments.unit],
        Unit::Ranked(_) => (0..arguments.top).map(Unit::Ranked).collect(),
    };
    Ok(Request {
        layer: arguments.layer.clone(),
        units,
        place: arguments.at.unwrap_or(Place::Maximum),
        methods: picture::methods(arguments.method),
        switches: arguments.switches,
        randomize_from: arguments.randomize_from.clone(),
        seed: arguments.seed,
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

/// Writes all maps, in the order of the entries.
fn write_maps(path: &Path, explained: &[Explained]) -> std::io::Result<()> {
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

/// A line for each unit of each picture (the methods share it), then where the sheet is.
fn show(arguments: &ExplainArgs, entries: &[Entry], written: bool) -> anyhow::Result<()> {
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
            Entry::Unread { file, error } => {
                streams::message(&format!("cannot read {}: {error}", escaped(file)))
            }
        }
    }
    let mut text = String::new();
    if written {
        text = format!("{table}\npicture  {}\n", arguments.out.shown());
        if let Some(path) = &arguments.npy {
            text += &format!("maps     {}\n", path.shown());
        }
    }
    output::text(&text)
}
