//! `allcnn explain`: what in pictures activates a unit of a run's network.

use std::fmt::Display;
use std::path::Path;

use allcnn::run::RunFolder;
use allcnn::text::shown::{PathText, escaped};
use allcnn::visualise::render::Shading;
use allcnn::visualise::{
    Attribution, AttributionSettings, Coloring, Entry, ExplainRequest, ExplainedFiles, MapScore, Position,
    Unit, Unread, explain_files,
};
use anyhow::Context;

use super::picture;
use crate::args::{ExplainArgs, MapChoice};
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::failure::WrongUsage;
use crate::npy;
use crate::output::{self, Align, Table};
use crate::progress::Progress;
use crate::streams;
use crate::training_progress::LoadingProgress;
use crate::values::UnitChoice;

/// Explains the pictures, writes the files and prints the result. Pictures that cannot be read are reported and skipped;
/// the exit code is then that of failure.
pub(super) fn run(arguments: &ExplainArgs) -> anyhow::Result<Exit> {
    picture::check_out("--out", &arguments.out, "png")?;
    if let Some(path) = &arguments.npy {
        picture::check_out("--npy", path, "npy")?;
    }
    let request = request(arguments)?;
    let run = RunFolder::open(&arguments.run)?;
    let device = device::open(&arguments.common)?;
    let files = picture::given(&arguments.images, arguments.common.output)?;
    let mut progress = LoadingProgress::new(Progress::of(arguments.common.output));
    let shown = on_device!(device, |device| {
        explain_files(&device, &run, &request, &files, &arguments.out, &mut progress)
    })?;
    progress.end();
    if let Some(path) = &arguments.npy
        && shown.pages.is_some()
    {
        write_maps(path, &shown).with_context(|| format!("cannot write {}", path.shown()))?;
    }
    if arguments.common.output.json {
        output::json(&shown.entries)?;
    } else {
        show(arguments, &shown)?;
    }
    let unread = shown.files.iter().any(Result::is_err);
    Ok(if unread { Exit::FAILED } else { Exit::DONE })
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
        position: arguments.at.unwrap_or(Position::Maximum),
        methods: arguments.method.ways(),
        settings: AttributionSettings {
            samples: arguments.samples,
            noise: arguments.noise,
            seed: arguments.seed,
            steps: arguments.steps,
            window: arguments.window,
            stride: arguments.stride,
        },
        score: arguments.score,
        coloring: coloring(arguments.map),
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

/// The mean scores of each way to explain.
fn score_table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&[
        ("method", Align::Left),
        ("maps", Align::Right),
        ("deletion", Align::Right),
        ("insertion", Align::Right),
        ("likeness to random weights", Align::Right),
    ]);
    for way in Attribution::EVERY {
        let scores = entries.iter().filter_map(|entry| match entry {
            Entry::Explained { method, score, .. } if *method == way => *score,
            _ => None,
        });
        let scores: Vec<MapScore> = scores.collect();
        if scores.is_empty() {
            continue;
        }
        let mean = |of: fn(&MapScore) -> f64| {
            format!("{:.3}", scores.iter().map(of).sum::<f64>() / scores.len() as f64)
        };
        let means = [
            mean(|score| score.deletion),
            mean(|score| score.insertion),
            mean(|score| score.randomized_similarity),
        ];
        table.row([way.word().to_owned(), scores.len().to_string()].into_iter().chain(means));
    }
    table
}

/// Writes all maps as one array, in the order of the entries.
fn write_maps(path: &Path, shown: &ExplainedFiles) -> std::io::Result<()> {
    let maps: Vec<&[f32]> = shown
        .explained()
        .flat_map(|explained| explained.units.iter().flatten())
        .flat_map(|view| view.explanation.maps.iter().map(Vec::as_slice))
        .collect();
    let size = shown.explained().next().map_or([0; 2], |one| [one.picture.height, one.picture.width]);
    let shape = [maps.len(), size[0], size[1], 3];
    let shape = if maps.len() == 1 { &shape[1..] } else { &shape };
    npy::write(path, shape, maps.into_iter())
}

/// Prints a line per picture and unit (all methods share it), then the path of the sheet.
fn show(arguments: &ExplainArgs, shown: &ExplainedFiles) -> anyhow::Result<()> {
    let columns = ["file", "class", "probability", "layer", "unit", "row", "column", "activation"];
    let mut table = Table::new(&columns.map(|name| match name {
        "file" | "class" | "layer" => (name, Align::Left),
        _ => (name, Align::Right),
    }));
    let mut last: Option<Vec<String>> = None;
    for entry in &shown.entries {
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
    if let Some(pages) = &shown.pages {
        text = format!("{}\n\n{table}\n{}", escaped(&shown.caption), pages.words());
        if let Some(path) = &arguments.npy {
            text += &format!("maps     {}\n", path.shown());
        }
        if arguments.score {
            text += &format!("\n{}", score_table(&shown.entries));
        }
    }
    output::text(&text)
}
