//! Trainings that begin with weights that exist: what is taken, what stays frozen, and what is refused.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Data, Pace, SIDE, best, classes, images, kinds, last, network, recipe};
use allcnn::augment::Augment;
use allcnn::data::Images;
use allcnn::observer::Event;
use allcnn::parameters::Tensor;
use allcnn::recipe::Recipe;
use allcnn::run::{Checkpoint, Length, RunFolder, TrainRequest};
use allcnn::train::{End, Finished, TrainError, resume, start};
use allcnn::transfer::{Source, TransferError};
use allcnn_device::Reference;
use allcnn_device::learned_norm::RHO_OF_2;

/// Image folders, a network file, and where runs go.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write("images", &classes(), &images(48, 1));
        fs::write(place.path("tiny.toml"), network().to_toml()).unwrap();
        place
    }

    fn write(&self, data: &str, classes: &[String], images: &Images) {
        for (index, name) in images.names.iter().enumerate() {
            let Some(class) = classes.get(images.labels[index] as usize) else { continue };
            let folder = self.path(data).join(class);
            fs::create_dir_all(&folder).unwrap();
            let (side, color) = (SIDE as u32, image::ExtendedColorType::Rgb8);
            image::save_buffer(folder.join(name), images.image(index), side, side, color).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn request(&self) -> TrainRequest {
        TrainRequest {
            recipe: Recipe { epochs: 2, learning_rate: 0.05, seed: 3, ..recipe() },
            length: Length::OfRecipe,
            ..TrainRequest::new(self.text("tiny.toml"), self.text("images"))
        }
    }

    /// The request of a training on `data` that begins with the weights of `from`.
    fn request_from(&self, from: &str, data: &str) -> TrainRequest {
        let request = Source::open(&self.text(from)).unwrap().request(self.text(data));
        let recipe =
            Recipe { augment: Augment::None, preprocess: request.recipe.preprocess, ..self.request().recipe };
        TrainRequest { recipe, length: Length::OfRecipe, ..request }
    }

    fn start(&self, request: &TrainRequest, out: &str) -> Result<Finished, TrainError> {
        start(&Reference, request, &self.path(out), &AtomicBool::new(false), &mut ())
    }
}

fn values(place: &Place, run: &str, layer: &str) -> Vec<Tensor> {
    let all = last(&place.path(run)).values;
    all.into_iter().filter(|tensor| tensor.name.starts_with(&format!("{layer}."))).collect()
}

#[test]
fn layers_that_fit_are_taken_and_the_head_is_drawn_for_other_classes() {
    let place = Place::new();
    place.start(&place.request(), "run").unwrap();
    place.write("others", &["a".into(), "b".into()], &images(30, 5));
    let mut told = Vec::new();
    let mut observer = |event: Event<'_>| {
        if let Event::Note(text) | Event::Warning(text) = event {
            told.push(text.to_owned());
        }
    };
    let request = TrainRequest { freeze: Some("conv2".into()), ..place.request_from("run", "others") };
    let stop = AtomicBool::new(false);
    let finished = start(&Reference, &request, &place.path("tuned"), &stop, &mut observer).unwrap();
    let told = told.join("\n");
    assert!(told.contains("conv1, conv2; drawn anew: conv3 (other classes)"), "{told}");
    assert!(told.contains("frozen: conv1 to conv2") && told.contains("mean-std, as it was fitted"), "{told}");
    let record = finished.manifest.from.unwrap();
    assert_eq!(
        (record.taken, record.drawn),
        (vec!["conv1".to_string(), "conv2".into()], vec!["conv3".to_string()])
    );
    assert_eq!(record.freeze.as_deref(), Some("conv2"));
    for layer in ["conv1", "conv2"] {
        let of_best = best(&place.path("run")).values;
        let of_best = of_best.into_iter().filter(|tensor| tensor.name.starts_with(layer)).collect::<Vec<_>>();
        assert_eq!(values(&place, "tuned", layer), of_best, "{layer}");
    }
    assert_eq!(values(&place, "tuned", "conv3")[1].shape, [2, 8, 1, 1]);
    let [one, other] =
        ["run", "tuned"].map(|run| fs::read(place.path(run).join("preprocess.safetensors")).unwrap());
    assert!(one == other, "the preprocessing of the source");
}

