//! Batches in shards: what they mean, and that the number of processes changes no bit.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::processes::trained_by;
use crate::support::{Data, Pace, kinds, last, network, recipe, unshared};
use allcnn::net::Network;
use allcnn::observer::Event;
use allcnn::parameters::Tensor;
use allcnn::recipe::{DropoutRates, Recipe};
use allcnn::run::Checkpoint;
use allcnn::train::End;
use allcnn_device::Reference;

/// 53 images in batches of 8: the last of an epoch has 5, so that some shards have no image.
fn data() -> Data {
    Data::new(53, 20)
}

/// With all that draws numbers in a step.
fn drawing(shards: usize) -> Recipe {
    let dropout = Some(DropoutRates { input: 0.1, others: 0.3 });
    Recipe { shards, mixup: 0.3, ema: 0.9, table1_dropout: None, dropout, ..recipe() }
}

/// The network without dropout: nothing is drawn in its steps.
fn plain() -> Network {
    network().with_input_dropout(0.0).unwrap().with_layer_dropout(0.0).unwrap()
}

/// The largest difference of two sets of weights.
fn furthest(ours: &[Tensor], theirs: &[Tensor]) -> f32 {
    let pairs = ours.iter().zip(theirs).flat_map(|(ours, theirs)| ours.values.iter().zip(&theirs.values));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn any_number_of_processes_gives_the_same_bits() {
    bits_of_any_number_of_processes(&data());
}

#[test]
fn any_number_of_processes_draws_the_same_values() {
    bits_of_any_number_of_processes(&Data { network: kinds(), ..data() });
}

#[test]
fn any_number_of_processes_drops_the_same_weights_and_channels() {
    bits_of_any_number_of_processes(&Data { network: unshared(), ..data() });
}

fn bits_of_any_number_of_processes(data: &Data) {
    let folder = tempfile::tempdir().unwrap();
    let recipe = drawing(8);
    let train = |processes: usize| {
        trained_by(
            processes,
            || Reference,
            data,
            &recipe,
            &folder.path().join(processes.to_string()),
            None,
            u64::MAX,
        )
    };
    let alone = train(1);
    for processes in [2, 4, 8] {
        assert!(train(processes) == alone, "{processes} processes"); // weights, velocities, averages and all figures
    }
}

#[test]
fn another_number_of_processes_goes_on_with_the_same_bits() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let recipe = drawing(4);
    let whole = trained_by(1, || Reference, &data, &recipe, &folder.path().join("whole"), None, u64::MAX);
    let run = folder.path().join("moved");
    let mut checkpoint = trained_by(4, || Reference, &data, &recipe, &run, None, 3);
    for (processes, steps) in [(1, 9), (2, 14), (4, u64::MAX)] {
        checkpoint = trained_by(processes, || Reference, &data, &recipe, &run, Some(&checkpoint), steps);
    }
    assert!(checkpoint == whole);
}

/// Without random numbers only the order of the additions differs from that of one shard.
#[test]
fn the_sum_over_shards_is_the_gradient_of_the_batch() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let weights = |shards: usize| {
        let run = folder.path().join(format!("{shards}"));
        let recipe = Recipe { shards, epochs: 1, ..recipe() };
        let outcome = data.train_with(&plain(), &recipe, &run, None, Pace::default(), |_, _| ()).unwrap();
        (last(&run).values, outcome.progress.history[0].clone())
    };
    let (whole, row) = weights(1);
    for shards in [2, 4, 8] {
        let (parts, of_parts) = weights(shards);
        assert_ne!(parts, whole, "the additions have another order");
        let furthest = furthest(&parts, &whole);
        assert!(furthest < 1e-4, "{shards} shards: {furthest}");
        assert!(
            (of_parts.train_loss - row.train_loss).abs() < 1e-4,
            "{} and {}",
            of_parts.train_loss,
            row.train_loss
        );
        assert_eq!(of_parts.train_error_pct, row.train_error_pct);
    }
}

#[test]
fn in_shards_a_training_is_resumed_to_the_same_bits() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let train = |run: &Path, from: Option<&Checkpoint>, cut| {
        let stopping = |event: Event<'_>, stop: &AtomicBool| {
            if matches!(event, Event::Step { step, .. } if step == cut) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        data.train_with(&network(), &drawing(4), run, from, Pace::default(), stopping).unwrap().end
    };
    let whole = folder.path().join("whole");
    assert_eq!(train(&whole, None, u64::MAX), End::Finished);
    for cut in [1, 7, 20] {
        let run = folder.path().join(format!("cut{cut}"));
        assert_eq!(train(&run, None, cut), End::Interrupted);
        let checkpoint = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        assert_eq!(train(&run, Some(&checkpoint), u64::MAX), End::Finished);
        assert_eq!(last(&run), last(&whole), "cut after step {cut}");
    }
}

/// Frozen layers keep their features by image, whatever shard it is in.
#[test]
fn frozen_layers_and_shards_go_together() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data { frozen: 1, ..data() };
    let augment = allcnn::augment::Augment::None;
    let weights = |shards: usize| {
        let run = folder.path().join(format!("{shards}"));
        let recipe = Recipe { shards, augment, ..recipe() };
        data.train_with(&plain(), &recipe, &run, None, Pace::default(), |_, _| ()).unwrap();
        last(&run).values
    };
    let furthest = furthest(&weights(4), &weights(1));
    assert!(furthest < 1e-3, "{furthest}");
}
