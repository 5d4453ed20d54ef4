//! `GET /api/runs/NAME/samples`: held-out images of the run's data, to begin with.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};

use super::explorer::Explorer;
use super::problem::Problem;
use super::rendering::data_url;
use crate::engine::HoldOut;

/// The most samples.
const MOST: usize = 24;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default = "eight")]
    count: usize,
}

fn eight() -> usize {
    8
}

#[derive(Serialize)]
pub(super) struct Answer {
    samples: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    image: String,
    class: Option<String>,
    picture: String,
    seen: String,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let Query(Asked { count }) = asked?;
    let run = explorer.open(name).await?;
    let held_out = explorer.ask(HoldOut { run: run.clone() }).await?;
    let shown = held_out.samples(count.min(MOST)).into_iter().map(|sample| Shown {
        picture: explorer.shelf.put(&sample.picture),
        seen: data_url(&run.trained.transform.show(&sample.picture.pixels)),
        image: sample.image,
        class: sample.class,
    });
    Ok(Json(Answer { samples: shown.collect() }))
}
