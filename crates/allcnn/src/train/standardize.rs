//! Data-dependent initialization ([`Init::Data`](crate::net::Init::Data)).
//!
//! With random weights, deep ReLU chains map all images to nearly the same outputs, and a training spends its
//! first hundreds of steps on separating them, or dies before. So, layer by layer, each channel is standardized
//! over the first batch, before its activation: with mean m and standard deviation s of its outputs, w becomes w /
//! s and b becomes (b - m) / s (Salimans and Kingma 2016, "Weight Normalization", section 3).
//!
//! The last convolution gives the classes' scores, in these networks through a ReLU. A class whose score is 0 for all images
//! never comes back, and with a mean of 0 the first steps push many classes there: so its b becomes (b - m) / s +
//! [`SCORES_ABOVE_0`], which the softmax does not see.
//!
//! Networks of rectifiers are measured as in testing. Maxima over channels have large means, from which dropout makes more than the
//! images differ by, and where poolings draw values, these differ more than their expectation: scores that begin far above 0 in
//! testing are below it in training then. So such networks are measured as in training, with dropout and what is drawn.

use allcnn_device::{Activation, Device, Windows};

use super::error::TrainError;
use crate::augment::SeededAugment;
use crate::input::Samples;
use crate::net::{Conv, Layer, LayerKind, Network};
use crate::parameters::{Kind, Parameters, Tensor};
use crate::plan::{Mode, Plan, PlanPurpose};

/// A channel whose standard deviation is below this fraction of the layer's is left unchanged.
const SAME: f64 = 1e-3;

/// How far above 0, in standard deviations, the scores begin that go through a ReLU. Model C loses up to eight of ten classes
/// with 0 to 2, none with 3 or 4.
const SCORES_ABOVE_0: f64 = 4.0;

/// The most activations to hold, over all layers: for large networks fewer images are used, which still have many
/// positions each.
const MAX_VALUES: usize = 1 << 26;

/// Standardizes every channel of every convolution but those in `kept` to mean 0 (scores as said above) and standard deviation 1
/// over the images at indices `indices`, or over as many of them as fit.
///
/// # Errors
/// An image that cannot be read; too little memory.
pub(super) fn standardize<D: Device>(
    device: &D,
    network: &Network,
    parameters: &mut Parameters<D>,
    samples: &Samples<'_>,
    indices: &[u32],
    kept: &[&str],
) -> Result<(), TrainError> {
    let values: usize = network.operations(1).iter().map(|operation| operation.output().len()).sum();
    let rows = indices.len().min(MAX_VALUES.div_ceil(values.max(1)));
    let indices = &indices[..rows];
    let mut images = vec![0.0; rows * samples.geometry().len()];
    samples.fill(indices, SeededAugment::NONE, &mut images)?;
    let operations = network.operations(rows);
    let is_convolution = |layer: &Layer| matches!(layer.kind(), LayerKind::Conv(_));
    let last = network.layers().iter().rposition(is_convolution).unwrap_or_default();
    let mut step = device.new_step()?;
    device.set_step(&mut step, 0, 0.0);
    let training = Mode::Train { step: &step, seed: 0, shard: 0 };
    for (index, (layer, operation)) in network.layers().iter().zip(&operations).enumerate() {
        let LayerKind::Conv(conv) = layer.kind() else { continue };
        if kept.contains(&layer.name()) {
            continue;
        }
        let bare = up_to(network, index)?;
        let mut plan = Plan::new(device, &bare, rows, PlanPurpose::Explanation)?;
        plan.upload(&images, &vec![0.0; rows * bare.classes()])?;
        plan.forward(parameters, if is_noisy(network) { training } else { Mode::Evaluate });
        let mut outputs = vec![0.0; operation.output().len()];
        plan.output(index, &mut outputs)?;
        // Where filters differ from place to place, each place's are standardized on their own.
        let filters = if conv.unshared { outputs.len() / rows } else { conv.channels };
        let moments = moments(&outputs, filters);
        let gives_scores = index == last && conv.activation == Activation::Relu;
        let mut tensors = parameters.tensors(device, Kind::Value)?;
        rescale(&mut tensors, layer.name(), &moments, if gives_scores { SCORES_ABOVE_0 } else { 0.0 });
        parameters.load(device, Kind::Value, &tensors)?;
    }
    Ok(())
}

/// Whether outputs in training are far from those in testing: with poolings over channels, or such that draw values.
fn is_noisy(network: &Network) -> bool {
    network.layers().iter().any(|layer| match layer.kind() {
        LayerKind::Pool(pool) => pool.kind.draws() || matches!(pool.windows, Windows::Channels { .. }),
        _ => false,
    })
}

/// The network up to layer `index`, a convolution, without its activation and dropout.
fn up_to(network: &Network, index: usize) -> Result<Network, TrainError> {
    let mut layers: Vec<LayerKind> = network.layers()[..=index].iter().map(|layer| *layer.kind()).collect();
    if let LayerKind::Conv(conv) = &mut layers[index] {
        *conv = Conv { activation: Activation::Identity, dropout: 0.0, ..*conv };
    }
    let output = network.operations(1)[index].output();
    if (output.height, output.width) != (1, 1) {
        layers.push(LayerKind::GlobalAverage);
    }
    Ok(Network::new(network.name(), network.input(), output.channels, network.input_dropout(), layers)?)
}

