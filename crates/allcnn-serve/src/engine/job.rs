//! Questions for the device, and where their answers go.

use std::sync::Arc;

use allcnn::data::decode::Picture;
use allcnn::export::OnnxOptions;
use allcnn::visualise::{Attribution, Explanation, Unit};
use allcnn_device::Shape;
use tokio::sync::oneshot;

use super::alike::Alike;
use super::error::EngineError;
use super::held_out::HeldOut;
use super::judged::Judged;
use crate::runs::OpenRun;

/// What the device can be asked.
pub(crate) trait Question: Sized {
    /// What it answers.
    type Answer;

    /// The question as a job.
    fn job(asked: Asked<Self>) -> Job;
}

/// The weights of a run, as trained or random from a layer up.
#[derive(Clone)]
pub(crate) struct Weights {
    pub run: Arc<OpenRun>,
    pub random_from: Option<String>,
}

impl PartialEq for Weights {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.run, &other.run) && self.random_from == other.random_from
    }
}

/// What in a picture activates units of a layer.
pub(crate) struct Explain {
    pub weights: Weights,
    /// Of the size that the run's network takes, `[height, width, 3]`.
    pub picture: Arc<[u8]>,
    /// The layer, which has these units.
    pub layer: String,
    pub units: Vec<Unit>,
    pub ways: Vec<Attribution>,
    /// Beside it the variant with pooling + switches.
    pub switches: bool,
}

/// A unit in a picture with its maps, by the network or by its variant with switches.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub explanation: Explanation,
    pub switches: bool,
}

/// All outputs of a layer for a picture.
pub(crate) struct Activations {
    pub weights: Weights,
    pub picture: Arc<[u8]>,
    pub layer: String,
}

/// The outputs, `[height, width, channels]`.
#[derive(Clone, Debug)]
pub(crate) struct ActivationsOf {
    pub shape: Shape,
    pub values: Vec<f32>,
}

/// The images of the run's data that activate a unit most.
pub(crate) struct Patches {
    pub run: Arc<OpenRun>,
    pub layer: String,
    pub unit: usize,
}

/// The patches, and how many images were looked at.
#[derive(Clone, Debug)]
pub(crate) struct PatchesOf {
    pub images: usize,
    pub patches: Vec<FoundPatch>,
}

/// A patch, and what in it activates the unit.
#[derive(Clone, Debug)]
pub(crate) struct FoundPatch {
    pub image: String,
    pub class: Option<String>,
    pub activation: f32,
    /// The part of the image that the unit sees, then its map.
    pub pictures: Vec<Picture>,
}

/// What a unit draws without an image.
pub(crate) struct Drawing {
    pub run: Arc<OpenRun>,
    pub layer: String,
    pub unit: usize,
}

/// The images of the run's data that it is not trained on.
pub(crate) struct HoldOut {
    pub run: Arc<OpenRun>,
}

/// The images of the run's data that are nearly the same.
pub(crate) struct Compare {
    pub run: Arc<OpenRun>,
}

/// The run's answers for its held-out images.
pub(crate) struct Judge {
    pub run: Arc<OpenRun>,
}

/// The run's network as an ONNX file, which is checked on the device.
pub(crate) struct Onnx {
    pub run: Arc<OpenRun>,
    pub options: OnnxOptions,
}

/// A question that waits for the device.
pub(crate) enum Job {
    Explain(Asked<Explain>),
    Activations(Asked<Activations>),
    Patches(Asked<Patches>),
    Drawing(Asked<Drawing>),
    HoldOut(Asked<HoldOut>),
    Compare(Asked<Compare>),
    Judge(Asked<Judge>),
    Onnx(Asked<Onnx>),
}

macro_rules! question {
    ($question:ident -> $answer:ty) => {
        impl Question for $question {
            type Answer = $answer;

            fn job(asked: Asked<Self>) -> Job {
                Job::$question(asked)
            }
        }
    };
}

question!(Explain -> Vec<View>);
question!(Activations -> ActivationsOf);
question!(Patches -> PatchesOf);
question!(Drawing -> allcnn::visualise::Drawing);
question!(HoldOut -> Arc<HeldOut>);
question!(Compare -> Arc<Alike>);
question!(Judge -> Arc<Judged>);
question!(Onnx -> Vec<u8>);

impl Job {
    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Job::Explain(asked) => asked.answer.is_closed(),
            Job::Activations(asked) => asked.answer.is_closed(),
            Job::Patches(asked) => asked.answer.is_closed(),
            Job::Drawing(asked) => asked.answer.is_closed(),
            Job::HoldOut(asked) => asked.answer.is_closed(),
            Job::Compare(asked) => asked.answer.is_closed(),
            Job::Judge(asked) => asked.answer.is_closed(),
            Job::Onnx(asked) => asked.answer.is_closed(),
        }
    }

    /// The pairs of picture and unit that join a pass of `first`, if they can.
    pub(super) fn pairs_beside(&self, first: &Job) -> Option<usize> {
        let (Job::Explain(one), Job::Explain(first)) = (self, first) else { return None };
        let (one, first) = (&one.question, &first.question);
        let fits = one.weights == first.weights
            && one.layer == first.layer
            && one.ways == first.ways
            && one.switches == first.switches;
        fits.then_some(one.units.len())
    }
}

/// A question, and where its answer goes.
pub(crate) struct Asked<Q: Question> {
    pub(super) question: Q,
    answer: oneshot::Sender<Result<Q::Answer, EngineError>>,
}

impl<Q: Question> Asked<Q> {
    /// A question, and what receives its answer.
    pub(super) fn new(question: Q) -> (Self, oneshot::Receiver<Result<Q::Answer, EngineError>>) {
        let (answer, receiver) = oneshot::channel();
        (Self { question, answer }, receiver)
    }

    /// Answers; that nobody waits any more is no failure.
    pub(super) fn answer(self, answer: Result<Q::Answer, EngineError>) {
        let _ = self.answer.send(answer);
    }

    /// Answers with what `answer` says to the question.
    pub(super) fn answer_with(self, answer: impl FnOnce(&Q) -> Result<Q::Answer, EngineError>) {
        let answer = answer(&self.question);
        self.answer(answer);
    }
}
