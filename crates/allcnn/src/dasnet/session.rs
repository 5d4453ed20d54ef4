//! A search for a policy on a run's training images, and the error with it on the images held out.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use allcnn_device::Device;
use allcnn_device::random::{Purpose, Stream};
use serde::Serialize;

use super::error::DasnetError;
use super::evolution::Evolution;
use super::looks::{Looks, PolicyShape};
use super::state::{self, Search};
use crate::augment::SeededAugment;
use crate::data::Identity;
use crate::input::Samples;
use crate::observer::{Event, Observer};
use crate::run::{Checkpoint, RunFolder, WhichCheckpoint, open_data};
use crate::score::wilson95_pct;
use crate::split::Split;

/// The first deviation of the policy's weights.
const DEVIATION: f32 = 0.05;
/// The weight of images that the network alone gets right.
const RIGHT: f64 = 0.005;
/// The weight of the mean square of the policy's weights.
const PENALTY: f64 = 0.005;
/// An image to which the network alone gives its class less is hard.
const HARD: f32 = 0.8;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct DasnetRequest {
    /// The checkpoint.
    pub checkpoint: WhichCheckpoint,
    /// Generations in all, those done before included.
    pub generations: u64,
    /// Policies of a generation, 4 or more.
    pub population: usize,
    /// Images that a generation is measured on.
    pub images: usize,
    /// Looks at each image, 2 or more.
    pub looks: u32,
    /// The seed.
    pub seed: u64,
    /// The folder of the policy; a search there is gone on with.
    pub out: PathBuf,
}

/// What a generation reached.
#[derive(Clone, Copy, Debug)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// The best and the mean fitness of its policies.
    pub fitness: [f64; 2],
}

/// The network alone and with the policy, on the images held out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DasnetResult {
    /// Generations done.
    pub generations: u64,
    /// The best and the mean fitness of each.
    pub fitness: Vec<[f64; 2]>,
    /// The policy's weights.
    pub weights: usize,
    /// The images, and their split.
    pub images: usize,
    /// The split.
    pub split: Split,
    /// The error of the network alone, in percent, and its 95 % interval.
    pub alone_error_pct: f64,
    /// The interval.
    pub alone_error_interval95: Option<[f64; 2]>,
    /// The error after the last look with the mean policy.
    pub error_pct: f64,
    /// The interval.
    pub error_interval95: Option<[f64; 2]>,
}

