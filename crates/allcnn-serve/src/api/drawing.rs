//! `GET /api/runs/NAME/drawing`: what a unit draws without an image.

use allcnn::visualise::FilterChoice;
use allcnn::visualise::render::Shading;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Serialize;

use super::explorer::Explorer;
use super::patches::Asked;
use super::problem::Problem;
use super::rendering::data_url;
use crate::engine::Drawing;

#[derive(Serialize)]
pub(super) struct Answer {
    layer: String,
    unit: usize,
    drawing: String,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let Query(Asked { layer, unit }) = asked?;
    let run = explorer.open(name).await?;
    FilterChoice::new(&run.checkpoint.network, &layer, Some(unit..unit.saturating_add(1)))?;
    let width = run.checkpoint.network.input().width;
    let drawn = explorer.ask(Drawing { run, layer: layer.clone(), unit }).await?;
    let (rows, columns) = (drawn.seen.rows, drawn.seen.columns);
    let row = |row: usize| &drawn.map[3 * (row * width + columns.start)..3 * (row * width + columns.end)];
    let map: Vec<f32> = rows.clone().flat_map(row).copied().collect();
    let drawing = data_url(&Shading::Signed.paint(&map, rows.len(), columns.len()));
    Ok(Json(Answer { layer, unit, drawing }))
}
