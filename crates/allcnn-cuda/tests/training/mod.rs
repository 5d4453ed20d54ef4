//! Whole trainings on the GPU: what the host is told of the steps, which it reads late.

#[path = "../../../allcnn/tests/train/support.rs"]
#[allow(dead_code)] // it uses a part
mod support;

#[path = "../../../allcnn/tests/train/processes.rs"]
mod processes;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use allcnn::augment::{Augment, SeededAugment};
use allcnn::input::Samples;
use allcnn::observer::Event;
use allcnn::preprocess::{Geometry, Method, Preprocessor};
use allcnn::recipe::Recipe;
use allcnn::run::EpochRow;
use allcnn::train::{End, TrainError};
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::{Device, ImageSet, ImageValues, Shape};
use support::{Data, Pace, SIDE, best, images, last, network, recipe};

use super::{BF16, STRICT, cuda};

/// Each step's number and loss, and each epoch's row.
type Told = (Vec<(u64, f64)>, Vec<EpochRow>);

fn train<D: Device>(device: &D, data: &Data, folder: &Path) -> Told {
    let (mut steps, mut epochs) = (Vec::new(), Vec::new());
    let told = |event: Event<'_>, _: &_| match event {
        Event::Step { step, loss, .. } => steps.push((step, loss)),
        Event::Epoch { row, .. } => epochs.push(row.clone()),
        _ => (),
    };
    data.train_on(device, &network(), &recipe(), folder, None, Pace::default(), told).unwrap();
    (steps, epochs)
}

/// Trains to the end, stopped at each of `stops` and resumed.
fn train_in_pieces<D: Device>(device: &D, data: &Data, recipe: &Recipe, folder: &Path, stops: &[u64]) {
    let mut checkpoint = None;
    for &stop in stops.iter().chain([&u64::MAX]) {
        let stops = |event: Event<'_>, flag: &AtomicBool| {
            if matches!(event, Event::Step { step, .. } if step == stop) {
                flag.store(true, Ordering::Relaxed);
            }
        };
        let outcome = data
            .train_on(device, &network(), recipe, folder, checkpoint.as_ref(), Pace::default(), stops)
            .unwrap();
        assert_eq!(outcome.end == End::Finished, stop == u64::MAX, "{outcome:?}");
        checkpoint = Some(last(folder));
    }
}

#[test]
fn every_step_is_told_however_late_it_is_read() {
    let Some(device) = cuda("every_step_is_told_however_late_it_is_read", STRICT) else { return };
    assert!(device.steps_between_reads() > 1);
    let (data, folder) = (Data::new(36, 9), tempfile::tempdir().unwrap());
    let [ours, theirs] = ["gpu", "cpu"].map(|name| folder.path().join(name));
    let (steps, epochs) = train(&device, &data, &ours);
    let (cpu_steps, cpu_epochs) = train(&Cpu::new(CpuOptions::default()).unwrap(), &data, &theirs);
    assert_eq!(steps.len(), 15, "three epochs of five steps");
    for ((step, loss), (cpu_step, cpu_loss)) in steps.iter().zip(&cpu_steps) {
        assert_eq!(step, cpu_step);
        assert!((loss - cpu_loss).abs() <= 2e-3 * cpu_loss, "step {step}: {loss}, the CPU's {cpu_loss}");
    }
    assert_eq!(epochs.len(), cpu_epochs.len());
    for (row, own) in epochs.iter().zip(steps.chunks(5)) {
        // The last of the five batches of 36 images has 4.
        let sum: f64 =
            own.iter().zip([8.0, 8.0, 8.0, 8.0, 4.0]).map(|((_, loss), images)| loss * images).sum();
        assert!((row.train_loss - sum / 36.0).abs() < 1e-12, "{row:?} of {own:?}");
    }
}

#[test]
fn interrupted_between_two_reads_it_ends_with_the_same_bits() {
    let Some(device) = cuda("interrupted_between_two_reads_it_ends_with_the_same_bits", STRICT) else {
        return;
    };
    let (data, folder) = (Data::new(36, 9), tempfile::tempdir().unwrap());
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(name));
    train(&device, &data, &whole);
    train_in_pieces(&device, &data, &recipe(), &cut, &[2, 8]);
    assert!(last(&cut) == last(&whole), "an interrupted training and one that was not");
}

/// The average is a part of the recorded step, and mixed batches come from the host.
#[test]
fn averaged_weights_survive_an_interruption_and_are_those_of_the_cpu() {
    let name = "averaged_weights_survive_an_interruption_and_are_those_of_the_cpu";
    let Some(device) = cuda(name, STRICT) else { return };
    let (data, folder) = (Data::new(36, 9), tempfile::tempdir().unwrap());
    let recipe = Recipe { ema: 0.9, mixup: 0.4, ..recipe() };
    let [whole, cut, cpu] = ["whole", "cut", "cpu"].map(|name| folder.path().join(name));
    let quiet = |_: Event<'_>, _: &_| ();
    data.train_on(&device, &network(), &recipe, &whole, None, Pace::default(), quiet).unwrap();
    train_in_pieces(&device, &data, &recipe, &cut, &[8]);
    assert!(last(&cut) == last(&whole), "an interrupted training and one that was not");
    assert!(best(&cut) == best(&whole));
    let host = Cpu::new(CpuOptions::default()).unwrap();
    data.train_on(&host, &network(), &recipe, &cpu, None, Pace::default(), quiet).unwrap();
    for (ours, theirs) in last(&whole).averages.iter().zip(&last(&cpu).averages) {
        let furthest = ours.values.iter().zip(&theirs.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2e-3, "{}: {furthest}", ours.name);
    }
}

