//! The pages: plain ES modules and style sheets, compiled into the program.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!("../pages/", $name)))),*]
    };
}

/// The files under `/pages/`.
const FILES: &[(&str, &[u8])] = files!("address.js" "answer.js" "api.js" "app.js" "card.js" "chart.js" "compare.js" "confusion.js" "dom.js" "icon.svg" "index.html" "latest_mistakes.js" "markdown.js" "methods.js" "mistakes.js" "near.js" "picture.js" "run.js" "runs.js" "samples.js" "sorting.js" "stage.js" "style.css" "training.js" "try.js" "unit.js" "units.js" "words.js");

/// The page that a browser opens, and what it loads.
pub(crate) fn routes() -> Router {
    let index = || async { file("index.html") };
    Router::new()
        .route("/", get(index))
        .route("/pages/{name}", get(|Path(name): Path<String>| async move { file(&name) }))
}

fn file(name: &str) -> Response {
    let Some((_, bytes)) = FILES.iter().find(|(known, _)| *known == name) else {
        return (StatusCode::NOT_FOUND, "there is no such page").into_response();
    };
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    };
    // A newer program has newer pages at the same address.
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], *bytes).into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/pages");
        let names =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(names, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
