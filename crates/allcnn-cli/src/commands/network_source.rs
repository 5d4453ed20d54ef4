//! A network as the command line names it: one of the paper's, or a TOML file of layers.

use std::path::PathBuf;

use allcnn::net::{self, Network};
use anyhow::Context;

use crate::failure::Usage;

/// Classes of a network when nothing says how many.
const CLASSES: usize = 10;
/// Classes of the networks for ImageNet.
const IMAGENET_CLASSES: usize = 1000;

/// Where a network comes from, for any number of classes.
#[derive(Debug)]
pub enum NetworkSource {
    /// A network of the paper.
    Named(String),
    /// The text of a file.
    File {
        /// The file.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
}

impl NetworkSource {
    /// Finds the network called `given`; a name that none has is wrong usage.
    pub fn find(given: &str) -> anyhow::Result<Self> {
        if !given.ends_with(".toml") && !given.contains(['/', '\\']) {
            Network::named(given, CLASSES).map_err(|error| Usage(error.to_string()))?;
            return Ok(Self::Named(given.to_owned()));
        }
        let path = PathBuf::from(given);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("cannot read the network file {given}: expected a TOML list of layers")
        })?;
        Ok(Self::File { path, text })
    }

    /// The network for as many classes.
    pub fn for_classes(&self, classes: usize) -> anyhow::Result<Network> {
        match self {
            Self::Named(name) => Ok(Network::named(name, classes)?),
            Self::File { .. } => self.in_file(|text| Network::from_toml_for(text, classes)),
        }
    }

    /// The network for the classes that it says itself, or that such a network usually has.
    pub fn for_usual_classes(&self) -> anyhow::Result<Network> {
        match self {
            Self::Named(name) => {
                let classes = if (name.starts_with("imagenet-") || name == "caffenet") {
                    IMAGENET_CLASSES
                } else {
                    CLASSES
                };
                self.for_classes(classes)
            }
            Self::File { .. } => self.in_file(|text| {
                // A file that leaves the classes to the data is fine, one that is wrong otherwise fails again.
                Network::from_toml(text).or_else(|_| Network::from_toml_for(text, CLASSES))
            }),
        }
    }

    fn in_file(&self, read: impl Fn(&str) -> Result<Network, net::Error>) -> anyhow::Result<Network> {
        let (path, text) = match self {
            Self::File { path, text } => (path.display().to_string(), text.as_str()),
            Self::Named(name) => (name.clone(), ""),
        };
        read(text).with_context(|| format!("the network file {path} cannot be used"))
    }
}
