//! Scoring images with a network.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use allcnn_device::{Algorithm, Device};

use super::error::ScoreError;
use super::scores::Scores;
use super::softmax::add_softmax;
use crate::augment::{Augment, SeededAugment, Showing};
use crate::input::Samples;
use crate::parameters::Parameters;
use crate::plan::{Mode, Plan};
use crate::preprocess::Geometry;
use crate::run::Checkpoint;

/// Test-time augmentation: how many views of each image to average, and how they are augmented.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Views {
    /// Views per image; the first is the unaugmented image.
    pub count: u32,
    /// The augmentation of the other views.
    pub augment: Augment,
    /// The seed of the augmentation.
    pub seed: u64,
}

impl Views {
    /// A single view, without augmentation.
    pub const ONE: Views = Views { count: 1, augment: Augment::None, seed: 0 };

    /// The part of a network input, in its middle, that the views of these images cover at most.
    pub fn extent(self, samples: &Samples<'_>) -> Geometry {
        samples.extent(if self.count > 1 { self.augment } else { Augment::None })
    }

    /// The view parameters, in order.
    fn augments(self) -> impl Iterator<Item = SeededAugment> {
        let varied =
            move |view: u32| SeededAugment { augment: self.augment, seed: self.seed, round: view.into() };
        std::iter::once(SeededAugment::NONE).chain((1..self.count).map(varied))
    }
}

/// Images to score, uploaded to the device if it can store them.
pub struct TestSet<'a, D: Device> {
    samples: &'a Samples<'a>,
    kept: Option<D::Images>,
    /// A batch assembled on the host.
    batch: Vec<f32>,
}

impl<'a, D: Device> TestSet<'a, D> {
    /// Prepares the images of `samples`.
    ///
    /// # Errors
    /// A device failure.
    pub fn new(device: &D, samples: &'a Samples<'a>) -> Result<Self, ScoreError> {
        Ok(Self { samples, kept: samples.keep_on(device, SeededAugment::NONE)?, batch: vec![] })
    }

    /// Loads the images at indices `indices`, augmented by `augment`, into a plan.
    fn load(
        &mut self,
        plan: &mut Plan<'_, D>,
        indices: &[u32],
        augment: SeededAugment,
    ) -> Result<(), ScoreError> {
        let targets = vec![0.0; plan.batch() * plan.network().classes()];
        let views = || indices.iter().map(|&index| augment.view(index)).collect::<Option<Vec<_>>>();
        if let Some(images) = &mut self.kept
            && let Some(views) = views()
        {
            return Ok(plan.gather(images, &views, &targets)?);
        }
        self.batch.resize(plan.batch() * self.samples.geometry().len(), 0.0);
        self.samples.fill(indices, augment, &mut self.batch)?;
        Ok(plan.upload(&self.batch, &targets)?)
    }
}

/// Scores every image, with dropout off. `done` is called with the number of images done after each batch. Returns
/// `None` if stopped.
///
/// # Errors
/// A device failure; an image on disk that cannot be read.
pub fn score<D: Device>(
    plan: &mut Plan<'_, D>,
    parameters: &Parameters<D>,
    images: &mut TestSet<'_, D>,
    views: Views,
    stop: &AtomicBool,
    done: &mut dyn FnMut(usize),
) -> Result<Option<Scores>, ScoreError> {
    let all = 0..images.samples.len();
    let scores = score_part(plan, parameters, images, all.clone(), views, stop, done)?;
    Ok(Some(scores).filter(|scores| scores.losses.len() == all.len()))
}

