//! Fuzz targets: each parses arbitrary bytes as the format it is named after. It must not panic or use much memory
//! or time, and returns whether the bytes were valid. What parses and can be written must survive the round trip.

use std::path::Path;

use crate::dasnet::is_policy;
use crate::data::fuzz::Target;
use crate::files::claim::Holder;
use crate::import::{Weights, fuzz};
use crate::net::{Network, Variant};
use crate::preprocess::Preprocessor;
use crate::recipe::Recipe;
use crate::run::{Checkpoint, Manifest, TrainRequest, temperature};
use crate::sweep::{Plan, Record};
use crate::text::toml_text;

/// All targets.
pub const TARGETS: [Target; 15] = [
    ("caffemodel", weights),
    ("calibration", calibration),
    ("checkpoint", checkpoint),
    ("claim", claim),
    ("class-names", fuzz::class_names),
    ("network", network),
    ("plan", plan),
    ("policy", is_policy),
    ("preprocess", preprocess),
    ("pytorch", weights),
    ("pytorch-pickle", fuzz::pytorch_pickle),
    ("recipe", recipe),
    ("record", record),
    ("run", run),
    ("safetensors", weights),
];

/// A network of three small convolutions, to which the weights in the seed corpora belong.
pub const SMALL: &str = r#"
name = "small"
input = [6, 6, 3]
classes = 2
layers = [
  { conv = 2, kernel = 3 },
  { conv = 2, kernel = 1, stride = 2 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"#;

/// Parses a network and computes what `allcnn models` prints about it.
pub fn network(text: &[u8]) -> bool {
    let read = |text: &str| Network::from_toml(text).ok();
    let Some(network) = str::from_utf8(text).ok().and_then(read) else { return false };
    assert_eq!(read(&network.to_toml()).as_ref(), Some(&network), "written and read again");
    network.info();
    if let Some(last) = network.layers().len().checked_sub(1) {
        network.input_rectangle(last, 0, 0);
    }
    for variant in Variant::ALL {
        let _ = network.derive(variant);
    }
    let _ = (network.with_switches(), network.planned_for(7, 5));
    true
}

/// Parses a recipe and evaluates its schedule.
pub fn recipe(text: &[u8]) -> bool {
    let read = |text: &str| Recipe::from_toml(text).ok();
    let Some(recipe) = str::from_utf8(text).ok().and_then(read) else { return false };
    let written = recipe.to_toml().ok();
    assert_eq!(written.and_then(|text| read(&text)).as_ref(), Some(&recipe), "written and read again");
    let (total, _) = recipe.steps(50_000);
    for step in [0, total / 2, total.saturating_sub(1)] {
        let factor = recipe.schedule.factor(step, total);
        assert!(factor.is_finite(), "the schedule's factor is {factor} at step {step} of {total}");
    }
    if let Ok(network) = Network::from_toml(SMALL) {
        let _ = recipe.with_dropout("file.toml", &network);
        let _ = recipe.layers.check(&network);
        let _ = recipe.companions.map(|companions| companions.layers_of(&network, 0));
    }
    true
}

/// Parses a `run.toml` and computes what resuming needs from it.
pub fn run(text: &[u8]) -> bool {
    let read = |text: &str| Manifest::parse(text).ok();
    let Some(manifest) = str::from_utf8(text).ok().and_then(read) else { return false };
    let written = toml::to_string(&manifest).ok();
    assert_eq!(written.and_then(|text| read(&text)).as_ref(), Some(&manifest), "written and read again");
    if let Ok(request) = TrainRequest::of(&manifest) {
        request.changes(&manifest);
    }
    true
}

/// Parses a `calibration.toml`.
pub fn calibration(text: &[u8]) -> bool {
    let read = |text: &str| temperature::parse(text).ok();
    let Some(stored) = str::from_utf8(text).ok().and_then(read) else { return false };
    assert!(stored.temperature > 0.0, "logits are divided by {}", stored.temperature);
    true
}

/// Parses a checkpoint, or a safetensors file with these bytes as its header.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| Checkpoint::from_bytes(bytes, Path::new("memory")).ok();
    let Some(mut checkpoint) = read(bytes).or_else(|| read(&file_of(bytes))) else { return false };
    checkpoint.progress = checkpoint.progress.without_times();
    let written = checkpoint.to_bytes().ok();
    assert_eq!(written.and_then(|bytes| read(&bytes)).as_ref(), Some(&checkpoint), "written and read again");
    let progress = &checkpoint.progress;
    let _ = (progress.epoch(), progress.epoch_is_full(), progress.best_epoch());
    true
}

/// Parses a preprocessing file, or a safetensors file with these bytes as its header.
pub fn preprocess(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| Preprocessor::from_bytes(bytes).ok();
    let Some(found) = read(bytes).or_else(|| read(&file_of(bytes))) else { return false };
    let written = found.to_bytes().ok();
    assert!(written.as_deref().and_then(read).is_some(), "written and read again");
    let geometry = found.geometry();
    if geometry.len() < 1 << 12 {
        let mut values = vec![0.0; geometry.len()];
        found.apply(&vec![200; geometry.len()], &mut values);
        assert!(values.iter().all(|value| value.is_finite()), "a picture becomes {values:?}");
        found.invert(&values);
    }
    true
}

/// Parses weights in any supported format, or safetensors with these bytes as the header, and fits them to a
/// network.
pub fn weights(bytes: &[u8]) -> bool {
    let read = |bytes: &[u8]| Weights::from_bytes(bytes).ok();
    let Some(weights) = read(bytes).or_else(|| read(&file_of(bytes))) else { return false };
    if let Ok(network) = Network::from_toml(SMALL) {
        let _ = weights.fit(&network);
    }
    true
}

/// Parses a sweep plan and lists its experiments.
pub fn plan(text: &[u8]) -> bool {
    let read = |text: &str| toml_text::parse::<Plan>(text).ok();
    let Some(plan) = str::from_utf8(text).ok().and_then(read) else { return false };
    // Network files are covered by the target `network`.
    if plan.models.iter().any(|model| model.ends_with(".toml")) {
        return false;
    }
    let Ok(experiments) = plan.experiments() else { return false };
    experiments.iter().for_each(|one| drop(one.request(2)));
    !experiments.is_empty()
}

/// Parses an experiment's record and computes what the table shows of it.
pub fn record(json: &[u8]) -> bool {
    let Ok(record) = serde_json::from_slice::<Record>(json) else { return false };
    let _ = (record.best_error_pct(), record.choosing_error_pct(), record.selected_on());
    true
}

/// Parses a claim and reads its holder.
pub fn claim(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else { return false };
    let (holder, kernel) = Holder::parse(text);
    let told = format!("{holder} {}", holder.advice());
    assert!(!told.contains(char::is_control), "a terminal would obey {told:?}");
    kernel.is_some()
}

/// Returns a safetensors file with this header, followed by as many zeros as the largest number in the header
/// says.
fn file_of(head: &[u8]) -> Vec<u8> {
    const MAX: usize = 1 << 16;
    let numbers = head
        .split(|byte| !byte.is_ascii_digit())
        .filter_map(|digits| str::from_utf8(digits).ok()?.parse().ok());
    let values = numbers.filter(|&number: &usize| number <= MAX).max().unwrap_or(0);
    [&(head.len() as u64).to_le_bytes()[..], head, &vec![0; values]].concat()
}
