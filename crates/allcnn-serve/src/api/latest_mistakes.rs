//! `GET /api/runs/NAME/mistakes/latest`: the surest mistakes after the last epoch of its training, as the training noted them.

use allcnn::run::Mistake;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::explorer::{Explorer, blocking};
use super::problem::Problem;
use super::rendering::data_url;
use crate::engine::HoldOut;

#[derive(Serialize)]
pub(super) struct Answer {
    pictures: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    mistake: Mistake,
    picture: String,
    seen: String,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
) -> Result<Json<Answer>, Problem> {
    let run = explorer.open(name).await?;
    let mistakes = run.folder.mistakes();
    let Some(split) = run.trained.manifest.data.selected_on().filter(|_| !mistakes.is_empty()) else {
        return Ok(Json(Answer { pictures: vec![] }));
    };
    let held_out = explorer.ask(HoldOut { run: run.clone() }).await?;
    blocking(move || {
        let shown = mistakes.into_iter().filter_map(|mistake| {
            let sample = held_out.named(split, &mistake.image)?;
            let picture = explorer.shelf.put(&sample.picture);
            Some(Shown {
                mistake,
                picture,
                seen: data_url(&run.trained.transform.show(&sample.picture.pixels)),
            })
        });
        Ok(Json(Answer { pictures: shown.collect() }))
    })
    .await
}
