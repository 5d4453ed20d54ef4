//! What a recipe sets for single layers.

use std::path::Path;

use crate::support::{Data, Pace, last, network, recipe};
use allcnn::observer::Event;
use allcnn::parameters::Tensor;
use allcnn::recipe::{LayerRule, LayerRules, Recipe};
use allcnn_cpu::{Cpu, CpuOptions};

fn trained(data: &Data, rules: &[(&'static str, LayerRule)], run: &Path) -> Vec<Tensor> {
    let recipe = Recipe { layers: LayerRules::new(rules.iter().copied()), ..recipe() };
    data.train(&recipe, run).unwrap();
    last(run).values
}

fn named<'a>(tensors: &'a [Tensor], name: &str) -> &'a [f32] {
    &tensors.iter().find(|tensor| tensor.name == name).unwrap().values
}

#[test]
fn a_layer_without_rate_keeps_its_weights_and_filters_keep_their_bounds() {
    let (data, folder) = (Data::new(40, 8), tempfile::tempdir().unwrap());
    let still = LayerRule { rate: Some(0.0), bias_rate: Some(1.0), ..Default::default() };
    let bound = LayerRule { max_norm: Some(0.4), ..Default::default() };
    let first = trained(&data, &[("conv1", still), ("conv2", bound)], &folder.path().join("first"));
    let other = Recipe { epochs: 1, layers: LayerRules::new([("conv1", still)]), ..recipe() };
    data.train(&other, &folder.path().join("other")).unwrap();
    let other = last(&folder.path().join("other")).values;
    assert_eq!(named(&first, "conv1.weight"), named(&other, "conv1.weight"), "as they were drawn");
    assert!(named(&first, "conv1.bias").iter().all(|&bias| bias != 0.0), "the bias has a rate of its own");
    let norms: Vec<f32> = named(&first, "conv2.weight")
        .chunks(6 * 9)
        .map(|filter| filter.iter().map(|weight| weight * weight).sum::<f32>().sqrt())
        .collect();
    assert!(norms.iter().all(|&norm| norm < 0.4001) && norms.iter().any(|&norm| norm > 0.3999), "{norms:?}");
}

#[test]
fn weights_decay_by_their_own_factor() {
    let (data, folder) = (Data::new(40, 8), tempfile::tempdir().unwrap());
    let decays = |factor| LayerRule { decay: Some(factor), ..Default::default() };
    let sum = |rule, name: &str| {
        let tensors = trained(&data, &[("all", rule)], &folder.path().join(name));
        named(&tensors, "conv2.weight").iter().map(|weight| weight * weight).sum::<f32>()
    };
    let [none, usual, strong] =
        [(0.0, "none"), (1.0, "usual"), (100.0, "strong")].map(|(f, name)| sum(decays(f), name));
    assert!(none > usual && usual > 1.1 * strong, "{none} {usual} {strong}");
}

#[test]
fn rules_hold_on_the_cpu_and_after_an_interruption() {
    let (data, folder) = (Data::new(40, 8), tempfile::tempdir().unwrap());
    let all =
        LayerRule { bias_rate: Some(2.0), bias_decay: Some(0.0), max_norm: Some(0.5), ..Default::default() };
    let own = LayerRule { rate: Some(0.1), ..Default::default() };
    let recipe = Recipe { layers: LayerRules::new([("all", all), ("conv3", own)]), ..recipe() };
    let cpu = Cpu::new(CpuOptions::default()).unwrap();
    let run = |name: &str, checkpoint: Option<&_>, stop: u64| {
        let folder = folder.path().join(name);
        let stops = |event: Event<'_>, flag: &std::sync::atomic::AtomicBool| {
            let reached = matches!(event, Event::Step { step, .. } if step == stop);
            flag.fetch_or(reached, std::sync::atomic::Ordering::Relaxed);
        };
        data.train_on(&cpu, &network(), &recipe, &folder, checkpoint, Pace::default(), stops).unwrap();
        last(&folder)
    };
    let whole = run("whole", None, u64::MAX);
    let cut = run("cut", None, 7);
    assert!(run("cut", Some(&cut), u64::MAX) == whole);
    data.train(&recipe, &folder.path().join("reference")).unwrap();
    let reference = last(&folder.path().join("reference"));
    for (ours, theirs) in whole.values.iter().zip(&reference.values) {
        let furthest = ours.values.iter().zip(&theirs.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2e-3, "{}: {furthest}", ours.name);
    }
}
