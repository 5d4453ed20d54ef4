//! From a request to a finished run folder and on to predictions, on image files that the test makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Data, SIDE, classes, last, network, recipe};
use allcnn::data::pictures;
use allcnn::evaluate::{EvaluateOptions, evaluate};
use allcnn::observer::{Event, Observer};
use allcnn::predict::{Prediction, Predictor};
use allcnn::recipe::Recipe;
use allcnn::run::WhichCheckpoint;
use allcnn::run::{Checkpoint, Length, TrainRequest};
use allcnn::run::{RunError, RunFolder};
use allcnn::split::Split;
use allcnn::train::{End, Finished, TrainError, lengthen, resume, start};
use allcnn_device::Reference;

/// A folder with class folders of images and a network file, and where runs go.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let data = Data::new(48, 12);
        for (split, images) in [("train", &data.train), ("test", &data.test)] {
            for index in 0..images.len() {
                let class = &classes()[images.labels[index] as usize];
                let folder = place.path("images").join(split).join(class);
                fs::create_dir_all(&folder).unwrap();
                let path = folder.join(&images.names[index]);
                let color = image::ExtendedColorType::Rgb8;
                image::save_buffer(path, images.image(index), SIDE as u32, SIDE as u32, color).unwrap();
            }
        }
        fs::write(place.path("tiny.toml"), network().to_toml()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self) -> TrainRequest {
        let [model, data] = ["tiny.toml", "images"].map(|name| self.path(name).display().to_string());
        TrainRequest {
            recipe: Recipe { epochs: 8, learning_rate: 0.05, seed: 3, ..recipe() },
            length: Length::OfRecipe,
            ..TrainRequest::new(model, data)
        }
    }

    fn start(
        &self,
        request: &TrainRequest,
        out: &str,
        observer: &mut dyn Observer,
    ) -> Result<Finished, TrainError> {
        start(&Reference, request, &self.path(out), &AtomicBool::new(false), observer)
    }
}

fn resumed(folder: &Path, change: impl FnOnce(&mut TrainRequest)) -> Result<Finished, TrainError> {
    let mut request = TrainRequest::of(&RunFolder::open(folder)?.manifest()?)?;
    change(&mut request);
    resume(&Reference, folder, &request, &AtomicBool::new(false), &mut ())
}

