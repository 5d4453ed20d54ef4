//! All addresses.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::time::timeout;

use super::explorer::{BODY, Explorer};
use super::problem::Problem;
use super::{
    activations, card, drawing, events, explain, export, latest_mistakes, mistakes, near, patches, predict,
    run_list, samples,
};
use crate::pages;

/// How long a request may take; looking through a run's data takes longest.
const LONGEST: Duration = Duration::from_secs(600);

/// All routes: the pages, and what they ask.
pub(crate) fn routes(explorer: Explorer) -> Router {
    let run = Router::new()
        .route("/", get(run_list::one))
        .route("/events", get(events::listen))
        .route("/predict", post(predict::answer))
        .route("/explain", post(explain::answer))
        .route("/activations", post(activations::answer))
        .route("/patches", get(patches::answer))
        .route("/drawing", get(drawing::answer))
        .route("/samples", get(samples::answer))
        .route("/mistakes", get(mistakes::answer))
        .route("/mistakes/latest", get(latest_mistakes::answer))
        .route("/mistakes/pictures", get(mistakes::pictures))
        .route("/near", get(near::answer))
        .route("/card", get(card::answer))
        .route("/export/onnx", get(export::onnx))
        .route("/export/safetensors", get(export::safetensors))
        .route("/export/html", get(export::html));
    let api = Router::new()
        .route("/runs", get(run_list::all))
        .nest("/runs/{name}", run)
        .fallback(|| async { Problem::not_found("there is no such address") })
        .method_not_allowed_fallback(|| async { Problem::method() })
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(explorer);
    Router::new().nest("/api", api).merge(pages::routes()).layer(middleware::from_fn(in_time))
}

/// Ends requests that take too long.
async fn in_time(request: Request, next: Next) -> Response {
    match timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::busy().into_response(),
    }
}
