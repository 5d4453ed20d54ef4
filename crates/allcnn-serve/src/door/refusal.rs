//! Answers that refuse a request.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// An answer that refuses a request, in words.
pub(super) fn refusal(status: StatusCode, text: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "error": text }))).into_response()
}