/// An observer that asks for an end once that step is done.
fn stopping_after(last: u64, stop: &AtomicBool) -> impl FnMut(Event<'_>) {
    move |event| {
        if matches!(event, Event::Step { step, .. } if step == last) {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_run_leaves_what_the_others_begin_from() {
    let place = Place::new();
    let finished = place.start(&place.request(), "run", &mut ()).unwrap();
    assert_eq!(finished.outcome.end, End::Finished);
    let run = RunFolder::open(&place.path("run")).unwrap();
    assert_eq!(run.manifest().unwrap(), finished.manifest);
    assert_eq!(finished.manifest.recipe, place.request().recipe);
    assert_eq!((finished.manifest.total_steps, finished.manifest.data.train_images), (48, 48));
    assert_eq!(fs::read_to_string(run.metrics()).unwrap().lines().count(), 9);
    let report = fs::read_to_string(finished.report.unwrap()).unwrap();
    assert!(report.contains("on 12 test images") && report.contains("across"), "{report}");
    let again = place.start(&place.request(), "run", &mut ());
    assert!(matches!(again, Err(TrainError::Run(RunError::Occupied(_)))));

    fs::write(place.path("images/test/text.png"), "not an image").unwrap();
    let checkpoint = run.read_best().unwrap();
    let mut predictor = Predictor::new(&Reference, &run, checkpoint, 5).unwrap();
    let mut files = pictures(&[place.path("images/test")]).unwrap().files;
    files.push(place.path("images/none.png"));
    let answers = predictor.predict(&files, 2).unwrap();
    assert_eq!(answers.len(), 14);
    let mut right = 0;
    for answer in &answers {
        match answer {
            Prediction::Unread { file, error } => {
                assert!(file.ends_with("text.png") || file.ends_with("none.png"), "{file}: {error}");
            }
            Prediction::Seen { file, predictions, .. } => {
                assert_eq!(predictions.len(), 2);
                assert!(predictions[0].probability >= predictions[1].probability);
                right += usize::from(file.contains(&format!("/{}/", predictions[0].class)));
            }
        }
    }
    let error = finished.outcome.progress.best_test_error_pct.unwrap();
    assert_eq!(100.0 * (12 - right) as f64 / 12.0, error, "predict and the training's test agree");
    let json = serde_json::to_value(&answers).unwrap();
    assert!(json[0]["predictions"][0]["probability"].is_number() && json[13]["error"].is_string());
}

#[test]
fn a_run_is_evaluated_on_its_own_and_on_other_data() {
    let place = Place::new();
    let finished = place.start(&place.request(), "run", &mut ()).unwrap();
    let run = finished.run;
    let evaluated = |wanted: &EvaluateOptions| {
        let mut warnings = 0;
        let mut count = |event: Event<'_>| warnings += u32::from(matches!(event, Event::Warning(_)));
        let no = AtomicBool::new(false);
        evaluate(&Reference, &run, wanted, &no, &mut count).map(|done| (done.unwrap(), warnings))
    };
    let last = EvaluateOptions { checkpoint: WhichCheckpoint::Last, ..EvaluateOptions::default() };
    let (own, warnings) = evaluated(&last).unwrap();
    let row = finished.outcome.progress.history.last().unwrap();
    assert_eq!((Some(own.evaluation.top1_error_pct), warnings), (row.test_error_pct, 0));
    assert_eq!(Some(own.evaluation.loss), row.test_loss);
    assert_eq!(own.evaluation.confusion.pairs().map(|(_, _, images)| images).sum::<u64>(), 12);
    let (train, _) = evaluated(&EvaluateOptions { split: Split::Train, batch: 7, ..last.clone() }).unwrap();
    assert_eq!(train.evaluation.images, 48);
    let (many, _) = evaluated(&EvaluateOptions { views: 4, ..last.clone() }).unwrap();
    assert_ne!(many.scores.losses, own.scores.losses);
    let json = serde_json::to_value(&own.evaluation).unwrap();
    assert!(json["classes"][0]["error_pct"].is_number() && json["confusion"][2][2].is_number());

    // Two of the three classes under the same names: their labels are those of the network.
    fs::create_dir(place.path("part")).unwrap();
    for class in ["down", "plain"] {
        fs::rename(place.path("images/test").join(class), place.path("part").join(class)).unwrap();
    }
    let part = Some(place.path("part").display().to_string());
    let wanted = EvaluateOptions { data: part, split: Split::Train, ..last.clone() };
    let (part, _) = evaluated(&wanted).unwrap();
    assert!(part.images.labels.iter().all(|&label| label > 0));
    assert!(part.evaluation.top1_error_pct < 50.0 && part.evaluation.classes[0].error_pct.is_none());
    let error = evaluated(&last).unwrap_err().to_string();
    assert!(
        error.contains("the fingerprint is") && error.contains("--data"),
        "the own images changed: {error}"
    );
    fs::rename(place.path("part/down"), place.path("part/up")).unwrap();
    let error = evaluated(&wanted).unwrap_err().to_string();
    assert!(error.contains("not know: up") && error.contains("across, down, plain"), "{error}");
}

#[test]
fn an_interrupted_run_is_resumed_with_its_own_settings_only() {
    let place = Place::new();
    place.start(&place.request(), "whole", &mut ()).unwrap();
    let stop = AtomicBool::new(false);
    let mut interrupt = stopping_after(20, &stop);
    let out = place.path("cut");
    let cut = start(&Reference, &place.request(), &out, &stop, &mut interrupt).unwrap();
    assert_eq!((cut.outcome.end, cut.report), (End::Interrupted, None));

    let refused = |change: fn(&mut TrainRequest)| resumed(&out, change).unwrap_err().to_string();
    let error = refused(|request| request.recipe.batch = 16);
    assert!(error.contains("batch was 8, now 16"), "{error}");
    let error = refused(|request| request.recipe.learning_rate = 1.0);
    assert!(error.contains("learning_rate was 0.05, now 1.0"), "{error}");
    let error = refused(|request| request.limit = Some(12));
    assert!(error.contains("limit was none, now 12"), "{error}");
    assert!(refused(|request| request.data = "shapes".into()).contains("expected"));

    let stopped = resumed(&out, |request| request.time_limit = Some(Duration::ZERO)).unwrap();
    assert_eq!((stopped.outcome.end, stopped.outcome.progress.step), (End::TimeUp, 20));
    let done = resumed(&out, |_| ()).unwrap();
    assert_eq!(done.outcome.end, End::Finished);
    assert_eq!(last(&out), last(&place.path("whole")));
    let done = resumed(&out, |_| ()).unwrap(); // there is nothing left to do, and that is no error
    assert!(done.report.is_some_and(|path| path.exists()));

    fs::remove_file(place.path("images/train/down").read_dir().unwrap().next().unwrap().unwrap().path())
        .unwrap();
    let error = resumed(&out, |_| ()).unwrap_err().to_string();
    assert!(error.contains("fingerprint is") && error.contains(&cut.manifest.data.fingerprint), "{error}");
}

#[test]
fn killed_before_the_first_checkpoint_it_begins_again() {
    let place = Place::new();
    place.start(&place.request(), "whole", &mut ()).unwrap();
    let killed = place.path("killed");
    fs::create_dir(&killed).unwrap();
    for file in ["run.toml", "preprocess.safetensors"] {
        fs::copy(place.path("whole").join(file), killed.join(file)).unwrap();
    }
    assert_eq!(resumed(&killed, |_| ()).unwrap().outcome.end, End::Finished);
    assert_eq!(last(&killed), last(&place.path("whole")));
}

#[test]
fn the_length_is_chosen_to_fit_a_time_limit_and_kept() {
    let place = Place::new();
    let limit = Duration::from_millis(1500);
    let request = TrainRequest { length: Length::FitTimeLimit, time_limit: Some(limit), ..place.request() };
    let mut planned = 0;
    let mut observer = |event: Event<'_>| {
        // A machine that has more to do meanwhile shortens it.
        if let Event::Planned { total_steps, .. } | Event::Shortened { total_steps } = event {
            planned = total_steps;
        }
    };
    let finished = place.start(&request, "run", &mut observer).unwrap();
    assert_eq!(finished.outcome.end, End::Finished);
    assert_eq!(finished.manifest.total_steps, planned);
    assert_eq!(finished.outcome.progress.step, planned);
    assert_eq!(RunFolder::open(&place.path("run")).unwrap().manifest().unwrap().total_steps, planned);
    assert_eq!(u64::from(finished.manifest.recipe.epochs), planned.div_ceil(6));
    assert_eq!(last(&place.path("run")).progress.history.len() as u64, planned.div_ceil(6));
}

#[test]
fn a_training_that_becomes_slower_is_cut_to_its_time_limit() {
    let place = Place::new();
    let limit = Duration::from_secs(2);
    let request = TrainRequest { length: Length::FitTimeLimit, time_limit: Some(limit), ..place.request() };
    let (mut planned, mut shortened) = (0, 0);
    let mut observer = |event: Event<'_>| match event {
        Event::Planned { total_steps, .. } => planned = total_steps,
        Event::Shortened { total_steps } => shortened = total_steps,
        // A step takes far longer than when the length was chosen.
        Event::Step { .. } => std::thread::sleep(Duration::from_millis(50)),
        _ => {}
    };
    let finished = place.start(&request, "run", &mut observer).unwrap();
    assert!(0 < shortened && shortened < planned, "{shortened} of {planned}");
    assert_eq!((finished.outcome.end, finished.outcome.progress.step), (End::Finished, shortened));
    assert_eq!(finished.manifest.total_steps, shortened);
    let run = RunFolder::open(&place.path("run")).unwrap();
    assert_eq!(run.manifest().unwrap().total_steps, shortened);
    assert_eq!(resumed(&place.path("run"), |_| ()).unwrap().outcome.progress.step, shortened);
}

#[test]
fn wrong_requests_are_refused_before_anything_is_made() {
    let place = Place::new();
    let refused = |change: &dyn Fn(&mut TrainRequest)| {
        let mut request = place.request();
        change(&mut request);
        let error = place.start(&request, "none", &mut ()).unwrap_err().to_string();
        assert!(!place.path("none").exists(), "{error}");
        assert!(error.lines().count() <= 3, "{error}");
        error
    };
    assert!(refused(&|request| request.recipe.batch = 0).contains("batch is 0"));
    assert!(refused(&|request| request.recipe.learning_rate = -1.0).contains("learning rate is -1"));
    assert!(refused(&|request| request.model = "all-cnn-x".into()).contains("all-cnn-x"));
    assert!(
        refused(&|request| request.model = "none.toml".into()).contains("cannot read the model none.toml")
    );
    assert!(refused(&|request| request.data = "nowhere".into()).contains("nowhere"));
    let file = place.path("tiny.toml");
    let error = place.start(&place.request(), "tiny.toml/run", &mut ()).unwrap_err().to_string();
    assert!(
        error.contains("cannot make the run folder") && error.contains(&*file.to_string_lossy()),
        "{error}"
    );
    let half = place.path("half.safetensors");
    fs::write(&half, b"\0\0").unwrap();
    assert!(Checkpoint::read(&half).is_err());
}

#[test]
fn equal_trainings_leave_equal_files_also_when_one_was_stopped() {
    let place = Place::new();
    place.start(&place.request(), "whole", &mut ()).unwrap();
    let stop = AtomicBool::new(false);
    let mut interrupt = stopping_after(20, &stop);
    start(&Reference, &place.request(), &place.path("cut"), &stop, &mut interrupt).unwrap();
    assert_eq!(resumed(&place.path("cut"), |_| ()).unwrap().outcome.end, End::Finished);
    for file in
        ["best.safetensors", "last.safetensors", "preprocess.safetensors", "trained.bin", "heldout.txt"]
    {
        let bytes = |run: &str| fs::read(place.path(run).join(file)).unwrap();
        assert!(bytes("whole") == bytes("cut"), "{file} differs");
    }
    let progress = RunFolder::open(&place.path("whole")).unwrap().read_last().unwrap().unwrap().progress;
    assert!(progress.history.iter().all(|row| row.images_per_s > 0.0));
    assert_eq!(progress.seconds, progress.history[7].seconds, "the times are those of metrics.csv");
}

#[test]
fn a_run_is_made_longer_whether_it_is_finished_or_not() {
    let place = Place::new();
    let stop = AtomicBool::new(false);
    let mut interrupt = stopping_after(20, &stop);
    place.start(&place.request(), "whole", &mut ()).unwrap();
    start(&Reference, &place.request(), &place.path("cut"), &stop, &mut interrupt).unwrap();
    for (out, from_step) in [("whole", 48), ("cut", 20)] {
        let path = place.path(out);
        let run = RunFolder::go_on(&path).unwrap();
        let error = lengthen(&run, 8, None).unwrap_err().to_string();
        assert!(error.contains("has 8 epochs") && error.contains("begin a new run"), "{error}");
        let first = lengthen(&run, 9, None).unwrap();
        assert_eq!((first.from_step, first.is_anew()), (from_step, out == "whole"));
        let longer = lengthen(&run, 10, Some(0.01)).unwrap(); // before a step of the first was done
        drop(run);
        // Stopped in the added steps it ends as one that was not.
        fs::create_dir(place.path("copy")).unwrap();
        for file in path.read_dir().unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file()) {
            fs::copy(&file, place.path("copy").join(file.file_name().unwrap())).unwrap();
        }
        let request = TrainRequest::of(&RunFolder::open(&path).unwrap().manifest().unwrap()).unwrap();
        stop.store(false, Ordering::Relaxed);
        let mut interrupt = stopping_after(50, &stop);
        let halted = resume(&Reference, &place.path("copy"), &request, &stop, &mut interrupt).unwrap();
        assert_eq!((halted.outcome.end, halted.outcome.progress.total_steps), (End::Interrupted, 60));
        let done = resumed(&path, |_| ()).unwrap();
        assert_eq!(resumed(&place.path("copy"), |_| ()).unwrap().outcome.end, End::Finished);
        assert_eq!(last(&path), last(&place.path("copy")));
        fs::remove_dir_all(place.path("copy")).unwrap();

        let rows = &done.outcome.progress.history;
        assert_eq!((rows.len(), rows[9].learning_rate), (10, 0.01));
        assert_eq!((done.manifest.recipe.epochs, done.manifest.total_steps), (10, 60));
        assert_eq!(RunFolder::open(&path).unwrap().manifest().unwrap().lengthened, [first, longer]);
        assert_eq!(resumed(&path, |_| ()).unwrap().outcome.progress.step, 60, "there is nothing left to do");
    }
}

