//! Answers that say what is wrong.

use allcnn::run::RunError;
use allcnn::visualise::VisualiseError;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::{EngineError, Unanswered};

/// An answer that says what is wrong: a status, and a sentence under `error`.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
}

impl Problem {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn no_run(name: &str) -> Self {
        Self::not_found(format!("there is no run {name:?}"))
    }

    pub(super) fn too_large(error: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    }

    pub(super) fn no_picture(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this address is not asked that way")
    }

    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too much is asked at once: try again")
    }

    pub(super) fn ended() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the explorer ends")
    }

    /// A run that cannot be read, or has no weights yet.
    pub(super) fn of_run(error: RunError) -> Self {
        Self::not_found(error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error }))).into_response()
    }
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Busy => Self::busy(),
            Unanswered::Ended => Self::ended(),
            Unanswered::Failed(error) => error.into(),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Visualise(error) => error.into(),
            EngineError::Evaluate(error) => Self::not_found(error.to_string()),
            EngineError::Export(error) => Self::bad_request(error.to_string()),
            EngineError::TooMany(_) => Self::not_found(error.to_string()),
            EngineError::Ended => Self::ended(),
        }
    }
}

impl From<VisualiseError> for Problem {
    fn from(error: VisualiseError) -> Self {
        match error {
            VisualiseError::Device(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            VisualiseError::Images(_) | VisualiseError::Run(_) => Self::not_found(error.to_string()),
            _ => Self::bad_request(error.to_string()),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}
