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
    FilterChoice::new(&run.trained.checkpoint.network, &layer, Some(unit..unit.saturating_add(1)))?;
    let width = run.trained.checkpoint.network.input().width;
    let drawn = explorer.ask(Drawing { run, layer: layer.clone(), unit }).await?;
    let map = drawn.seen.cut(&drawn.map, width);
    let drawing = data_url(&Shading::Signed.paint(&map, drawn.seen.rows.len(), drawn.seen.columns.len()));
    Ok(Json(Answer { layer, unit, drawing }))
}