#[test]
fn the_same_classes_take_all_layers_and_held_out_images_that_were_trained_on_are_told() {
    let place = Place::new();
    place.start(&place.request(), "run").unwrap();
    // Without a test split the last of each class are held out; here those were trained on.
    let all = TrainRequest { holdout: Some("1".parse().unwrap()), ..place.request() };
    place.start(&all, "all").unwrap();
    let mut told = Vec::new();
    let mut observer = |event: Event<'_>| {
        if let Event::Note(text) | Event::Warning(text) = event {
            told.push(text.to_owned());
        }
    };
    let request = TrainRequest { holdout: Some("3".parse().unwrap()), ..place.request_from("all", "images") };
    start(&Reference, &request, &place.path("tuned"), &AtomicBool::new(false), &mut observer).unwrap();
    let told = told.join("\n");
    assert!(told.contains("all layers (conv1, conv2, conv3)"), "{told}");
    assert!(told.contains("6 of the 9 held-out images are among those"), "{told}");
}

#[test]
fn a_file_of_weights_gives_what_fits() {
    let place = Place::new();
    place.start(&place.request(), "run").unwrap();
    let best = place.text("run/best.safetensors");
    let source = Source::open(&best).unwrap();
    assert!(source.run.is_none() && source.classes == Some(classes()));
    let fit = source.fit(&network(), &classes()).unwrap();
    assert_eq!((fit.taken.len(), fit.drawn.len(), fit.values.len()), (3, 0, 6));
    let nothing = Source::open(&place.text("images")).err().unwrap();
    assert!(nothing.to_string().contains("neither a run folder nor a file of weights"), "{nothing}");
    fs::write(place.path("text.safetensors"), "no weights").unwrap();
    let wrong = Source::open(&place.text("text.safetensors")).err().unwrap().to_string();
    assert!(wrong.contains("cannot read the weights") && wrong.contains("text.safetensors"), "{wrong}");
}

#[test]
fn what_cannot_be_taken_or_frozen_is_refused() {
    let place = Place::new();
    place.start(&place.request(), "run").unwrap();
    let refused = |change: &dyn Fn(&mut TrainRequest)| {
        let mut request = place.request_from("run", "images");
        change(&mut request);
        let error = place.start(&request, "refused").unwrap_err();
        assert!(!place.path("refused/run.toml").exists());
        error.to_string()
    };
    let other = refused(&|request| (request.network, request.model) = (None, "all-cnn-c".into()));
    assert!(
        other.contains("the data") || other.contains("no layer of all-cnn-c has the weights of"),
        "{other}"
    );
    assert!(
        other.contains("conv1.weight [6, 3, 3, 3]") && other.contains("expected conv1.weight [96, 3, 3, 3]")
    );
    let unknown = refused(&|request| request.freeze = Some("conv9".into()));
    assert!(
        unknown.contains("no layer of tiny has that name\nexpected one of conv1, conv2, conv3, global_pool")
    );
    let last = refused(&|request| request.freeze = Some("conv3".into()));
    assert!(last.contains("no layer above it has weights"), "{last}");
    let nothing = refused(&|request| (request.from, request.freeze) = (None, Some("conv1".into())));
    assert!(nothing.contains("add --from RUN"), "{nothing}");
    let drawn = Source::open(&place.text("run"))
        .unwrap()
        .fit(&network(), &["x", "y", "z"].map(String::from))
        .unwrap();
    let drawn = drawn.frozen_layers(&network(), "global_pool").unwrap_err();
    assert!(
        matches!(&drawn, TransferError::Freeze(text) if text.contains("conv3 are drawn anew")),
        "{drawn}"
    );
}

