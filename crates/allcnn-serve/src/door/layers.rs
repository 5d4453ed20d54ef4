//! The checks in front of all routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::refusal::refusal;
use super::rules::Door;
use super::{entry, headers};

/// Puts the door in front of all routes, those for the token and for other programs' checks of health included.
pub(crate) fn put_before(door: Door, routes: Router) -> Router {
    let door = Arc::new(door);
    let token =
        Router::new().route("/token", get(entry::page).post(entry::take)).with_state(Arc::clone(&door));
    let routes = routes
        .layer(middleware::from_fn_with_state(Arc::clone(&door), expect_token))
        .merge(token)
        .route("/healthz", get(|| async { axum::Json(serde_json::json!({ "status": "ok" })) }));
    // The outermost layers see a request first, and those that fit no route too.
    let checked = routes.layer(middleware::from_fn_with_state(door, expect_own_site));
    checked.layer(middleware::map_response(headers::add))
}

/// Refuses requests to other hosts and from other sites.
async fn expect_own_site(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    match door.fault(&request) {
        Some(fault) => refusal(StatusCode::FORBIDDEN, fault),
        None => next.run(request).await,
    }
}

/// Refuses requests without the token.
async fn expect_token(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    if door.is_open_to(&request) {
        return next.run(request).await;
    }
    let path = request.uri().path();
    let wants_page =
        request.method() == Method::GET && !path.starts_with("/api/") && !path.starts_with("/pages/");
    if wants_page { entry::page().await.into_response() } else { entry::token_needed() }
}
