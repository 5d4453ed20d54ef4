//! The report's test images with what in them spoke for the class that the network said: its worst mistakes, and one
//! good example of each class.

use std::collections::BTreeMap;

use allcnn_device::Device;

use super::{Checkpoint, Error};
use crate::augment::Look;
use crate::data::Images;
use crate::data::decode::Picture;
use crate::evaluate::Scores;
use crate::parameters::Parameters;
use crate::predict::trained;
use crate::report::{Gallery, MAX_MISTAKES, Mistake};
use crate::samples::Samples;
use crate::visualise::render::Shading;
use crate::visualise::{self, Explainer, Method, Target, Unit};

/// Of more classes than this, only the first ones get an example.
const MOST_EXAMPLES: usize = 100;

/// Explains test images by guided backpropagation from the logit of a class.
pub struct Explained<'a, D: Device> {
    explainer: Explainer<'a, D>,
    parameters: Parameters<D>,
    samples: &'a Samples<'a>,
}

impl<'a, D: Device> Explained<'a, D> {
    /// The network of a checkpoint.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(device: &'a D, checkpoint: &Checkpoint, samples: &'a Samples<'a>) -> Result<Self, Error> {
        let parameters = trained(device, checkpoint)?;
        let explainer = Explainer::new(device, &checkpoint.network, samples.len()).map_err(plain)?;
        Ok(Self { explainer, parameters, samples })
    }

    /// What spoke for a class in each image: (image, class).
    pub fn pictures(&mut self, wanted: &[(usize, usize)]) -> Result<Vec<Picture>, Error> {
        let geometry = self.samples.geometry();
        let places: Vec<u32> = wanted.iter().map(|&(image, _)| image as u32).collect();
        let mut images = vec![0.0; wanted.len() * geometry.len()];
        self.samples.fill(&places, Look::PLAIN, &mut images)?;
        let pairs = wanted.iter().enumerate().map(|(place, &(_, class))| (place, Unit::Channel(class)));
        let pairs: Vec<(usize, Unit)> = pairs.collect();
        let target = Target::of_classes(self.explainer.network(), vec![]).map_err(plain)?;
        let methods = [Method::Guided];
        let explanations = self
            .explainer
            .explain_pairs(&self.parameters, &images, &target, &pairs, &methods)
            .map_err(plain)?;
        let picture = |map: &Vec<f32>| Shading::Signed.paint(map, geometry.height, geometry.width);
        Ok(explanations.iter().flat_map(|explanation| &explanation.maps).map(picture).collect())
    }
}

/// The error below that of an explanation.
fn plain(error: visualise::Error) -> Error {
    match error {
        visualise::Error::Run(error) => error,
        visualise::Error::Device(error) => error.into(),
        other => Error::Mismatch(other.to_string()),
    }
}

/// An image as it was before preprocessing.
pub fn original(images: &Images, image: usize) -> Result<Picture, Error> {
    let pixels = images.read(image)?.into_owned();
    Ok(Picture { height: images.height, width: images.width, pixels })
}

/// The wrong answers that the network was surest of.
pub fn mistakes<D: Device>(
    scores: &Scores,
    images: &Images,
    explained: &mut Explained<'_, D>,
) -> Result<Vec<Mistake>, Error> {
    let worst = scores.worst_mistakes(MAX_MISTAKES);
    let wanted: Vec<_> = worst.iter().map(|mistake| (mistake.image, mistake.predicted as usize)).collect();
    let explanations = explained.pictures(&wanted)?;
    let each = worst.into_iter().zip(explanations).map(|(mistake, explanation)| {
        Ok(Mistake {
            picture: original(images, mistake.image)?,
            name: images.names[mistake.image].clone(),
            truth: mistake.label as usize,
            predicted: mistake.predicted as usize,
            probability: f64::from(mistake.probability),
            explanation: Some(explanation),
        })
    });
    each.collect()
}

/// Of each class the image that the network was surest of, and right.
pub fn examples<D: Device>(
    scores: &Scores,
    images: &Images,
    classes: &[String],
    explained: &mut Explained<'_, D>,
) -> Result<Option<Gallery>, Error> {
    let mut best: BTreeMap<usize, usize> = BTreeMap::new();
    for image in (0..scores.labels.len()).filter(|&image| scores.predicted(image) == scores.labels[image]) {
        let best = best.entry(scores.labels[image] as usize).or_insert(image);
        if scores.probability(image).total_cmp(&scores.probability(*best)).is_gt() {
            *best = image;
        }
    }
    let wanted: Vec<(usize, usize)> =
        best.into_iter().map(|(class, image)| (image, class)).take(MOST_EXAMPLES).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let pictures = wanted.iter().zip(explained.pictures(&wanted)?).map(|(&(image, class), explanation)| {
        let caption = format!("{} {:.1} %", classes[class], 100.0 * scores.probability(image));
        Ok((vec![original(images, image)?, explanation], caption))
    });
    Ok(Some(Gallery {
        title: "What speaks for each class".into(),
        note: "The test image of each class that the network was surest of, and what in it spoke for the class: \
               guided backpropagation from the class's logit, grey is zero, in preprocessed coordinates. Such \
               pictures resemble the edges of an image whatever the network has learned; `allcnn explain` has \
               other methods and a check."
            .into(),
        pictures: pictures.collect::<Result<_, Error>>()?,
    }))
}