/// Every shard has a recording of its own; the last one ends the step.
#[test]
fn shards_are_added_as_on_the_cpu() {
    let Some(device) = cuda("shards_are_added_as_on_the_cpu", STRICT) else { return };
    let (data, folder) = (Data::new(36, 9), tempfile::tempdir().unwrap());
    let recipe = Recipe { shards: 4, ..recipe() };
    let [gpu, cut, cpu] = ["gpu", "cut", "cpu"].map(|name| folder.path().join(name));
    let quiet = |_: Event<'_>, _: &_| ();
    data.train_on(&device, &network(), &recipe, &gpu, None, Pace::default(), quiet).unwrap();
    train_in_pieces(&device, &data, &recipe, &cut, &[8]);
    assert!(last(&cut) == last(&gpu), "an interrupted training and one that was not");
    let host = Cpu::new(CpuOptions::default()).unwrap();
    data.train_on(&host, &network(), &recipe, &cpu, None, Pace::default(), quiet).unwrap();
    for (ours, theirs) in last(&gpu).values.iter().zip(&last(&cpu).values) {
        let furthest = ours.values.iter().zip(&theirs.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2e-3, "{}: {furthest}", ours.name);
    }
}

/// With several processes a recorded step ends before the exchange of gradients, and another one follows it.
#[test]
fn processes_exchange_gradients_between_two_recordings() {
    let name = "processes_exchange_gradients_between_two_recordings";
    if cuda(name, STRICT).is_none() {
        return;
    }
    let (data, folder) = (Data::new(36, 9), tempfile::tempdir().unwrap());
    let recipe = Recipe { shards: 4, ema: 0.9, ..recipe() };
    let train = |processes: usize| {
        let run = folder.path().join(processes.to_string());
        let device = || cuda(name, STRICT).expect("a device, as before");
        processes::trained_by(processes, device, &data, &recipe, &run, None, u64::MAX)
    };
    let alone = train(1);
    assert!(train(2) == alone && train(4) == alone);
}

#[test]
fn divergence_is_told_with_its_step() {
    let Some(device) = cuda("divergence_is_told_with_its_step", STRICT) else { return };
    let (data, folder) = (Data::new(36, 9), tempfile::tempdir().unwrap());
    let mut recipe = recipe();
    (recipe.learning_rate, recipe.clip_norm) = (1e30, f32::INFINITY);
    let diverged =
        |name: &str, device: &dyn Fn(&Path) -> Result<_, TrainError>| match device(&folder.path().join(name))
        {
            Err(TrainError::Diverged { step, .. }) => step,
            other => panic!("{name}: {other:?}"),
        };
    let quiet = |_: Event<'_>, _: &_| ();
    let ours = diverged("gpu", &|folder| {
        data.train_on(&device, &network(), &recipe, folder, None, Pace::default(), quiet)
    });
    let cpu = Cpu::new(CpuOptions::default()).unwrap();
    let theirs = diverged("cpu", &|folder| {
        data.train_on(&cpu, &network(), &recipe, folder, None, Pace::default(), quiet)
    });
    assert_eq!(ours, theirs);
}

/// Whatever the precision: a batch is what the host would have made, to the bit.
#[test]
fn batches_of_kept_images_are_those_of_the_host() {
    let (images, geometry) = (images(30, 1), Geometry { height: SIDE, width: SIDE, channels: 3 });
    let indices = [29, 3, 0, 17, 3];
    for options in [STRICT, BF16] {
        let Some(device) = cuda("batches_of_kept_images_are_those_of_the_host", options) else { return };
        for method in [Method::MeanStd, Method::None, Method::GcnZca] {
            let preprocessor = Preprocessor::fit(method, &images.pixels, geometry).unwrap();
            let samples = Samples::new(&images, &preprocessor).unwrap();
            let augment = Augment::FlipShift { max_shift: 5 };
            let mut kept =
                samples.keep_on(&device, SeededAugment { augment, seed: 7, round: 0 }).unwrap().unwrap();
            let mut batch = device.alloc(6 * geometry.len()).unwrap();
            for round in 0..4 {
                let seeded = SeededAugment { augment, seed: 7, round };
                let views: Vec<_> = indices.iter().filter_map(|&index| seeded.view(index)).collect();
                let [mut made, mut gathered] = [(); 2].map(|()| vec![f32::NAN; 6 * geometry.len()]);
                samples.fill(&indices, seeded, &mut made).unwrap();
                device.gather(&mut kept, &views, &mut batch).unwrap();
                device.download(&batch, &mut gathered).unwrap();
                assert_eq!(gathered, made, "{options:?}, {method}, round {round}");
            }
        }
    }
}

/// Half of the free memory is for images; the emulated GPU has 64 MiB.
#[test]
fn images_without_room_are_not_kept() {
    let Some(device) = cuda("images_without_room_are_not_kept", STRICT) else { return };
    if std::env::var_os(super::EMULATED).is_none() {
        eprintln!("images_without_room_are_not_kept: only where memory is as small as the emulated GPU's");
        return;
    }
    let kept = |images: usize| {
        let shape = Shape { batch: images, height: 1024, width: 1024, channels: 1 };
        let (bytes, table) = (vec![0; shape.len()], [[0.5; 256]]);
        let set = ImageSet { shape, values: ImageValues::Bytes { bytes: &bytes, table: &table } };
        device.keep_images(set).unwrap().is_some()
    };
    assert_eq!([32, 33].map(kept), [true, false]);
}
