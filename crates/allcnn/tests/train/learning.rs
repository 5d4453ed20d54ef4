//! A training learns, says when it does not, and stops before it writes nonsense.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::support::{Data, Pace, classes, last, network, recipe};
use allcnn::augment::Augment;
use allcnn::input::Samples;
use allcnn::observer::Event;
use allcnn::plan::{Plan, PlanPurpose};
use allcnn::recipe::Recipe;
use allcnn::run::Checkpoint;
use allcnn::score::{TestSet, Views, score};
use allcnn::train::{End, Task, TrainError, Trainer};
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::{Reference, SingleProcess};

#[test]
fn it_learns_and_the_figures_are_those_of_the_checkpoint() {
    let (data, folder) = (Data::new(96, 48), tempfile::tempdir().unwrap());
    let recipe = Recipe { epochs: 12, seed: 3, learning_rate: 0.05, augment: Augment::None, ..recipe() };
    let outcome = data.train(&recipe, folder.path()).unwrap();
    assert_eq!(outcome.end, End::Finished);
    let row = outcome.progress.history.last().unwrap();
    assert!(row.test_error_pct.unwrap() < 10.0 && row.train_loss < 0.5, "{row:?}");
    assert!(row.images_per_s > 0.0 && row.seconds > 0.0);
    let checkpoint = Checkpoint::read(&folder.path().join("last.safetensors")).unwrap();
    let parameters = checkpoint.parameters(&Reference).unwrap();
    let samples = Samples::new(&data.test, &data.preprocessor).unwrap();
    let mut test = TestSet::new(&Reference, &samples).unwrap();
    for batch in [7, 48, 64] {
        let mut plan = Plan::new(&Reference, &network(), batch, PlanPurpose::Inference).unwrap();
        let no = AtomicBool::new(false);
        let scores = score(&mut plan, &parameters, &mut test, Views::ONE, &no, &mut |_| ()).unwrap().unwrap();
        assert_eq!(Some(scores.error_pct(1)), row.test_error_pct, "batch {batch}");
        assert_eq!(Some(scores.loss()), row.test_loss, "batch {batch}");
        assert_eq!(Some(&scores), outcome.scores.as_ref());
    }
    let best = outcome.progress.history.iter().filter_map(|row| row.test_error_pct).fold(f64::MAX, f64::min);
    assert_eq!(outcome.progress.best_test_error_pct, Some(best));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (data, folder) = (Data::new(53, 20), tempfile::tempdir().unwrap());
    let mut ends = Vec::new();
    for threads in [1, 2, 5] {
        let device = Cpu::new(CpuOptions { threads: Some(threads), ..CpuOptions::default() }).unwrap();
        let run = folder.path().join(threads.to_string());
        data.train_on(&device, &network(), &recipe(), &run, None, Pace::default(), |_, _| ()).unwrap();
        ends.push(last(&run));
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0], ends[2]);
}

#[test]
fn a_batch_larger_than_the_data_is_one_step_an_epoch() {
    let (data, folder) = (Data::new(6, 3), tempfile::tempdir().unwrap());
    let outcome = data.train(&Recipe { batch: 128, ..recipe() }, folder.path()).unwrap();
    assert_eq!((outcome.progress.step, outcome.progress.epoch_steps), (3, 1));
}

#[test]
fn without_test_images_the_latest_is_the_best() {
    let (mut data, folder) = (Data::new(16, 3), tempfile::tempdir().unwrap());
    data.test = allcnn::data::Images::new(8, 8);
    let outcome = data.train(&recipe(), folder.path()).unwrap();
    assert_eq!(outcome.progress.history[2].test_error_pct, None);
    assert_eq!(crate::support::best(folder.path()), last(folder.path()));
}

