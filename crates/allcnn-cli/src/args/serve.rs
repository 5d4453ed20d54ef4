//! The flags of `allcnn serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::common::Common;

/// `allcnn serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A run folder, a folder with run folders, or demo
    #[arg(value_name = "RUN|FOLDER|demo", default_value = "runs")]
    pub explored: PathBuf,
    /// The port; 0 for any that is free
    #[arg(long, value_name = "N", default_value = "7770")]
    pub port: u16,
    /// The address to listen on; other machines reach all but 127.0.0.1, and need the token
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// What every request must carry: 16 characters or more [default: drawn and printed where other machines can ask]
    #[arg(long, value_name = "T")]
    pub token: Option<String>,
    /// Do not open the page in a browser
    #[arg(long)]
    pub no_open: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}
