//! The prior by which classes of one group have weights that are alike.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Data, Pace, last, network, recipe};
use allcnn::observer::Event;
use allcnn::recipe::{LayerRule, LayerRules, Recipe};
use allcnn::run::Checkpoint;
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::{Device, Reference};

const GROUPS: &str = "groups = { stripes = [\"across\", \"down\"], none = [\"plain\"] }";

fn with_prior(strength: f32) -> Recipe {
    let prior =
        Recipe::from_toml(&format!("[tree_prior]\nstrength = {strength}\n{GROUPS}")).unwrap().tree_prior;
    Recipe { tree_prior: prior, epochs: 6, ..recipe() }
}

/// What the weights of the first two classes have in common, and how far apart they are: the norms of half their sum and half
/// their difference.
fn common_and_apart(checkpoint: &Checkpoint) -> (f32, f32) {
    let weights = &checkpoint.values.iter().find(|tensor| tensor.name == "conv3.weight").unwrap().values;
    let (across, down) = (&weights[..8], &weights[8..16]);
    let norm = |sign: f32| {
        let halves = across.iter().zip(down).map(|(a, b)| (a + sign * b) / 2.0);
        halves.map(|value| value * value).sum::<f32>().sqrt()
    };
    (norm(1.0), norm(-1.0))
}

#[test]
fn classes_of_a_group_keep_what_they_have_in_common() {
    let (data, folder) = (Data::new(40, 8), tempfile::tempdir().unwrap());
    let common_share = |name: &str, recipe: Recipe| {
        data.train(&recipe, &folder.path().join(name)).unwrap();
        let (common, apart) = common_and_apart(&last(&folder.path().join(name)));
        common / apart
    };
    // A decay of the last layer that is as strong as the prior draws both parts to 0 alike.
    let [none, one] = [0.0, 1.0].map(|factor| LayerRule { decay: Some(factor), ..Default::default() });
    let layers = LayerRules::new([("all", none), ("conv3", one)]);
    let decay = common_share("decay", Recipe { weight_decay: 0.2, layers, epochs: 6, ..recipe() });
    let prior = common_share("prior", Recipe { weight_decay: 0.0, ..with_prior(0.2) });
    assert!(prior > 1.5 * decay, "{prior} and {decay}");
}

#[test]
fn the_prior_holds_on_the_cpu_with_shards_and_after_an_interruption() {
    let (data, folder) = (Data::new(40, 8), tempfile::tempdir().unwrap());
    let recipe = Recipe { shards: 2, ..with_prior(0.1) };
    fn run<D: Device>(
        device: &D,
        (data, recipe): (&Data, &Recipe),
        folder: &std::path::Path,
        checkpoint: Option<&Checkpoint>,
        stop: u64,
    ) -> Checkpoint {
        let stops = |event: Event<'_>, flag: &AtomicBool| {
            let reached = matches!(event, Event::Step { step, .. } if step == stop);
            flag.fetch_or(reached, Ordering::Relaxed);
        };
        data.train_on(device, &network(), recipe, folder, checkpoint, Pace::default(), stops).unwrap();
        last(folder)
    }
    let cpu = Cpu::new(CpuOptions::default()).unwrap();
    let [whole, cut, reference] = ["whole", "cut", "reference"].map(|name| folder.path().join(name));
    let ours = run(&cpu, (&data, &recipe), &whole, None, u64::MAX);
    let half = run(&cpu, (&data, &recipe), &cut, None, 9);
    assert!(run(&cpu, (&data, &recipe), &cut, Some(&half), u64::MAX) == ours);
    let theirs = run(&Reference, (&data, &recipe), &reference, None, u64::MAX);
    for (ours, theirs) in ours.values.iter().zip(&theirs.values) {
        let furthest = ours.values.iter().zip(&theirs.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2e-3, "{}: {furthest}", ours.name);
    }
}
