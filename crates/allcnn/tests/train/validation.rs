//! Validation images choose the best epoch; the test images are looked at once, when all is done.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Data, Pace, SIDE, best, classes, last, network, recipe};
use allcnn::data::Images;
use allcnn::evaluate::{EvaluateOptions, evaluate};
use allcnn::observer::{Event, Observer};
use allcnn::recipe::Recipe;
use allcnn::run::RunFolder;
use allcnn::run::WhichCheckpoint;
use allcnn::run::{Checkpoint, Length, TrainRequest};
use allcnn::split::Split;
use allcnn::train::{End, Finished, TrainError, resume, start};
use allcnn_device::Reference;

/// 53 images in batches of 8: 7 steps an epoch, 3 epochs.
const STEPS: u64 = 21;

#[test]
fn the_validation_images_choose_and_the_test_images_are_not_looked_at() {
    let (data, folder) = (Data::with_validation(53, 17, 20), tempfile::tempdir().unwrap());
    let outcome = data.train(&recipe(), folder.path()).unwrap();
    let progress = &outcome.progress;
    assert!(progress.history.iter().all(|row| row.test_loss.is_none() && row.test_error_pct.is_none()));
    let errors: Vec<f64> = progress.history.iter().map(|row| row.validation_error_pct.unwrap()).collect();
    let lowest = errors.iter().copied().fold(f64::MAX, f64::min);
    assert_eq!((progress.best_validation_error_pct, progress.best_test_error_pct), (Some(lowest), None));
    let epoch = errors.iter().position(|&error| error == lowest).unwrap() + 1;
    assert_eq!(best(folder.path()).progress.history.len(), epoch);
    assert_eq!(progress.best_epoch(), Some(epoch as u32));
    assert_eq!(outcome.scores.unwrap().labels, data.validation.labels);
    let rows = fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    for row in rows.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        assert_eq!(fields[4..6], ["", ""], "{row}");
        assert!(fields[8..].iter().all(|field| field.parse::<f64>().is_ok()) && fields.len() == 10, "{row}");
    }
}

/// What is scored after an epoch is read, never trained on: the same images under the other name give the same weights.
#[test]
fn what_is_scored_changes_no_weight() {
    let (tested, folder) = (Data::new(53, 20), tempfile::tempdir().unwrap());
    let (one, other) = (folder.path().join("test"), folder.path().join("validation"));
    tested.train(&recipe(), &one).unwrap();
    let validated = Data { validation: tested.test.clone(), ..Data::new(53, 4) };
    validated.train(&recipe(), &other).unwrap();
    assert_eq!(last(&one).values, last(&other).values);
    assert_eq!(best(&one).values, best(&other).values);
    assert_eq!(last(&one).velocities, last(&other).velocities);
}

#[test]
fn cut_after_any_step_it_ends_with_the_same_bits() {
    let (data, folder) = (Data::with_validation(53, 17, 20), tempfile::tempdir().unwrap());
    let whole = folder.path().join("whole");
    data.train(&recipe(), &whole).unwrap();
    for cut in (1..STEPS).step_by(3) {
        let run = folder.path().join(format!("cut{cut}"));
        let stopping = |event: Event<'_>, stop: &AtomicBool| {
            if matches!(event, Event::Step { step, .. } if step == cut) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        data.train_with(&network(), &recipe(), &run, None, Pace::default(), stopping).unwrap();
        let checkpoint = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        data.train_with(&network(), &recipe(), &run, Some(&checkpoint), Pace::default(), |_, _| ()).unwrap();
        assert_eq!(last(&run), last(&whole), "cut after step {cut}");
        assert_eq!(best(&run), best(&whole), "cut after step {cut}");
    }
}