/// Scores a part of the images; less of it if stopped.
///
/// # Errors
/// As [`score`].
pub(crate) fn score_part<D: Device>(
    plan: &mut Plan<'_, D>,
    parameters: &Parameters<D>,
    images: &mut TestSet<'_, D>,
    part: Range<usize>,
    views: Views,
    stop: &AtomicBool,
    done: &mut dyn FnMut(usize),
) -> Result<Scores, ScoreError> {
    let (rows, classes) = (plan.batch(), plan.network().classes());
    let samples = images.samples;
    let mut logits = vec![0.0; rows * classes];
    let mut scores = Scores::none(classes, samples.labels().to_vec());
    let indices: Vec<u32> = part.map(|index| index as u32).collect();
    let mut work = indices
        .chunks(rows)
        .flat_map(|indices| views.augments().map(move |augment| (indices, augment)))
        .peekable();
    let mut sums = vec![0f64; rows * classes];
    while let Some((indices, augment)) = work.next() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        images.load(plan, indices, augment)?;
        if let Some(&(indices, augment)) = work.peek() {
            samples.prefetch(indices.iter().map(|&image| Showing { image, augment }));
        }
        plan.set_view(augment.round);
        plan.forward(parameters, Mode::Evaluate);
        plan.logits(&mut logits)?;
        for (sums, logits) in sums.chunks_exact_mut(classes).zip(logits.chunks_exact(classes)) {
            add_softmax(logits, sums);
        }
        if work.peek().is_none_or(|(next, _)| next != &indices) {
            scores.take(indices, &sums[..indices.len() * classes], f64::from(views.count.max(1)));
            sums.fill(0.0);
            done(scores.losses.len());
        }
    }
    Ok(scores)
}

/// A checkpoint's network, planned to score images.
pub struct Scorer<'d, D: Device> {
    device: &'d D,
    plan: Plan<'d, D>,
    parameters: Parameters<D>,
}

impl<'d, D: Device> Scorer<'d, D> {
    /// Prepares the network for `batch` images at a time, of up to this size ([`Samples::extent`]).
    ///
    /// # Errors
    /// A device failure, such as too little memory for the network.
    pub fn new(
        device: &'d D,
        checkpoint: &Checkpoint,
        batch: usize,
        pictures: Geometry,
    ) -> Result<Self, ScoreError> {
        let parameters = checkpoint.parameters(device)?;
        let mut plan = Plan::for_scoring(device, &checkpoint.network, batch, pictures)?;
        plan.fix_weights(&parameters)?;
        Ok(Self { device, plan, parameters })
    }

    /// The algorithms of each convolution: forward, backward-data, backward-weights.
    pub fn algorithms(&self) -> Vec<(&str, [Algorithm; 3])> {
        self.plan.algorithms()
    }

    /// Scores every image; see [`score`].
    ///
    /// # Errors
    /// As [`score`].
    pub fn score(
        &mut self,
        samples: &Samples<'_>,
        views: Views,
        stop: &AtomicBool,
        done: &mut dyn FnMut(usize),
    ) -> Result<Option<Scores>, ScoreError> {
        let mut images = TestSet::new(self.device, samples)?;
        score(&mut self.plan, &self.parameters, &mut images, views, stop, done)
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::Reference;

    use super::*;
    use crate::augment::MAX_SHIFT;
    use crate::data::shapes;
    use crate::net::{Init, Network};
    use crate::preprocess::{Geometry, Method, Preprocessor};

    #[test]
    fn images_that_the_device_keeps_get_the_same_scores() {
        let network = Network::from_toml(
            r#"
            name = "tiny"
            input = [32, 32, 3]
            classes = 10
            layers = [{ conv = 4, kernel = 3, stride = 2 }, { conv = "classes", kernel = 1 }, { global_average = true }]
            "#,
        )
        .unwrap();
        let data = shapes::draw(0, 10, 11).test;
        let geometry = Geometry { height: 32, width: 32, channels: 3 };
        let preprocessor = Preprocessor::fit(Method::MeanStd, &data.pixels, geometry).unwrap();
        let samples = Samples::new(&data, &preprocessor).unwrap();
        let parameters = Parameters::initialize(&Reference, &network, Init::He, 1).unwrap();
        let mut plan = Plan::for_scoring(&Reference, &network, 4, geometry).unwrap();
        let views = Views { count: 3, augment: Augment::FlipShift { max_shift: MAX_SHIFT }, seed: 5 };
        let mut images = TestSet::new(&Reference, &samples).unwrap();
        assert!(images.kept.is_some());
        let mut scored = |images: &mut TestSet<'_, Reference>| {
            score(&mut plan, &parameters, images, views, &AtomicBool::new(false), &mut |_| ()).unwrap()
        };
        let kept = scored(&mut images);
        images.kept = None;
        assert_eq!(kept, scored(&mut images));
    }
}
