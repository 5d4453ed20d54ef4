//! Near-duplicate images as a run's network sees them: by cosine similarity of the last hidden features.

use allcnn_device::Device;
use rayon::prelude::*;

use crate::data::near::{Compared, Location, Near, groups};
use crate::data::{DataSet, Framing, Progress, Stage, open_file};
use crate::net::Network;
use crate::parameters::ParametersError;
use crate::plan::{Mode, Plan, PlanPurpose};
use crate::preprocess::Geometry;
use crate::run::{CheckpointError, RunError, RunFolder, WhichCheckpoint};
use crate::score::ScoreError;
use crate::visualise::{FilterChoice, VisualiseError};

/// Why images cannot be compared by a network.
#[derive(Debug, thiserror::Error)]
pub enum NearError {
    /// The network has only one layer with weights.
    #[error(
        "the network {0} has no hidden layer whose features could be compared\n\
         leave out --run to compare the pictures, or give another run"
    )]
    NoHiddenLayer(String),
    /// Reading the run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Selecting the hidden layer failed.
    #[error(transparent)]
    Filters(#[from] VisualiseError),
    /// Reading or scoring the images failed.
    #[error(transparent)]
    Score(#[from] ScoreError),
}

through!(NearError, RunError: CheckpointError);
through!(NearError, ScoreError: ParametersError, allcnn_device::Error);

/// The default cosine threshold for near-duplicates. Images of one class have similar features: of 6,000 distinct
/// images of `shapes`, 1,587 are in groups at a threshold of 0.97, 233 at 0.99.
pub const MIN_SIMILARITY: f32 = 0.99;
/// Images per forward pass.
const BATCH: usize = 128;
/// 64-bit words of the locality-sensitive hash that finds candidate pairs.
const WORDS: usize = 4;
/// The hashes of two vectors at an angle differ on average in a fraction angle / 180 degrees of their bits
/// (Charikar 2002, "Similarity estimation techniques from rounding algorithms"). Pairs up to this many standard
/// deviations above are compared.
const DEVIATIONS: f64 = 3.0;

/// Groups the images of `set` whose features have a cosine similarity of at least `least`. The features are the
/// outputs of the layer below the last one with weights, averaged over height and width, minus their mean over all
/// images. Images on disk, and those in memory that have another size than the run's pictures, are framed as the run
/// frames pictures. Unreadable images on disk are skipped and counted.
///
/// # Errors
/// A damaged run; a network without hidden layers; device failures.
pub fn find<D: Device>(
    device: &D,
    (run, checkpoint): (&RunFolder, WhichCheckpoint),
    set: &DataSet,
    least: f32,
    progress: &mut dyn FnMut(Progress),
) -> Result<Near, NearError> {
    let all = Location::all(set);
    let (locations, mut features) = features(device, (run, checkpoint), set, &all, progress)?;
    normalize(&mut features);
    let hashes: Vec<[u64; WORDS]> = features.par_iter().map(|features| hash(features)).collect();
    let similarity = |one: usize, other: usize| {
        let products = features[one].iter().zip(&features[other]).map(|(a, b)| a * b);
        Some(products.sum::<f32>()).filter(|cosine| *cosine >= least)
    };
    let total = Some(all.len() as u64);
    let mut done = |done: usize| progress(Progress { stage: Stage::Comparing, done: done as u64, total });
    let groups = groups(&hashes, most_bits(least), similarity, &mut done);
    let left_out = all.len() - locations.len();
    Ok(Near { left_out, ..Near::of(set, Compared::Features, least, &locations, groups) })
}

/// The largest Hamming distance expected between the hashes of vectors with this cosine.
fn most_bits(cosine: f32) -> u32 {
    let bits = (64 * WORDS) as f64;
    let share = f64::from(cosine).clamp(-1.0, 1.0).acos() / std::f64::consts::PI;
    (bits * share + DEVIATIONS * (bits * share * (1.0 - share)).sqrt()).ceil() as u32
}

/// Returns the network up to its last hidden layer, followed by global averaging.
fn hidden(network: &Network) -> Result<Network, NearError> {
    let layers = network.layers();
    let last = layers.iter().rposition(|layer| layer.kind().is_conv()).unwrap_or(0);
    let Some(below) = last.checked_sub(1) else {
        let name = network.name();
        return Err(NearError::NoHiddenLayer(name.into()));
    };
    let choice = FilterChoice::new(network, layers[below].name(), None);
    Ok(choice?.network().clone())
}

/// Returns the readable images and their features.
fn features<D: Device>(
    device: &D,
    (run, checkpoint): (&RunFolder, WhichCheckpoint),
    set: &DataSet,
    all: &[Location],
    progress: &mut dyn FnMut(Progress),
) -> Result<(Vec<Location>, Vec<Vec<f32>>), NearError> {
    let checkpoint = checkpoint.read(run)?;
    let transform = run.input_transform(&checkpoint.network)?;
    let framing = run.manifest()?.framing();
    let parameters = checkpoint.parameters(device)?;
    let network = hidden(&checkpoint.network)?;
    let (batch, channels) = (BATCH.min(all.len().max(1)), network.classes());
    let mut plan = Plan::new(device, &network, batch, PlanPurpose::Inference)?;
    plan.fix_weights(&parameters)?;
    let mut inputs = vec![0.0; batch * transform.input().len()];
    let (targets, mut outputs) = (vec![0.0; batch * channels], vec![0.0; batch * channels]);
    let (mut locations, mut features) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for block in all.chunks(batch) {
        let read: Vec<Option<Vec<u8>>> =
            block.par_iter().map(|location| pixels(set, *location, transform.pictures(), framing)).collect();
        locations.extend(
            block.iter().zip(&read).filter(|(_, read)| read.is_some()).map(|(location, _)| *location),
        );
        let read: Vec<Vec<u8>> = read.into_iter().flatten().collect();
        transform.apply(&read.concat(), &mut inputs[..read.len() * transform.input().len()]);
        plan.upload(&inputs, &targets)?;
        plan.forward(&parameters, Mode::Evaluate);
        plan.logits(&mut outputs)?;
        features.extend(outputs.chunks_exact(channels).take(read.len()).map(<[f32]>::to_vec));
        let total = Some(all.len() as u64);
        progress(Progress { stage: Stage::Reading, done: features.len() as u64, total });
    }
    Ok((locations, features))
}

/// Returns an image in the run's framing, or `None` if it cannot be read. An image in memory that has the size of the
/// run's pictures is taken as it is.
fn pixels(set: &DataSet, location: Location, geometry: Geometry, framing: Framing) -> Option<Vec<u8>> {
    let (images, index) = location.of(set);
    let Geometry { height, width, .. } = geometry;
    let picture = match images.files.get(index) {
        Some(file) => framing.decode(&open_file::read(file, open_file::PICTURE).ok()?, height, width).ok()?,
        None => images.picture(index).ok()?,
    };
    let is_ready = !images.are_on_disk() && (picture.height, picture.width) == (height, width);
    if is_ready { Some(picture.pixels) } else { Some(framing.apply(picture, height, width).ok()?.pixels) }
}

/// Subtracts the mean vector and scales to unit length. A vector equal to the mean stays 0 and matches no other.
fn normalize(vectors: &mut [Vec<f32>]) {
    let Some(length) = vectors.first().map(Vec::len) else { return };
    let mut mean = vec![0f64; length];
    for vector in vectors.iter() {
        mean.iter_mut().zip(vector).for_each(|(mean, value)| *mean += f64::from(*value));
    }
    let count = vectors.len() as f64;
    vectors.par_iter_mut().for_each(|vector| {
        vector.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= (mean / count) as f32);
        let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        if norm > 0.0 {
            vector.iter_mut().for_each(|value| *value /= norm);
        }
    });
}