#[test]
fn the_length_in_steps_is_recorded_in_epochs_too() {
    let place = Place::new();
    let request =
        TrainRequest { recipe: Recipe { iterations: Some(15), ..place.request().recipe }, ..place.request() };
    let finished = place.start(&request, "run", &mut ()).unwrap();
    assert_eq!((finished.manifest.total_steps, finished.manifest.recipe.epochs), (15, 3));
    assert_eq!(finished.outcome.progress.history.len(), 3);
    resumed(&place.path("run"), |_| ()).unwrap();
}

#[test]
fn measuring_the_held_out_images_is_told() {
    let place = Place::new();
    let mut told = Vec::new();
    let mut note = |event: Event<'_>| {
        if let Event::Evaluating { done, total } = event {
            told.push((done, total));
        }
    };
    place.start(&place.request(), "run", &mut note).unwrap();
    assert!(told.iter().all(|&(done, total)| done <= total && total == 12));
    assert!(told.iter().filter(|(done, _)| *done == 12).count() >= 8, "after each epoch: {told:?}");
}

#[test]
fn a_run_that_diverged_says_so_when_its_weights_are_asked_for() {
    let place = Place::new();
    let mut request = place.request();
    (request.recipe.learning_rate, request.recipe.clip_norm) = (1e30, f32::INFINITY);
    let error = place.start(&request, "run", &mut ()).unwrap_err();
    let TrainError::Diverged { step, .. } = error else { panic!("{error}") };
    let run = RunFolder::open(&place.path("run")).unwrap();
    assert_eq!(run.manifest().unwrap().diverged, Some(step));
    let error = run.read_best().unwrap_err().to_string();
    assert!(error.contains(&format!("diverged in step {step}")) && error.contains("--lr"), "{error}");
}
