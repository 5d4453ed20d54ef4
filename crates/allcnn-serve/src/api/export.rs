//! `GET /api/runs/NAME/export/...`: the run as a file for other programs.

use allcnn::export::{OnnxOptions, Trained, write_html, write_safetensors};
use allcnn::visualise::Method;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::explorer::{Explorer, blocking};
use super::problem::Problem;
use crate::engine::{Onnx, in_a_file};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    explain: Option<String>,
}

/// The network with its preprocessing, and the way back to the picture if `explain` says which.
pub(super) async fn onnx(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Asked { explain }) = asked?;
    let explain = explain.as_deref().map(method).transpose()?;
    let run = explorer.open(name).await?;
    let options = OnnxOptions { explain, ..OnnxOptions::default() };
    let file = explorer.ask(Onnx { run: run.clone(), options }).await?;
    Ok(attachment(&run.name, "onnx", file))
}

fn method(word: &str) -> Result<Method, Problem> {
    let method = Method::ALL.into_iter().find(|method| method.word() == word);
    method.ok_or_else(|| {
        Problem::bad_request(format!("there is no {word:?}; expected guided, backprop or deconvnet"))
    })
}

/// The weights, in PyTorch's layout.
pub(super) async fn safetensors(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    written(explorer, name, "safetensors", |trained, path| write_safetensors(trained, path).map(drop)).await
}

/// A page that classifies pictures by itself.
pub(super) async fn html(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    written(explorer, name, "html", |trained, path| write_html(trained, path).map(drop)).await
}

async fn written(
    explorer: Explorer,
    name: String,
    ending: &'static str,
    write: impl FnOnce(&Trained, &std::path::Path) -> Result<(), allcnn::export::ExportError> + Send + 'static,
) -> Result<Response, Problem> {
    let run = explorer.open(name).await?;
    blocking(move || {
        let file = in_a_file(&format!("model.{ending}"), |path| write(&run.trained, path))?;
        Ok(attachment(&run.name, ending, file))
    })
    .await
}

/// A file that a browser saves and never shows: a page among these must not run as one of ours.
fn attachment(name: &str, ending: &str, file: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}.{ending}\"");
    ([(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, disposition)], file)
        .into_response()
}
