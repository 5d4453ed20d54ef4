//! `POST /api/runs/NAME/explain`: what in a picture activates units of a layer.

use std::time::Instant;

use allcnn::score::ranked;
use allcnn::visualise::render::{Shading, overlay};
use allcnn::visualise::{Attribution, Position, Target, Unit};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use serde::{Deserialize, Serialize};

use super::explorer::Explorer;
use super::picture::Seen;
use super::problem::Problem;
use super::rendering::{above, data_url, values};
use crate::engine::{Explain, View, Weights};
use crate::runs::OpenRun;

/// The most units of one request.
const UNITS: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    picture: Option<String>,
    #[serde(default)]
    method: Option<String>,
    layer: Option<String>,
    unit: Option<usize>,
    class: Option<String>,
    top: Option<usize>,
    row: Option<usize>,
    column: Option<usize>,
    #[serde(default)]
    map: Map,
    #[serde(default)]
    threshold: f32,
    random_from: Option<String>,
    #[serde(default)]
    switches: bool,
}

/// How a map is shown.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Map {
    #[default]
    Signed,
    Absolute,
    Positive,
    Overlay,
}

#[derive(Serialize)]
pub(super) struct Answer {
    picture: String,
    seen: String,
    /// From the picture in hand to the maps.
    milliseconds: f64,
    maps: Vec<Shown>,
}

/// A map, and of what it is.
#[derive(Serialize)]
struct Shown {
    method: &'static str,
    layer: String,
    unit: usize,
    row: usize,
    column: usize,
    activation: f32,
    class: String,
    probability: f32,
    switches: bool,
    map: String,
    receptive_field: Field,
    values: String,
}

/// The part of the picture that a unit sees: from the first number to before the second.
#[derive(Serialize)]
struct Field {
    rows: [usize; 2],
    columns: [usize; 2],
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Json<Answer>, Problem> {
    let Query(asked) = asked?;
    let run = explorer.open(name).await?;
    let target = asked.target(&run)?;
    let ways = asked.ways()?;
    let Seen { id, pixels } = Seen::of(request, asked.picture.as_deref(), &run, &explorer).await?;
    let begun = Instant::now();
    let question = Explain {
        weights: Weights { run: run.clone(), random_from: asked.random_from.clone() },
        picture: pixels.clone(),
        layer: target.name().into(),
        units: asked.units(&target),
        ways: ways.clone(),
        switches: asked.switches,
    };
    let views = explorer.ask(question).await?;
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    let seen = run.trained.transform.show(&pixels);
    let of_classes = target.is_of_classes(&run.trained.checkpoint.network);
    let shown = views.iter().flat_map(|view| {
        let (each, run, target, seen, asked) =
            (ways.iter().zip(&view.explanation.maps), &run, &target, &seen, &asked);
        each.map(move |(way, map)| shown(run, target, view, (*way, map), seen, of_classes, asked))
    });
    let maps = shown.collect();
    Ok(Json(Answer { picture: id, seen: data_url(&seen), milliseconds, maps }))
}

impl Asked {
    fn ways(&self) -> Result<Vec<Attribution>, Problem> {
        let named = self.method.as_deref().unwrap_or("guided").split(',');
        let way = |word: &str| {
            let known = || Attribution::EVERY.map(Attribution::word).join(", ");
            let way = Attribution::EVERY.into_iter().find(|way| way.word() == word);
            way.ok_or_else(|| {
                Problem::bad_request(format!("there is no method {word:?}; expected one of {}", known()))
            })
        };
        named.map(way).collect()
    }

    /// The layer and its units, checked.
    fn target(&self, run: &OpenRun) -> Result<Target, Problem> {
        let network = &run.trained.checkpoint.network;
        let top = self.top.unwrap_or(1).clamp(1, UNITS);
        let units = match self.unit {
            Some(unit) => vec![Unit::Channel(unit)],
            None => (0..top).map(Unit::Ranked).collect(),
        };
        let target = match &self.layer {
            Some(layer) => Target::new(network, layer, units)?,
            None => Target::of_classes(network, units)?,
        };
        let target = match &self.class {
            Some(class) => target.of_class(network, &run.trained.checkpoint.classes, class)?,
            None => target,
        };
        match (self.row, self.column, target.units()) {
            (None, None, _) => Ok(target),
            (Some(row), Some(column), [Unit::Channel(_)]) => Ok(target.at(Position::At { row, column })?),
            _ => Err(Problem::bad_request("a place needs row, column and a unit")),
        }
    }

    /// The units, with their place where one was asked for.
    fn units(&self, target: &Target) -> Vec<Unit> {
        let place = |unit: &Unit| match (*unit, self.row, self.column) {
            (Unit::Channel(channel), Some(row), Some(column)) => Unit::Place { channel, row, column },
            (unit, ..) => unit,
        };
        target.units().iter().map(place).collect()
    }
}

/// A map for the page.
fn shown(
    run: &OpenRun,
    target: &Target,
    View { explanation, switches }: &View,
    (way, map): (Attribution, &[f32]),
    seen: &allcnn::data::decode::Picture,
    of_classes: bool,
    asked: &Asked,
) -> Shown {
    let (network, classes) = (&run.trained.checkpoint.network, &run.trained.checkpoint.classes);
    let (input, unit) = (network.input(), explanation.unit);
    let strong = above(map, asked.threshold.clamp(0.0, 1.0));
    let paint = |shading: Shading| shading.paint(&strong, input.height, input.width);
    let picture = match asked.map {
        Map::Signed => paint(Shading::Signed),
        Map::Absolute => paint(Shading::Absolute),
        Map::Positive => paint(Shading::Positive),
        Map::Overlay => overlay(&strong, seen),
    };
    let probabilities = &explanation.probabilities;
    let best = || ranked(probabilities, 1).first().copied().unwrap_or_default();
    let class = if of_classes { unit.channel } else { best() };
    let field = network.input_rectangle(target.layer(), unit.row, unit.column);
    Shown {
        method: way.word(),
        layer: target.name().into(),
        unit: unit.channel,
        row: unit.row,
        column: unit.column,
        activation: unit.activation,
        class: classes[class].clone(),
        probability: probabilities[class],
        switches: *switches,
        map: data_url(&picture),
        receptive_field: Field {
            rows: [field.rows.start, field.rows.end],
            columns: [field.columns.start, field.columns.end],
        },
        values: values(&strong, input.channels),
    }
}
