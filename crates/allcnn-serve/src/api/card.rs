//! `GET /api/runs/NAME/card`: the model card.

use allcnn::export::model_card;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::explorer::{Explorer, blocking};
use super::problem::Problem;

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
    blocking(move || Ok(Json(Answer { text: model_card(&run.folder, &run.trained) }))).await
}
