//! `GET /api/runs/NAME/card`: the model card.

use allcnn::export::{Trained, model_card};
use allcnn::run::WhichCheckpoint;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::explorer::{Explorer, blocking};
use super::problem::Problem;
use crate::engine::EngineError;

#[derive(Serialize)]
pub(super) struct Answer {
    /// Markdown.
    text: String,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
) -> Result<Json<Answer>, Problem> {
    let run = explorer.open(name).await?;
    blocking(move || {
        let trained = Trained::open(&run.folder, WhichCheckpoint::Best).map_err(EngineError::from)?;
        Ok(Json(Answer { text: model_card(&run.folder, &trained) }))
    })
    .await
}
