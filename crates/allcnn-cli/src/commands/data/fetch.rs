//! `allcnn data fetch`: downloads an archive from its publisher.

use allcnn::data::{self, fetch};
use allcnn::text::shown::PathText;
use serde::Serialize;

use crate::args::DataFetchArgs;
use crate::exit::Exit;
use crate::output;
use crate::progress::Progress;
use crate::training_progress::LoadingProgress;

/// Environment variable with another address to fetch from.
const URL_VARIABLE: &str = "ALLCNN_DATA_URL";

/// What `fetch --json` prints.
#[derive(Serialize)]
struct Fetched {
    file: String,
    bytes: u64,
}

/// Fetches the archive and prints its path.
pub(super) fn run(arguments: &DataFetchArgs) -> anyhow::Result<Exit> {
    let folder = match &arguments.to {
        Some(folder) => folder.clone(),
        None => data::data_folder()?,
    };
    let url = std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
    let mut loading = LoadingProgress::new(Progress::of(arguments.output));
    let file = fetch::fetch(arguments.name, &folder, url.as_deref(), &mut |at| loading.show(at))?;
    loading.end();
    let bytes = std::fs::metadata(&file)?.len();
    if arguments.output.json {
        output::json(&Fetched { file: file.text(), bytes })?;
    } else {
        output::text(&format!("{}\n", file.shown()))?;
    }
    Ok(Exit::DONE)
}
