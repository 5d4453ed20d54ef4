//! The network of `models` and `bench`, with a default number of classes, since there is no data that has one.

use std::path::Path;

use allcnn::data::open_file;
use allcnn::net::Network;
use anyhow::Context;

/// Default number of classes.
const CLASSES: usize = 10;
/// Number of classes of the ImageNet networks.
const IMAGENET_CLASSES: usize = 1000;

/// The network named `model`, or read from that file, for `classes` classes or its default number.
pub(super) fn choose(model: &str, classes: Option<usize>) -> anyhow::Result<Network> {
    let imagenet = matches!(model, "imagenet-all-cnn-b" | "caffenet" | "alexnet");
    let usual = if imagenet { IMAGENET_CLASSES } else { CLASSES };
    let text = || open_file::read_text(Path::new(model), open_file::SETTINGS);
    if classes.is_none()
        && let Ok(text) = text()
        && let Ok(network) = Network::from_toml(&text)
    {
        return Ok(network); // the file has its own number of classes
    }
    planned(model, classes.unwrap_or(usual), None)
}

/// The network for `classes` classes and, if given, another input size; errors name the file.
pub(super) fn planned(model: &str, classes: usize, input: Option<(usize, usize)>) -> anyhow::Result<Network> {
    let planned = Network::open(model, classes, input);
    if model.ends_with(".toml") {
        planned.with_context(|| format!("the network file {model} cannot be used"))
    } else {
        Ok(planned?)
    }
}
