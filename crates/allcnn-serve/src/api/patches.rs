//! `GET /api/runs/NAME/patches`: the images of the run's data that activate a unit most.

use allcnn::visualise::FilterChoice;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};

use super::explorer::Explorer;
use super::problem::Problem;
use super::rendering::data_url;
use crate::engine::{FoundPatch, Patches};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub layer: String,
    pub unit: usize,
}

#[derive(Serialize)]
pub(super) struct Answer {
    layer: String,
    unit: usize,
    /// How many were looked at.
    images: usize,
    patches: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    image: String,
    class: Option<String>,
    activation: f32,
    picture: Option<String>,
    map: Option<String>,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let Query(Asked { layer, unit }) = asked?;
    let run = explorer.open(name).await?;
    FilterChoice::new(&run.trained.checkpoint.network, &layer, Some(unit..unit.saturating_add(1)))?;
    let found = explorer.ask(Patches { run, layer: layer.clone(), unit }).await?;
    let shown = |FoundPatch { image, class, activation, pictures }: FoundPatch| {
        let mut urls = pictures.iter().map(data_url);
        Shown { image, class, activation, picture: urls.next(), map: urls.next() }
    };
    let patches = found.patches.into_iter().map(shown).collect();
    Ok(Json(Answer { layer, unit, images: found.images, patches }))
}
