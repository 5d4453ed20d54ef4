//! `POST /api/runs/NAME/predict`: the most probable classes of a picture.

use allcnn::predict::{Guess, Prediction};
use allcnn::visualise::{Target, Unit};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use serde::{Deserialize, Serialize};

use super::explorer::Explorer;
use super::picture::Seen;
use super::problem::Problem;
use super::rendering::data_url;
use crate::engine::{Explain, Weights};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default = "five")]
    top: usize,
    picture: Option<String>,
    random_from: Option<String>,
}

fn five() -> usize {
    5
}

#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    prediction: Prediction,
    picture: String,
    seen: String,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Json<Answer>, Problem> {
    let Query(asked) = asked?;
    let run = explorer.open(name).await?;
    let Seen { id, pixels } = Seen::of(request, asked.picture.as_deref(), &run, &explorer).await?;
    let classes = Target::of_classes(&run.trained.checkpoint.network, vec![])?;
    let question = Explain {
        weights: Weights { run: run.clone(), random_from: asked.random_from },
        picture: pixels.clone(),
        layer: classes.name().into(),
        units: vec![Unit::STRONGEST],
        ways: vec![],
        switches: false,
    };
    let views = explorer.ask(question).await?;
    let probabilities =
        views.into_iter().next().map(|view| view.explanation.probabilities).unwrap_or_default();
    let guesses = Guess::best(&run.trained.checkpoint.classes, &probabilities, asked.top.max(1));
    let prediction = Prediction::Seen { file: "picture".into(), predictions: guesses, unsure: false };
    Ok(Json(Answer { prediction, picture: id, seen: data_url(&run.trained.transform.show(&pixels)) }))
}