#[test]
fn a_diverged_training_stops_and_keeps_the_last_good_checkpoint() {
    let (data, folder) = (Data::new(24, 6), tempfile::tempdir().unwrap());
    let wild = Recipe { learning_rate: 1e30, ..recipe() };
    for (name, save_every) in [("step", Duration::ZERO), ("never", Duration::from_secs(1000))] {
        let run = folder.path().join(name);
        data.train(&Recipe { epochs: 1, ..recipe() }, &run).unwrap();
        let good = fs::read(run.join("last.safetensors")).unwrap();
        let mut checkpoint = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        checkpoint.progress.total_steps = 9;
        let pace = Pace { deadline: None, save_every };
        let error = data.train_with(&network(), &wild, &run, Some(&checkpoint), pace, |_, _| ()).unwrap_err();
        let TrainError::Diverged { checkpoint: Some(path), epoch: 2, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(path, &run.join("last.safetensors"));
        let kept = Checkpoint::read(path).unwrap();
        assert!(kept.values.iter().flat_map(|tensor| &tensor.values).all(|value| value.is_finite()));
        assert!(save_every.is_zero() || fs::read(path).unwrap() == good);
        let text = error.to_string();
        assert!(text.contains("last.safetensors") && text.contains("--lr"), "{text}");
    }
}

#[test]
fn a_dead_network_is_told_with_the_remedy() {
    let (data, folder) = (Data::new(12, 3), tempfile::tempdir().unwrap());
    let long = Recipe { epochs: 30, batch: 4, ..recipe() };
    let prepared = folder.path().join("prepared");
    let past = Pace { deadline: Some(std::time::Instant::now()), ..Pace::default() };
    data.train_with(&network(), &long, &prepared, None, past, |_, _| ()).unwrap();
    let mut dead = Checkpoint::read(&prepared.join("last.safetensors")).unwrap();
    let bias = dead.values.iter_mut().find(|tensor| tensor.name == "conv3.bias").unwrap();
    bias.values.fill(-100.0); // ReLU follows: nothing comes out, and nothing goes back
    let mut warnings = Vec::new();
    let note = |event: Event<'_>, _: &AtomicBool| {
        if let Event::Warning(text) = event {
            warnings.push(text.to_string());
        }
    };
    let run = folder.path().join("dead");
    data.train_with(&network(), &long, &run, Some(&dead), Pace::default(), note).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("dead") && warnings[0].contains("conv1, conv2, conv3"), "{}", warnings[0]);
    let mut healthy = 0;
    let count = |event: Event<'_>, _: &AtomicBool| healthy += u32::from(matches!(event, Event::Warning(_)));
    data.train_with(&network(), &long, &folder.path().join("healthy"), None, Pace::default(), count).unwrap();
    assert_eq!(healthy, 0);
}

#[test]
fn a_rehearsal_leaves_no_trace() {
    let (data, folder) = (Data::new(20, 6), tempfile::tempdir().unwrap());
    let (plain, rehearsed) = (folder.path().join("plain"), folder.path().join("rehearsed"));
    data.train(&recipe(), &plain).unwrap();
    let (train, test) = (
        Samples::new(&data.train, &data.preprocessor).unwrap(),
        Samples::new(&data.test, &data.preprocessor).unwrap(),
    );
    let (network, classes, recipe) = (network(), classes(), recipe());
    let task = Task {
        network: &network,
        classes: &classes,
        recipe: &recipe,
        train: &train,
        validation: None,
        test: &test,
        begun: &[],
        frozen: 0,
    };
    let mut trainer = Trainer::new(&Reference, &SingleProcess, task).unwrap();
    let cost = trainer.rehearse(Duration::from_secs(5)).unwrap();
    assert!(cost.step > Duration::ZERO && cost.evaluation > Duration::ZERO);
    let run = allcnn::run::RunFolder::create(&rehearsed).unwrap();
    let stop = AtomicBool::new(false);
    trainer.run(&run, &allcnn::train::Limits::until(&stop), &mut ()).unwrap();
    assert_eq!(last(&rehearsed), last(&plain));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (data, folder) = (Data::new(9, 3), tempfile::tempdir().unwrap());
    let larger = network().planned_for(16, 16).unwrap();
    let error = data.train_with(&larger, &recipe(), folder.path(), None, Pace::default(), |_, _| ());
    assert!(error.unwrap_err().to_string().contains("training images are 8x8x3"));
}

#[test]
fn the_last_share_of_the_epochs_is_not_augmented() {
    let (data, folder) = (Data::new(40, 8), tempfile::tempdir().unwrap());
    let weights = |name: &str, augment: Augment, unaugmented_end: f64, epochs: u32| {
        let run = folder.path().join(name);
        data.train(&Recipe { augment, unaugmented_end, epochs, ..recipe() }, &run).unwrap();
        last(&run).values
    };
    let shifted = Augment::FlipShift { max_shift: 2 };
    let plain = weights("plain", Augment::None, 0.0, 3);
    assert_eq!(weights("all", shifted, 1.0, 3), plain);
    let third = weights("third", shifted, 1.0 / 3.0, 3);
    assert_ne!(third, plain);
    assert_ne!(third, weights("none", shifted, 0.0, 3));
    assert_eq!(
        weights("first two", shifted, 0.0, 2),
        weights("two of two", shifted, 0.2, 2),
        "0.4 epochs are none"
    );
}
