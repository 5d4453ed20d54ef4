//! Class activation maps (Zhou et al. 2016): the last convolution gives each class a map, whose mean is the logit.

use allcnn_device::Device;

use super::super::error::VisualiseError;
use super::super::target::{Target, Unit};
use super::subject::Subject;
use crate::net::{LayerKind, Network};

/// Refuses a network that does not end in a convolution of classes and a mean, and a unit that is no class.
pub(super) fn check(network: &Network, target: &Target) -> Result<(), VisualiseError> {
    class_maps(network).map(drop).filter(|()| target.is_of_classes(network)).ok_or_else(|| {
        VisualiseError::NoClassMaps { network: network.name().into(), layer: target.name().into() }
    })
}

/// The index of the convolution whose channels are the maps of the classes.
fn class_maps(network: &Network) -> Option<usize> {
    let layers = network.layers();
    let [.., conv, mean] = layers else { return None };
    let ends_in_mean = *mean.kind() == LayerKind::GlobalAverage && conv.kind().is_conv();
    ends_in_mean.then_some(layers.len() - 2)
}

/// The map of the unit's class, scaled up bilinearly (as PyTorch does without aligned corners).
pub(super) fn map<D: Device>(subject: &mut Subject<'_, '_, D>) -> Result<Vec<f32>, VisualiseError> {
    let network = subject.explainer.network();
    let input = network.input();
    let Some(layer) = class_maps(network) else { return Ok(vec![]) };
    let shape = network.operations(1)[layer].output();
    let class = match subject.unit {
        Unit::Channel(class) | Unit::Place { channel: class, .. } => class,
        Unit::Ranked(_) => 0,
    };
    let maps = subject.explainer.output(subject.parameters, subject.image, layer)?;
    let small: Vec<f32> = maps.iter().skip(class).step_by(shape.channels).copied().collect();
    let large = scaled_up(&small, [shape.height, shape.width], [input.height, input.width]);
    Ok(large.into_iter().flat_map(|value| std::iter::repeat_n(value, input.channels)).collect())
}

/// A map where the class activation map is positive, times that.
pub(super) fn gated(map: Vec<f32>, cam: &[f32]) -> Vec<f32> {
    map.into_iter().zip(cam).map(|(value, gate)| value * gate.max(0.0)).collect()
}

/// Bilinear interpolation between the middles of pixels.
fn scaled_up(values: &[f32], [rows, columns]: [usize; 2], [height, width]: [usize; 2]) -> Vec<f32> {
    let between = |at: usize, from: usize, to: usize| {
        let place = ((at as f32 + 0.5) * from as f32 / to as f32 - 0.5).max(0.0);
        let first = (place as usize).min(from - 1);
        (first, (first + 1).min(from - 1), place - first as f32)
    };
    let value = |at: usize| {
        let (top, bottom, down) = between(at / width, rows, height);
        let (left, right, across) = between(at % width, columns, width);
        let row = |row: usize| {
            values[row * columns + left] * (1.0 - across) + values[row * columns + right] * across
        };
        row(top) * (1.0 - down) + row(bottom) * down
    };
    (0..height * width).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_up_interpolates_between_the_middles_of_pixels() {
        // torch.nn.functional.interpolate(torch.tensor([[[[0., 1.], [2., 4.]]]]), size=4, mode="bilinear")[0, 0]
        let expected = [
            [0.0, 0.25, 0.75, 1.0],
            [0.5, 0.8125, 1.4375, 1.75],
            [1.5, 1.9375, 2.8125, 3.25],
            [2.0, 2.5, 3.5, 4.0],
        ];
        assert_eq!(scaled_up(&[0.0, 1.0, 2.0, 4.0], [2, 2], [4, 4]), expected.concat());
        assert_eq!(scaled_up(&[3.0], [1, 1], [2, 2]), [3.0; 4]);
    }
}
