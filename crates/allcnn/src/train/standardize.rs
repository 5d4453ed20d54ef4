//! First weights that are fitted to the data ([`Init::Data`](crate::net::Init::Data)).
//!
//! Deep chains of ReLUs make all images alike: behind drawn weights the outputs of a layer are mostly what it gives to any image,
//! and a training spends its first hundreds of steps on telling the images apart, or dies on the way. So layer by layer each
//! channel is given the mean 0 and the deviation 1, before its activation, over the first batch: with the mean m and the
//! deviation s of its outputs, w becomes w / s and b becomes (b - m) / s (Salimans and Kingma 2016, "Weight Normalization",
//! section 3).

use allcnn_device::{Activation, Device};

use super::Error;
use crate::augment::Look;
use crate::net::{LayerKind, Network};
use crate::parameters::{Kind, Parameters, Tensor};
use crate::plan::{Mode, Plan, PlanPurpose};
use crate::samples::Samples;

/// A channel that differs less between places and images than this share of the layer's deviation stays as it is.
const SAME: f64 = 1e-3;

/// Brings every channel of every convolution to mean 0 and deviation 1 over the images at `places`.
///
/// # Errors
/// An image that cannot be read; too little memory.
pub(super) fn standardize<D: Device>(
    device: &D,
    network: &Network,
    parameters: &mut Parameters<D>,
    samples: &Samples<'_>,
    places: &[u32],
) -> Result<(), Error> {
    let rows = places.len();
    let mut images = vec![0.0; rows * samples.geometry().len()];
    samples.fill(places, Look::PLAIN, &mut images)?;
    let targets = vec![0.0; rows * network.classes()];
    let operations = network.operations(rows);
    for (place, (layer, operation)) in network.layers().iter().zip(&operations).enumerate() {
        let LayerKind::Conv(conv) = layer.kind() else { continue };
        let bare = with_identity(network, place)?;
        let mut plan = Plan::new(device, &bare, rows, PlanPurpose::Explanation)?;
        plan.upload(&images, &targets)?;
        plan.forward(parameters, Mode::Evaluate);
        let mut outputs = vec![0.0; operation.output().len()];
        plan.output(place, &mut outputs)?;
        let moments = moments(&outputs, conv.channels);
        let mut tensors = parameters.tensors(device, Kind::Value)?;
        rescale(&mut tensors, layer.name(), &moments);
        parameters.load(device, Kind::Value, &tensors)?;
    }
    Ok(())
}

/// The network with the convolution at `place` without its activation.
fn with_identity(network: &Network, place: usize) -> Result<Network, Error> {
    let mut layers: Vec<LayerKind> = network.layers().iter().map(|layer| *layer.kind()).collect();
    if let LayerKind::Conv(conv) = &mut layers[place] {
        conv.activation = Activation::Identity;
    }
    Ok(Network::new(network.name(), network.input(), network.classes(), network.input_dropout(), layers)?)
}

/// Mean and deviation of each channel of `[places, channels]`.
fn moments(outputs: &[f32], channels: usize) -> Vec<(f64, f64)> {
    let count = (outputs.len() / channels) as f64;
    let mut sums = vec![(0.0, 0.0); channels];
    for place in outputs.chunks_exact(channels) {
        for ((sum, squares), &value) in sums.iter_mut().zip(place) {
            *sum += f64::from(value);
            *squares += f64::from(value).powi(2);
        }
    }
    let moments = sums.into_iter().map(|(sum, squares)| {
        let mean = sum / count;
        (mean, (squares / count - mean * mean).max(0.0).sqrt())
    });
    moments.collect()
}

/// Changes the filters and biases of a layer so that its channels lose these means and deviations.
fn rescale(tensors: &mut [Tensor], layer: &str, moments: &[(f64, f64)]) {
    let typical = moments.iter().map(|(_, deviation)| deviation).sum::<f64>() / moments.len() as f64;
    let scales: Vec<f64> = moments
        .iter()
        .map(|&(_, deviation)| if deviation > SAME * typical { 1.0 / deviation } else { 1.0 })
        .collect();
    for tensor in tensors {
        match tensor.name.strip_prefix(layer) {
            Some(".weight") => {
                let filter = tensor.values.len() / scales.len();
                for (filter, scale) in tensor.values.chunks_exact_mut(filter).zip(&scales) {
                    filter.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * scale) as f32);
                }
            }
            Some(".bias") => {
                for ((bias, scale), (mean, _)) in tensor.values.iter_mut().zip(&scales).zip(moments) {
                    *bias = ((f64::from(*bias) - mean) * scale) as f32;
                }
            }
            _ => {}
        }
    }
}
