//! `GET /api/runs` and `GET /api/runs/NAME`.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::explorer::{Explorer, blocking};
use super::problem::Problem;
use crate::runs::{Details, Listed};

/// All runs.
#[derive(Serialize)]
pub(super) struct All {
    folder: String,
    version: &'static str,
    single: Option<String>,
    runs: Vec<Listed>,
}

pub(super) async fn all(State(explorer): State<Explorer>) -> Result<Json<All>, Problem> {
    blocking(move || {
        let listing = &explorer.listing;
        let (folder, single, runs) = (listing.title(), listing.single(), listing.summaries());
        Ok(Json(All { folder, version: env!("CARGO_PKG_VERSION"), single, runs }))
    })
    .await
}

pub(super) async fn one(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
) -> Result<Json<Details>, Problem> {
    blocking(move || {
        let run = explorer.listing.folder(&name).ok_or_else(|| Problem::no_run(&name))?;
        // A run that has just begun has no weights, and so no names of classes.
        let opened = explorer.listing.open(&name).ok().flatten();
        let classes = opened.map(|run| run.trained.checkpoint.classes.clone()).unwrap_or_default();
        Details::of(name, &run, classes).map(Json).map_err(Problem::of_run)
    })
    .await
}
