//! What is explored, and where it answers.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use allcnn::run::RunFolder;

/// What the pages show.
#[derive(Clone, Debug)]
pub enum Explored {
    /// One run.
    Run(RunFolder),
    /// All runs in a folder and the folders below it.
    Folder(PathBuf),
}

/// Where the explorer answers, and to whom.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The address to listen on. Beyond loopback every request needs the token.
    pub host: IpAddr,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// The token; beyond loopback one is drawn if none is given.
    pub token: Option<String>,
}

impl Default for ServeOptions {
    /// `http://127.0.0.1:7770/`, without a token.
    fn default() -> Self {
        Self { host: Ipv4Addr::LOCALHOST.into(), port: 7770, token: None }
    }
}