/// An image folder with `train`, `val` and `test`, a network file, and where runs go.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let data = Data::with_validation(48, 15, 12);
        for (split, images) in [("train", &data.train), ("val", &data.validation), ("test", &data.test)] {
            place.write(split, images);
        }
        fs::write(place.path("tiny.toml"), network().to_toml()).unwrap();
        place
    }

    fn write(&self, split: &str, images: &Images) {
        for (index, name) in images.names.iter().enumerate() {
            let class = &classes()[images.labels[index] as usize];
            let folder = self.path("images").join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            let (side, color) = (SIDE as u32, image::ExtendedColorType::Rgb8);
            image::save_buffer(folder.join(name), images.image(index), side, side, color).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self) -> TrainRequest {
        let [model, data] = ["tiny.toml", "images"].map(|name| self.path(name).display().to_string());
        TrainRequest {
            recipe: Recipe { epochs: 6, learning_rate: 0.2, seed: 3, ..recipe() },
            length: Length::OfRecipe,
            ..TrainRequest::new(model, data)
        }
    }

    fn start(
        &self,
        out: &str,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Finished, TrainError> {
        start(&Reference, &self.request(), &self.path(out), stop, observer)
    }

    fn resume(&self, out: &str) -> Result<Finished, TrainError> {
        let request = TrainRequest::of(&RunFolder::open(&self.path(out))?.manifest()?)?;
        resume(&Reference, &self.path(out), &request, &AtomicBool::new(false), &mut ())
    }
}

/// The error of a checkpoint on a split, as `allcnn eval` gives it.
fn error_pct(run: &Path, checkpoint: WhichCheckpoint, split: Split) -> f64 {
    let run = RunFolder::open(run).unwrap();
    let wanted = EvaluateOptions { split, checkpoint, ..EvaluateOptions::default() };
    let no = AtomicBool::new(false);
    let evaluated = evaluate(&Reference, &run, &wanted, &no, &mut ()).unwrap().unwrap();
    evaluated.evaluation.top1_error_pct
}

#[test]
fn the_figures_are_those_of_the_best_checkpoint_on_each_split() {
    let place = Place::new();
    let finished = place.start("run", &AtomicBool::new(false), &mut ()).unwrap();
    let (run, progress) = (place.path("run"), &finished.outcome.progress);
    let record = &finished.manifest.data;
    assert_eq!((record.train_images, record.validation_images, record.test_images), (48, 15, 12));
    assert_eq!(record.selected_on(), Some(Split::Validation));
    let tested = progress.tested.unwrap();
    assert_eq!(error_pct(&run, WhichCheckpoint::Best, Split::Test), tested.error_pct);
    assert_eq!(
        Some(error_pct(&run, WhichCheckpoint::Best, Split::Validation)),
        progress.best_validation_error_pct
    );
    let row = progress.history.last().unwrap();
    assert_eq!(Some(error_pct(&run, WhichCheckpoint::Last, Split::Validation)), row.validation_error_pct);
    assert_eq!(last(&run).progress.tested, Some(tested), "it is noted in the run");
    let report = fs::read_to_string(finished.report.unwrap()).unwrap();
    let epoch = progress.best_epoch().unwrap();
    let below = format!("best checkpoint (epoch {epoch}, chosen on 15 validation images) on 12 test images");
    for part in [&below, "Validation error", "measured once"] {
        assert!(report.contains(part), "{part}");
    }
}

/// The bytes of every file in a run folder.
fn files(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file()) // the claims tell who was there
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_finished_run_is_not_measured_again() {
    let place = Place::new();
    let finished = place.start("run", &AtomicBool::new(false), &mut ()).unwrap();
    let before = files(&place.path("run"));
    let again = place.resume("run").unwrap();
    assert_eq!(
        (again.outcome.progress.tested, again.outcome.end),
        (finished.outcome.progress.tested, End::Finished)
    );
    assert_eq!(again.report, finished.report);
    assert!(files(&place.path("run")) == before, "a file has changed");
    // A report that was lost is made anew, with the same figures.
    fs::remove_file(place.path("run/report.html")).unwrap();
    place.resume("run").unwrap();
    assert_eq!(last(&place.path("run")).progress.tested, finished.outcome.progress.tested);
    assert!(place.path("run/report.html").exists());
}

#[test]
fn stopped_before_the_test_images_it_says_nothing_of_them_and_measures_them_when_resumed() {
    let place = Place::new();
    let whole = place.start("whole", &AtomicBool::new(false), &mut ()).unwrap();
    let steps = whole.outcome.progress.total_steps;
    for (out, at) in [("early", 20), ("late", steps)] {
        let stop = AtomicBool::new(false);
        let mut stopping = |event: Event<'_>| {
            // The last epoch is saved: what is left are the test images.
            if matches!(event, Event::Saved { step } if step == steps)
                || matches!(event, Event::Step { step, .. } if step == at && at < steps)
            {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let stopped = place.start(out, &stop, &mut stopping).unwrap();
        assert_eq!((stopped.outcome.end, stopped.outcome.progress.step), (End::Interrupted, at));
        assert_eq!((stopped.outcome.progress.tested, stopped.report), (None, None));
        assert!(last(&place.path(out)).progress.tested.is_none());
        let done = place.resume(out).unwrap();
        assert_eq!(done.outcome.progress.tested, whole.outcome.progress.tested);
        assert_eq!(last(&place.path(out)), last(&place.path("whole")));
        assert_eq!(best(&place.path(out)), best(&place.path("whole")));
        assert!(done.report.is_some());
    }
}

/// A run of version 0.1.0 did not use the validation images of its data, and goes on without them.
#[test]
fn a_run_that_was_begun_without_its_validation_images_goes_on_without_them() {
    let place = Place::new();
    let kept = place.path("images/val");
    fs::rename(&kept, place.path("val")).unwrap();
    let whole = place.start("whole", &AtomicBool::new(false), &mut ()).unwrap();
    let stop = AtomicBool::new(false);
    let mut stopping = |event: Event<'_>| {
        stop.fetch_or(matches!(event, Event::Step { step: 20, .. }), Ordering::Relaxed);
    };
    place.start("cut", &stop, &mut stopping).unwrap();
    fs::rename(place.path("val"), &kept).unwrap();
    let done = place.resume("cut").unwrap();
    assert_eq!(done.manifest.data.fingerprint, whole.manifest.data.fingerprint);
    assert_eq!(last(&place.path("cut")), last(&place.path("whole")));
    assert_eq!(best(&place.path("cut")), best(&place.path("whole")));
    assert_eq!(done.outcome.progress.tested, None);
}
