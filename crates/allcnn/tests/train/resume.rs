//! A training that is cut anywhere and resumed ends with the same bits as one that never was.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Data, Pace, best, kinds, last, network, recipe, unshared};
use allcnn::augment::Augment;
use allcnn::observer::Event;
use allcnn::recipe::{Balance, Recipe};
use allcnn::run::Checkpoint;
use allcnn::train::End;

/// 53 images in batches of 8: 7 steps an epoch, the last with 5 images; 3 epochs.
const STEPS: u64 = 21;

fn data() -> Data {
    Data::new(53, 20)
}

#[test]
fn cut_after_any_step_it_ends_with_the_same_bits() {
    ends_with_the_same_bits(&data(), 1..STEPS);
}

#[test]
fn with_layers_that_draw_and_compete_it_ends_with_the_same_bits() {
    ends_with_the_same_bits(&Data { network: kinds(), ..data() }, [1, 10, STEPS - 1]);
    ends_with_the_same_bits(&Data { network: unshared(), ..data() }, [1, 10, STEPS - 1]);
}

fn ends_with_the_same_bits(data: &Data, cuts: impl IntoIterator<Item = u64>) {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    assert_eq!(data.train(&recipe(), &whole).unwrap().end, End::Finished);
    for cut in cuts {
        let run = folder.path().join(format!("cut{cut}"));
        let stopping = |event: Event<'_>, stop: &AtomicBool| {
            if matches!(event, Event::Step { step, .. } if step == cut) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let train = |checkpoint: Option<&Checkpoint>, observer: &mut dyn FnMut(Event<'_>, &AtomicBool)| {
            data.train_with(&data.network, &recipe(), &run, checkpoint, Pace::default(), observer).unwrap()
        };
        let outcome = train(None, &mut { stopping });
        assert_eq!((outcome.end, outcome.progress.step), (End::Interrupted, cut));
        let checkpoint = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        assert_eq!(checkpoint.progress.step, cut);
        assert_eq!(train(Some(&checkpoint), &mut |_, _| ()).end, End::Finished);
        assert_eq!(last(&run), last(&whole), "cut after step {cut}");
        assert_eq!(best(&run), best(&whole), "cut after step {cut}");
    }
}

/// Everything that a recipe has for small and uneven data.
fn with_all() -> Recipe {
    let augment = Augment::Photo;
    Recipe { label_smoothing: 0.1, mixup: 0.4, ema: 0.9, balance: Balance::Sampling, augment, ..recipe() }
}

#[test]
fn with_mixed_images_averaged_weights_and_sampled_classes_it_ends_with_the_same_bits() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let train = |run: &Path, from: Option<&Checkpoint>, cut| {
        let stopping = |event: Event<'_>, stop: &AtomicBool| {
            if matches!(event, Event::Step { step, .. } if step == cut) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        data.train_with(&network(), &with_all(), run, from, Pace::default(), stopping).unwrap().end
    };
    let whole = folder.path().join("whole");
    assert_eq!(train(&whole, None, STEPS + 1), End::Finished);
    for cut in [1, 6, 7, 8, 20] {
        let run = folder.path().join(format!("cut{cut}"));
        assert_eq!(train(&run, None, cut), End::Interrupted);
        let checkpoint = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        assert!(!checkpoint.averages.is_empty() && checkpoint.averages != checkpoint.values);
        assert_eq!(train(&run, Some(&checkpoint), STEPS + 1), End::Finished);
        assert_eq!(last(&run), last(&whole), "cut after step {cut}");
        assert_eq!(best(&run), best(&whole), "cut after step {cut}");
    }
    assert!(best(&whole).averages.is_empty() && best(&whole).velocities.is_empty());
}

#[test]
fn averaged_weights_and_the_recipe_belong_together() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    for (begun, resumed, expected) in [
        (recipe(), with_all(), "holds no averaged weights, the run's settings have ema 0.9"),
        (with_all(), recipe(), "holds the averaged weights, the run's settings have ema 0"),
    ] {
        let run = folder.path().join(format!("ema{}", begun.ema));
        data.train(&begun, &run).unwrap();
        let from = last(&run);
        let refused = data.train_with(&network(), &resumed, &run, Some(&from), Pace::default(), |_, _| ());
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn that_mixed_images_are_made_on_the_host_is_told_where_the_device_would_keep_them() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let told = |name: &str, recipe: &Recipe| {
        let mut told = false;
        let listen = |event: Event<'_>, _: &AtomicBool| {
            told |= matches!(event, Event::Note(note) if note.contains("mixes images on the host"));
        };
        let run = folder.path().join(name);
        data.train_with(&network(), recipe, &run, None, Pace::default(), listen).unwrap();
        told
    };
    assert!(told("mixed", &Recipe { mixup: 0.2, ..recipe() }));
    assert!(!told("plain", &recipe()));
    assert!(!told("made", &with_all()), "photo is made on the host anyway");
}

/// Whatever a kill leaves behind: the newest checkpoint is some earlier one, the other files are newer.
#[test]
fn killed_between_two_files_it_ends_with_the_same_bits() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let whole = folder.path().join("whole");
    let copies = RefCell::new(Vec::new());
    let every_step = Pace { save_every: Duration::ZERO, ..Pace::default() };
    let keep = |event: Event<'_>, _: &AtomicBool| {
        if let Event::Saved { .. } = event {
            copies.borrow_mut().push(fs::read(whole.join("last.safetensors")).unwrap());
        }
    };
    data.train_with(&network(), &recipe(), &whole, None, every_step, keep).unwrap();
    let copies = copies.into_inner();
    assert_eq!(copies.len() as u64, STEPS);
    let rows = |folder: &Path| -> Vec<String> {
        let text = fs::read_to_string(folder.join("metrics.csv")).unwrap();
        // Without images a second and seconds.
        let timeless = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            [&fields[..6], &fields[8..]].concat().join(",")
        };
        text.lines().map(timeless).collect()
    };
    for (step, copy) in copies.iter().enumerate().step_by(4) {
        let run = folder.path().join(format!("killed{step}"));
        fs::create_dir(&run).unwrap();
        fs::write(run.join("last.safetensors"), copy).unwrap();
        for newer in ["best.safetensors", "metrics.csv"] {
            fs::copy(whole.join(newer), run.join(newer)).unwrap();
        }
        fs::write(run.join(".writing-x"), b"half a file").unwrap();
        let checkpoint = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        data.train_with(&network(), &recipe(), &run, Some(&checkpoint), Pace::default(), |_, _| ()).unwrap();
        assert_eq!(last(&run), last(&whole), "killed after step {step}");
        assert_eq!(best(&run), best(&whole), "killed after step {step}");
        assert_eq!(rows(&run), rows(&whole));
        assert_eq!(rows(&run).len(), 4, "a head and a row an epoch");
    }
}

#[test]
fn a_deadline_stops_with_a_checkpoint() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let past = Pace { deadline: Some(Instant::now()), ..Pace::default() };
    let outcome = data.train_with(&network(), &recipe(), folder.path(), None, past, |_, _| ()).unwrap();
    assert_eq!((outcome.end, outcome.progress.step), (End::TimeUp, 0));
    assert_eq!(last(folder.path()).progress.step, 0);
}

#[test]
fn another_seed_gives_other_weights() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let (a, b, c) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
    data.train(&recipe(), &a).unwrap();
    data.train(&recipe(), &b).unwrap();
    data.train(&allcnn::recipe::Recipe { seed: 12, ..recipe() }, &c).unwrap();
    assert_eq!(last(&a), last(&b));
    assert_ne!(last(&a).values, last(&c).values);
}