/// Mean and standard deviation of each channel of `[positions, channels]`.
fn moments(outputs: &[f32], channels: usize) -> Vec<(f64, f64)> {
    let count = (outputs.len() / channels) as f64;
    let mut sums = vec![(0.0, 0.0); channels];
    for index in outputs.chunks_exact(channels) {
        for ((sum, squares), &value) in sums.iter_mut().zip(index) {
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

/// Rescales the filters and biases of a layer such that its channels, which have these moments, get mean `mean` and deviation 1.
fn rescale(tensors: &mut [Tensor], layer: &str, moments: &[(f64, f64)], mean: f64) {
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
                for ((bias, scale), (old, _)) in tensor.values.iter_mut().zip(&scales).zip(moments) {
                    *bias = ((f64::from(*bias) - old) * scale + mean) as f32;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Images;
    use crate::net::Init;
    use crate::preprocess::{Geometry, Method, Preprocessor};
    use allcnn_device::Reference;
    use allcnn_device::random::{Purpose, Stream};

    #[test]
    fn every_channel_is_standardized_and_scores_begin_above_0() {
        let network = Network::from_toml(
            "name = \"n\"\ninput = [6, 6, 3]\nclasses = 2\ninput_dropout = 0.5\nlayers = [\n\
             { conv = 4, kernel = 3, dropout = 0.5 }, { pool = \"stochastic\", kernel = 2, stride = 2 },\n\
             { conv = 4, kernel = 3, activation = \"identity\" }, { probout = 2 }, { conv = \"classes\", kernel = 1 }, { global_average = true } ]",
        )
        .unwrap();
        let mut images = Images::new(6, 6);
        for image in 0..12u32 {
            let mut random = Stream::new(1, Purpose::Test, 0, image).sequence();
            images.pixels.extend((0..6 * 6 * 3).map(|_| random.range(0.0, 255.0) as u8));
            images.labels.push(image % 2);
            images.names.push(image.to_string());
        }
        let geometry = Geometry { height: 6, width: 6, channels: 3 };
        let preprocessor = Preprocessor::fit(Method::MeanStd, &images.pixels, geometry).unwrap();
        let samples = Samples::new(&images, &preprocessor).unwrap();
        let mut parameters = Parameters::initialize(&Reference, &network, Init::Data, 5).unwrap();
        let indices: Vec<u32> = (0..8).collect();
        standardize(&Reference, &network, &mut parameters, &samples, &indices, &[]).unwrap();

        let mut inputs = vec![0.0; 8 * geometry.len()];
        samples.fill(&indices, SeededAugment::NONE, &mut inputs).unwrap();
        let mut step = Reference.new_step().unwrap();
        Reference.set_step(&mut step, 0, 0.0);
        for (index, operation) in network.operations(8).iter().enumerate() {
            let LayerKind::Conv(conv) = network.layers()[index].kind() else { continue };
            let bare = up_to(&network, index).unwrap();
            let mut plan = Plan::new(&Reference, &bare, 8, PlanPurpose::Explanation).unwrap();
            plan.upload(&inputs, &vec![0.0; 8 * conv.channels]).unwrap();
            plan.forward(&parameters, Mode::Train { step: &step, seed: 0, shard: 0 });
            let mut outputs = vec![0.0; operation.output().len()];
            plan.output(index, &mut outputs).unwrap();
            let begins_at = if conv.channels == 2 { SCORES_ABOVE_0 } else { 0.0 };
            for (mean, deviation) in moments(&outputs, conv.channels) {
                assert!(
                    (mean - begins_at).abs() < 1e-4 && (deviation - 1.0).abs() < 1e-4,
                    "{index}: {mean} {deviation}"
                );
            }
            if conv.channels == 2 {
                Reference.set_step(&mut step, 1, 0.0);
                plan.forward(&parameters, Mode::Train { step: &step, seed: 0, shard: 0 });
                plan.output(index, &mut outputs).unwrap();
                let above = outputs.iter().filter(|&&score| score > 0.0).count();
                assert!(
                    above * 10 > outputs.len() * 9,
                    "what another step draws has scores above 0, too: {outputs:?}"
                );
            }
        }
    }

    #[test]
    fn a_channel_that_is_always_the_same_only_loses_its_mean() {
        let tensor =
            |name: &str, values: Vec<f32>| Tensor { name: name.into(), shape: vec![values.len()], values };
        let mut tensors =
            vec![tensor("conv1.weight", vec![2.0, 4.0, 6.0, 8.0]), tensor("conv1.bias", vec![1.0, 1.0])];
        tensors.push(tensor("conv10.weight", vec![5.0]));
        rescale(&mut tensors, "conv1", &[(3.0, 2.0), (1.0, 0.0)], 0.0);
        assert_eq!(tensors[0].values, [1.0, 2.0, 6.0, 8.0]);
        assert_eq!(tensors[1].values, [-1.0, 0.0]);
        assert_eq!(tensors[2].values, [5.0]);
    }
}