/// The random-hyperplane hash: one bit per plane, the side on which the vector lies.
fn hash(vector: &[f32]) -> [u64; WORDS] {
    let mut hash = [0; WORDS];
    for plane in 0..64 * WORDS {
        let mut sum = 0.0;
        for (index, value) in vector.iter().enumerate() {
            sum += if side(plane as u32, index as u32) { *value } else { -value };
        }
        hash[plane / 64] |= u64::from(sum > 0.0) << (plane % 64);
    }
    hash
}

/// A pseudorandom sign, component `index` of a hyperplane's normal (the finalizer of MurmurHash3).
fn side(plane: u32, index: u32) -> bool {
    let mut bits = plane.wrapping_mul(0x9E37_79B9) ^ index.wrapping_mul(0x85EB_CA6B).wrapping_add(1);
    bits = (bits ^ bits >> 16).wrapping_mul(0x85EB_CA6B);
    bits = (bits ^ bits >> 13).wrapping_mul(0xC2B2_AE35);
    (bits ^ bits >> 16) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_tell_angles() {
        let vector = |angle: f32| {
            let mut vector = vec![0.0; 192];
            (vector[3], vector[100]) = (angle.cos(), angle.sin());
            vector[7] = 2.0 * angle.cos();
            vector[150] = -2.0 * angle.sin();
            vector
        };
        // The base vectors are orthogonal, so the angle between any two rotated ones is the difference.
        let one = hash(&vector(0.0));
        for degrees in [5f32, 20.0, 60.0, 90.0] {
            let other = hash(&vector(degrees.to_radians()));
            let differ: u32 = one.iter().zip(&other).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert!(differ <= most_bits(degrees.to_radians().cos()), "{degrees}: {differ}");
            let expected = 256.0 * degrees / 180.0;
            assert!((differ as f32) > expected / 2.0 - 4.0, "{degrees}: {differ}");
        }
    }

    #[test]
    fn vectors_lose_their_mean_and_length() {
        let mut vectors =
            vec![vec![1.0, 5.0], vec![3.0, 5.0], vec![2.0, 8.0], vec![2.0, 2.0], vec![2.0, 5.0]];
        normalize(&mut vectors);
        assert_eq!(vectors, [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 0.0]]);
    }

    #[test]
    fn a_network_of_one_layer_has_no_features() {
        let network = |layers: &str| {
            let text = format!("name = \"one\"\ninput = [8, 8, 3]\nclasses = 2\nlayers = [{layers}]");
            Network::from_toml(&text).unwrap()
        };
        let last = r#"{ conv = "classes", kernel = 1 }, { global_average = true }"#;
        let error = hidden(&network(last)).unwrap_err().to_string();
        assert!(error.contains("one") && error.contains("--run"), "{error}");
        let hidden = hidden(&network(&format!("{{ conv = 5, kernel = 3 }}, {last}"))).unwrap();
        assert_eq!(hidden.classes(), 5);
    }
}