/// Frozen layers on pictures that never change: from the second epoch on the steps begin with features, which a resumed
/// training computes again.
#[test]
fn a_frozen_training_that_was_cut_ends_with_the_same_bits() {
    let recipe = Recipe { augment: Augment::None, ..recipe() };
    let (data, folder) = (Data { frozen: 2, ..Data::new(53, 20) }, tempfile::tempdir().unwrap());
    let whole = folder.path().join("whole");
    data.train(&recipe, &whole).unwrap();
    let begun = Data::new(53, 20);
    let stopping_at = |at: u64| {
        move |event: Event<'_>, stop: &AtomicBool| {
            if matches!(event, Event::Step { step, .. } if step == at) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    let first = folder.path().join("first");
    begun.train_with(&network(), &recipe, &first, None, Pace::default(), stopping_at(1)).unwrap();
    let (frozen, trained) = (last(&whole), last(&first));
    for (frozen, trained) in frozen.values.iter().zip(&trained.values) {
        assert_ne!(frozen.values, trained.values, "{}", frozen.name);
    }
    assert!(frozen.velocities.iter().all(|tensor| {
        tensor.values.iter().all(|&value| value == 0.0) != tensor.name.starts_with("conv3")
    }));
    for cut in [1, 6, 9, 20] {
        let run = folder.path().join(format!("cut{cut}"));
        data.train_with(&network(), &recipe, &run, None, Pace::default(), stopping_at(cut)).unwrap();
        let checkpoint = Checkpoint::read(&run.join("last.safetensors")).unwrap();
        data.train_with(&network(), &recipe, &run, Some(&checkpoint), Pace::default(), |_, _| ()).unwrap();
        assert_eq!(last(&run), last(&whole), "cut after step {cut}");
    }
}

#[test]
fn learned_norms_are_trained_unless_they_are_frozen() {
    let folder = tempfile::tempdir().unwrap();
    let learned = |frozen: usize| {
        let data = Data { frozen, network: kinds(), ..Data::new(53, 20) };
        let run = folder.path().join(format!("{frozen}"));
        data.train(&Recipe { augment: Augment::None, ..recipe() }, &run).unwrap();
        let tensors = last(&run).values;
        let values = |name: &str| tensors.iter().find(|tensor| tensor.name == name).unwrap().values.clone();
        (values("pool2.center"), values("pool2.rho"))
    };
    let channels = kinds().operations(1)[5].output().channels;
    assert_eq!(learned(6), (vec![0.0; channels], vec![RHO_OF_2; channels])); // conv3 and the mean are trained
    let (centers, rhos) = learned(0);
    assert!(centers.iter().all(|&center| center != 0.0) && rhos.iter().all(|&rho| rho != RHO_OF_2));
}

#[test]
fn a_run_without_a_checkpoint_begins_with_the_same_weights_again_or_not_at_all() {
    let place = Place::new();
    place.start(&place.request(), "run").unwrap();
    let request = place.request_from("run", "images");
    place.start(&request, "whole").unwrap();
    place.start(&request, "tuned").unwrap();
    for file in ["last.safetensors", "best.safetensors", "metrics.csv"] {
        fs::remove_file(place.path("tuned").join(file)).unwrap();
    }
    let again = || {
        let path = place.path("tuned");
        let request = TrainRequest::of(&RunFolder::open(&path)?.manifest()?)?;
        resume(&Reference, &path, &request, &AtomicBool::new(false), &mut ())
    };
    assert_eq!(again().unwrap().outcome.end, End::Finished);
    assert_eq!(last(&place.path("tuned")), last(&place.path("whole")));
    for file in ["last.safetensors", "best.safetensors"] {
        fs::remove_file(place.path("tuned").join(file)).unwrap();
    }
    fs::copy(place.path("run/last.safetensors"), place.path("run/best.safetensors")).unwrap();
    let mut changed = Checkpoint::read(&place.path("run/best.safetensors")).unwrap();
    changed.values[0].values[0] += 1.0;
    changed.write(&place.path("run/best.safetensors")).unwrap();
    let error = again().unwrap_err().to_string();
    assert!(error.contains("has other weights than when the run began"), "{error}");
}

#[test]
fn patience_ends_a_training_on_validation_images_taken_from_the_training_images() {
    let place = Place::new();
    // At a rate of nearly nothing the error stays what it is.
    let recipe = Recipe { epochs: 9, learning_rate: 1e-12, patience: Some(2), ..place.request().recipe };
    let request = TrainRequest { recipe, holdout: Some("4".parse().unwrap()), ..place.request() };
    let finished = place.start(&request, "run").unwrap();
    let (progress, record) = (&finished.outcome.progress, &finished.manifest.data);
    assert_eq!((record.train_images, record.validation_images, record.test_images), (33, 3, 12));
    assert_eq!((progress.history.len(), progress.best_epoch(), progress.stopped_early), (3, Some(1), true));
    assert_eq!((finished.manifest.recipe.epochs, finished.outcome.end), (3, End::Finished));
    assert!(progress.tested.is_some(), "the test images are measured once");
    let heldout = fs::read_to_string(place.path("run/heldout.txt")).unwrap();
    assert_eq!(heldout.lines().count(), 15);
}
