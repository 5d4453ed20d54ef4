//! The page that takes the token.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::refusal::refusal;
use super::rules::Door;
use super::token::cookie_name;

/// The page that asks for the token.
pub(super) async fn page() -> impl IntoResponse {
    (StatusCode::UNAUTHORIZED, Html(include_str!("entry.html")))
}

/// The answer for a program that did not send the token.
pub(super) fn token_needed() -> Response {
    refusal(
        StatusCode::UNAUTHORIZED,
        "the token is needed: send it as `Authorization: Bearer TOKEN`, or open / in a browser",
    )
}

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct Sent {
    token: String,
}

/// Takes the token and keeps it in a cookie.
pub(super) async fn take(State(door): State<Arc<Door>>, Form(sent): Form<Sent>) -> Response {
    let port = door.port();
    match door.token() {
        Some(token) if token.is(sent.token.trim()) => {
            let name = cookie_name(port);
            let cookie = format!("{name}={}; HttpOnly; SameSite=Strict; Path=/", token.reveal());
            (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)]).into_response()
        }
        Some(_) => page().await.into_response(),
        None => (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response(),
    }
}
