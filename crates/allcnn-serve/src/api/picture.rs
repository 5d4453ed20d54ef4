//! The picture of a request, as the network of a run sees it.

use std::sync::Arc;

use allcnn::data::Identity;
use axum::body::to_bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use tokio::time::timeout;

use super::explorer::{BODY, Explorer, UPLOAD, blocking};
use super::problem::Problem;
use super::shelf::Sent;
use crate::runs::OpenRun;

/// A picture as the network of a run sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// By which it is found again.
    pub id: String,
    /// `[height, width, 3]`, of the size that the run's transform takes.
    pub pixels: Arc<[u8]>,
}

impl Seen {
    /// The picture in the body of a request, or the one that was sent before and has this identifier.
    pub(super) async fn of(
        request: Request,
        id: Option<&str>,
        run: &Arc<OpenRun>,
        explorer: &Explorer,
    ) -> Result<Self, Problem> {
        let shelf = &explorer.shelf;
        let sent = match id {
            Some(id) => shelf
                .find(id)
                .ok_or_else(|| Problem::not_found("the picture is no longer kept: send it again"))?,
            None => {
                let _place = explorer.uploads.try_acquire().map_err(|_| Problem::busy())?;
                let late = |_| Problem::bad_request("the picture took too long to arrive");
                timeout(UPLOAD, sent(request)).await.map_err(late)??
            }
        };
        shelf.keep(sent.clone());
        let run = Arc::clone(run);
        let decode = move || {
            let picture = run
                .decode(&sent.bytes)
                .map_err(|why| Problem::no_picture(format!("the picture cannot be read: {why}")))?;
            Ok(Self { id: sent.id, pixels: picture.pixels.into() })
        };
        blocking(decode).await
    }
}

/// The picture in the body of a request: the body itself, or the field `image` of a form.
async fn sent(request: Request) -> Result<Sent, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let bytes: Arc<[u8]> = if kind.starts_with("multipart/") {
        of_form(request).await?
    } else {
        let body = to_bytes(request.into_body(), BODY).await;
        body.map_err(|_| Problem::too_large(format!("the picture is larger than {} MiB", BODY >> 20)))?[..]
            .into()
    };
    if bytes.is_empty() {
        return Err(Problem::bad_request(
            "there is no picture: send its bytes, or a form with the field image",
        ));
    }
    Ok(Sent { id: Identity::of(&bytes).to_string(), bytes })
}

async fn of_form(request: Request) -> Result<Arc<[u8]>, Problem> {
    let wrong = |error: MultipartError| {
        if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            Problem::too_large(error.body_text())
        } else {
            Problem::bad_request(error.body_text())
        }
    };
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        if field.name() == Some("image") {
            return Ok(field.bytes().await.map_err(wrong)?[..].into());
        }
    }
    Err(Problem::bad_request("the form has no field image"))
}
