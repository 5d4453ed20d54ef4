//! Heads that hidden layers have while they are trained, and the phases of such a training.

use std::path::Path;

use crate::processes::trained_by;
use crate::support::{Data, last, network, recipe};
use allcnn::parameters::{Kind, Tensor};
use allcnn::recipe::{Companions, Phase, Recipe, Schedule};
use allcnn::run::Checkpoint;
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::{Loss, Reference};

/// Five steps an epoch: one epoch with heads, two without, one at a tenth of the rate with them again.
fn phased() -> Recipe {
    let phase = |epochs, factor, companions| Phase { epochs, factor, companions };
    let phases = vec![phase(1, 1.0, true), phase(2, 1.0, false), phase(1, 0.1, true)];
    Recipe { epochs: 4, schedule: Schedule::Phases { phases, of: 4 }, ..supervised(0.5) }
}

/// Heads on both hidden convolutions, one of which has dropout.
fn supervised(rate: f32) -> Recipe {
    let companions = Companions { layers: vec!["conv1".into(), "conv2".into()], rate };
    Recipe { loss: Loss::SquaredHinge, learning_rate: 0.02, companions: Some(companions), ..recipe() }
}

fn trained(recipe: &Recipe, run: &Path, from: Option<&Checkpoint>, steps: u64) -> Checkpoint {
    trained_by(1, || Reference, &Data::new(40, 8), recipe, run, from, steps)
}

fn named<'a>(tensors: &'a [Tensor], name: &str) -> &'a [f32] {
    &tensors.iter().find(|tensor| tensor.name == name).unwrap().values
}

#[test]
fn a_head_moves_at_its_rate_and_changes_the_layer_below() {
    let folder = tempfile::tempdir().unwrap();
    let weights =
        |name: &str, recipe: &Recipe, steps| trained(recipe, &folder.path().join(name), None, steps).values;
    let alone = Recipe { companions: None, ..supervised(0.0) };
    let (alone, still) = (weights("alone", &alone, 5), weights("still", &supervised(0.0), 5));
    assert_ne!(
        named(&alone, "conv1.weight"),
        named(&still, "conv1.weight"),
        "what a head sends down is not scaled"
    );
    let head = "companion.conv2.weight";
    let later = weights("later", &supervised(0.0), 15);
    assert_eq!(named(&later, head), named(&still, head), "as it was drawn");
    assert_ne!(named(&weights("moved", &supervised(1.0), 5), head), named(&still, head));
}

#[test]
fn phases_turn_the_heads_on_and_off() {
    let folder = tempfile::tempdir().unwrap();
    let at = |steps: u64| trained(&phased(), &folder.path().join(format!("{steps}")), None, steps).values;
    let [five, fifteen, end] = [5, 15, u64::MAX].map(at);
    let head = "companion.conv1.weight";
    assert_eq!(named(&five, head), named(&fifteen, head), "off in the second phase");
    assert_ne!(named(&end, head), named(&fifteen, head), "on in the third");
    assert_ne!(named(&five, "conv1.weight"), named(&fifteen, "conv1.weight"));
}

#[test]
fn a_phase_begins_at_rest_wherever_the_training_was_stopped_and_by_any_number_of_processes() {
    let (data, folder) = (Data::new(40, 8), tempfile::tempdir().unwrap());
    let recipe = Recipe { shards: 4, ema: 0.9, ..phased() };
    let by = |processes: usize, name: &str, from: Option<&Checkpoint>, steps| {
        trained_by(processes, || Reference, &data, &recipe, &folder.path().join(name), from, steps)
    };
    let whole = by(1, "whole", None, u64::MAX);
    assert!(by(4, "four", None, u64::MAX) == whole);
    // At the end of a phase, right before it and right behind it.
    for cut in [4, 5, 6, 15] {
        let name = format!("cut{cut}");
        let checkpoint = by(2, &name, None, cut);
        assert_eq!(checkpoint.progress.step, cut);
        assert!(by(1, &name, Some(&checkpoint), u64::MAX) == whole, "cut after step {cut}");
    }
}

#[test]
fn the_cpu_trains_heads_as_the_reference_does() {
    let (data, folder) = (Data::new(40, 8), tempfile::tempdir().unwrap());
    let [ours, theirs] = ["cpu", "reference"].map(|name| folder.path().join(name));
    let cpu = || Cpu::new(CpuOptions::default()).unwrap();
    let ours = trained_by(1, cpu, &data, &phased(), &ours, None, u64::MAX).values;
    let theirs = trained_by(1, || Reference, &data, &phased(), &theirs, None, u64::MAX).values;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let furthest = ours.values.iter().zip(&theirs.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2e-3, "{}: {furthest}", ours.name);
    }
}

#[test]
fn a_trained_network_has_no_heads() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    trained(&supervised(1.0), &run, None, u64::MAX);
    let file = run.join("last.safetensors");
    assert!(last(&run).values.iter().any(|tensor| tensor.name == "companion.conv1.weight"));
    let used = Checkpoint::read_values(&file).unwrap();
    assert_eq!(used.values.len(), 6, "weights and biases of three layers");
    for checkpoint in [used, Checkpoint::read(&file).unwrap()] {
        let parameters = checkpoint.parameters(&Reference).unwrap();
        assert_eq!(parameters.names().len(), 6);
        let values = parameters.tensors(&Reference, Kind::Value).unwrap();
        assert_eq!(named(&values, "conv1.weight"), named(&checkpoint.values, "conv1.weight"));
    }
    assert_eq!(network().layers().len(), 4);
}