/// Searches a policy for the Maxout network of a run. `told` hears of each generation. Returns `None` if stopped: what was done is in
/// the folder.
///
/// # Errors
/// [`DasnetError`].
pub fn dasnet<D: Device>(
    device: &D,
    run: &RunFolder,
    request: &DasnetRequest,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
    told: &mut dyn FnMut(Generation),
) -> Result<Option<DasnetResult>, DasnetError> {
    let (manifest, checkpoint) = request.checkpoint.trained(run)?;
    let shape = PolicyShape::of(&checkpoint.network)?;
    let search = Search {
        weights: sha256(&checkpoint),
        population: request.population,
        images: request.images,
        looks: request.looks,
        seed: request.seed,
        generations: vec![],
    };
    let (mut search, mut evolution) = state::read(&request.out, &search, shape)?
        .unwrap_or_else(|| (search, Evolution::new(shape.len(), DEVIATION, request.seed)));
    let preprocessor = run.read_preprocessing()?;
    let mut progress = |progress| observer.observe(Event::Loading(progress));
    let opened = open_data((run.path(), &manifest), preprocessor.geometry(), None, true, &mut progress)?;
    let (data, input) = (opened.data, checkpoint.network.input().into());
    let train = Samples::new(&data.train, &preprocessor)?.on_canvas(input);
    if request.images > train.len() {
        let all = train.len();
        return Err(DasnetError::Setting(format!(
            "{} images a generation; the run has {all} for training",
            request.images
        )));
    }
    std::fs::create_dir_all(&request.out).map_err(|error| DasnetError::File {
        action: "create",
        path: request.out.clone(),
        problem: error.to_string(),
    })?;
    let parameters = checkpoint.parameters(device)?;
    let mut looks = Looks::new(device, &checkpoint.network, &parameters, request.images)?;
    let mut values = vec![0.0; request.images * train.geometry().len()];
    if evolution.generation < request.generations {
        let mut easy = vec![];
        for batch in batches(train.len(), request.images) {
            let answers = shown(&mut looks, &train, &batch, &mut values, None)?;
            easy.extend(
                own(&answers, &batch, &train, data.classes.len()).into_iter().map(|(p, _)| p >= HARD),
            );
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        while evolution.generation < request.generations {
            let batch = drawn(&easy, request.images, request.seed, evolution.generation);
            let answers = shown(&mut looks, &train, &batch, &mut values, None)?;
            let alone = own(&answers, &batch, &train, data.classes.len());
            let mut fitness = vec![];
            for member in 0..request.population {
                let policy = evolution.member(member);
                let answers = looks.again(&policy, request.looks)?;
                let last = own(&answers, &batch, &train, data.classes.len());
                fitness.push(fitness_of(&policy, &alone, &last));
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
            }
            evolution.end_generation(&fitness);
            let best = fitness.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mean = fitness.iter().sum::<f64>() / fitness.len() as f64;
            search.generations.push([best, mean]);
            state::write(&request.out, &search, &evolution, shape)?;
            told(Generation { number: evolution.generation, fitness: [best, mean] });
        }
    }
    let (split, held) =
        if data.test.is_empty() { (Split::Validation, &data.validation) } else { (Split::Test, &data.test) };
    let held = Samples::new(held, &preprocessor)?.on_canvas(input);
    let mut wrong = [0; 2];
    for batch in batches(held.len(), request.images) {
        for (policy, wrong) in [None, Some((&evolution.mean[..], request.looks))].into_iter().zip(&mut wrong)
        {
            let answers = shown(&mut looks, &held, &batch, &mut values, policy)?;
            *wrong +=
                own(&answers, &batch, &held, data.classes.len()).iter().filter(|(_, right)| !right).count()
                    as u64;
        }
    }
    let images = held.len() as u64;
    let pct = |wrong: u64| 100.0 * wrong as f64 / images.max(1) as f64;
    Ok(Some(DasnetResult {
        generations: evolution.generation,
        fitness: search.generations,
        weights: shape.len(),
        images: held.len(),
        split,
        alone_error_pct: pct(wrong[0]),
        alone_error_interval95: wilson95_pct(wrong[0], images),
        error_pct: pct(wrong[1]),
        error_interval95: wilson95_pct(wrong[1], images),
    }))
}

/// The SHA-256 of the weights.
fn sha256(checkpoint: &Checkpoint) -> String {
    let values = checkpoint.values.iter().flat_map(|tensor| &tensor.values);
    Identity::of(&values.flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).to_string()
}

/// The indices of all images, batch by batch.
fn batches(images: usize, batch: usize) -> impl Iterator<Item = Vec<u32>> {
    (0..images)
        .step_by(batch)
        .map(move |first| (first..images.min(first + batch)).map(|index| index as u32).collect())
}

/// The last answers for a batch: those of the first look, or with a policy of all.
fn shown<D: Device>(
    looks: &mut Looks<'_, D>,
    samples: &Samples<'_>,
    batch: &[u32],
    values: &mut [f32],
    policy: Option<(&[f32], u32)>,
) -> Result<Vec<f32>, DasnetError> {
    samples.fill(batch, SeededAugment::NONE, values)?;
    let first = looks.first(values)?;
    policy.map_or(Ok(first), |(policy, count)| looks.again(policy, count))
}

/// For each image of a batch the probability of its class, and whether that is the largest.
fn own(answers: &[f32], batch: &[u32], samples: &Samples<'_>, classes: usize) -> Vec<(f32, bool)> {
    let each = batch.iter().zip(answers.chunks_exact(classes));
    each.map(|(&image, answers)| {
        let label = samples.labels()[image as usize] as usize;
        let best = answers
            .iter()
            .enumerate()
            .fold(0, |best, (class, &p)| if p > answers[best] { class } else { best });
        (answers[label], best == label)
    })
    .collect()
}

/// The images of a generation's batch: three quarters hard ones, where there are so many, the rest of all.
fn drawn(easy: &[bool], images: usize, seed: u64, generation: u64) -> Vec<u32> {
    let mut numbers = Stream::new(seed, Purpose::Evolution, generation, u32::MAX).sequence();
    let mut all: Vec<u32> = (0..easy.len() as u32).collect();
    numbers.shuffle(&mut all);
    let hard = all.iter().filter(|&&image| !easy[image as usize]).take(3 * images / 4).copied();
    let mut batch: Vec<u32> = hard.collect();
    let rest: Vec<u32> =
        all.into_iter().filter(|image| !batch.contains(image)).take(images - batch.len()).collect();
    batch.extend(rest);
    batch
}

fn fitness_of(policy: &[f32], alone: &[(f32, bool)], last: &[(f32, bool)]) -> f64 {
    let log = |p: f32| f64::from(p.max(f32::MIN_POSITIVE)).ln();
    let each =
        alone.iter().zip(last).map(|((_, right), (p, _))| if *right { RIGHT * log(*p) } else { log(*p) });
    let square = policy.iter().map(|&weight| f64::from(weight).powi(2)).sum::<f64>() / policy.len() as f64;
    each.sum::<f64>() / alone.len() as f64 - PENALTY * square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_mostly_of_hard_images_and_has_none_twice() {
        let easy: Vec<bool> = (0..100).map(|image| image % 5 > 0).collect();
        let batch = drawn(&easy, 16, 1, 0);
        assert!(batch.iter().filter(|&&image| !easy[image as usize]).count() >= 12);
        let mut sorted = batch.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((sorted.len(), batch), (16, drawn(&easy, 16, 1, 0)));
        assert_ne!(drawn(&easy, 16, 1, 1), drawn(&easy, 16, 1, 0));
        assert_eq!(drawn(&[true; 5], 5, 1, 0).len(), 5);
    }

    #[test]
    fn images_that_were_wrong_count_most() {
        let alone = [(0.9, true), (0.2, false)];
        let fitness = |first, second| fitness_of(&[0.0; 4], &alone, &[(first, true), (second, true)]);
        assert!(fitness(0.9, 0.6) > fitness(0.99, 0.5));
        assert!(fitness_of(&[1.0; 4], &alone, &alone) < fitness_of(&[0.0; 4], &alone, &alone));
    }
}
