//! A PyTorch state dict in a safetensors file: which layers it has, and in which order.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::{Form, Layer, Weights};
use crate::parameters::Tensor;

/// What the velocities of this program's own checkpoints begin with.
const VELOCITY: &str = "velocity.";
const EXPECTED: &str = "expected conv1.weight, conv1.bias, ..., or 0.weight, ... of an nn.Sequential, \
                        or features.0.weight, ..., classifier.1.weight, ... as torchvision's AlexNet has them";

/// Takes the file apart.
pub fn read(bytes: &[u8]) -> Result<Weights, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("its header is damaged ({error})"))?;
    let mut parts: BTreeMap<&str, [Option<Tensor>; 2]> = BTreeMap::new();
    for name in file.names().into_iter().filter(|name| !name.starts_with(VELOCITY)) {
        let (layer, part) = match name.rsplit_once('.') {
            Some((layer, "weight")) => (layer, 0),
            Some((layer, "bias")) => (layer, 1),
            _ => return Err(format!("its tensor {name} is neither a weight nor a bias; {EXPECTED}")),
        };
        let view = file.tensor(name).map_err(|error| error.to_string())?;
        parts.entry(layer).or_default()[part] = Some(tensor(name, &view)?);
    }
    let layers = parts.into_iter().map(|(name, [weight, bias])| {
        let lacks = |part| format!("it has no {name}.{part}; expected a weight and a bias for each layer");
        let (weight, bias) = (weight.ok_or_else(|| lacks("weight"))?, bias.ok_or_else(|| lacks("bias"))?);
        Ok(Layer { name: name.into(), weight, bias })
    });
    ordered(layers.collect::<Result<_, String>>()?)
}

/// Finds out how the layers are named, and puts them into their order.
fn ordered(mut layers: Vec<Layer>) -> Result<Weights, String> {
    if layers.is_empty() {
        return Err(format!("it holds no tensors; {EXPECTED}"));
    }
    let number = |text: &str| text.parse::<u32>().ok();
    let convolution = |layer: &Layer| layer.name.strip_prefix("conv").and_then(number);
    if layers.iter().all(|layer| convolution(layer).is_some()) {
        layers.sort_by_key(convolution);
        return Ok(Weights { form: Form::Convolutions, layers });
    }
    let place = |layer: &Layer| {
        let (group, place) = layer.name.rsplit_once('.').unwrap_or(("", &layer.name));
        Some((group.to_owned(), number(place)?))
    };
    if let Some(odd) = layers.iter().find(|layer| place(layer).is_none()) {
        return Err(format!("it has a layer {}; {EXPECTED}", odd.name));
    }
    let mut groups: Vec<String> = layers.iter().filter_map(place).map(|(group, _)| group).collect();
    groups.sort();
    groups.dedup();
    let last = |group: &str| group.rsplit('.').next().unwrap_or_default().to_owned();
    let form = match groups.iter().map(|group| last(group)).collect::<Vec<_>>().as_slice() {
        [_] => Form::Sequential,
        [classifier, features] if classifier == "classifier" && features == "features" => {
            Form::FeaturesClassifier
        }
        _ => return Err(format!("its layers are in groups {}; {EXPECTED}", groups.join(", "))),
    };
    let is_classifier = |group: &str| form == Form::FeaturesClassifier && last(group) == "classifier";
    layers.sort_by_key(|layer| place(layer).map(|(group, number)| (is_classifier(&group), number)));
    Ok(Weights { form, layers })
}

/// A tensor as f32 values.
fn tensor(name: &str, view: &TensorView<'_>) -> Result<Tensor, String> {
    let bytes = view.data();
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect(),
        Dtype::F64 => bytes.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value) as f32).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|&value| f16::from_le_bytes(value).into()).collect(),
        Dtype::BF16 => bytes.as_chunks().0.iter().map(|&value| bf16::from_le_bytes(value).into()).collect(),
        other => {
            return Err(format!("its tensor {name} is of type {other:?}; expected F32, F64, F16 or BF16"));
        }
    };
    Ok(Tensor { name: name.into(), shape: view.shape().to_vec(), values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file with a weight `[2, 3]` and a bias `[2]` for each of these layers; the weights count the layers.
    fn file(layers: &[&str]) -> Vec<u8> {
        let floats =
            |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let bias = floats(&[0.0, 1.0]);
        let weights: Vec<Vec<u8>> = (0..layers.len()).map(|place| floats(&[place as f32; 6])).collect();
        let view = |shape: &[usize], data| TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap();
        let tensors = layers.iter().zip(&weights).flat_map(|(layer, weight)| {
            [(format!("{layer}.weight"), view(&[2, 3], weight)), (format!("{layer}.bias"), view(&[2], &bias))]
        });
        safetensors::serialize(tensors, None).unwrap()
    }

    fn order(layers: &[&str]) -> Result<(Form, Vec<usize>), String> {
        let weights = read(&file(layers))?;
        Ok((weights.form, weights.layers.iter().map(|layer| layer.weight.values[0] as usize).collect()))
    }

    #[test]
    fn layers_are_ordered_by_number_and_not_by_letter() {
        assert_eq!(order(&["conv10", "conv2", "conv1"]), Ok((Form::Convolutions, vec![2, 1, 0])));
        assert_eq!(order(&["0", "10", "3"]), Ok((Form::Sequential, vec![0, 2, 1])));
        assert_eq!(order(&["net.12", "net.4"]), Ok((Form::Sequential, vec![1, 0])));
        let torchvision = ["classifier.6", "classifier.1", "features.10", "features.3"];
        assert_eq!(order(&torchvision), Ok((Form::FeaturesClassifier, vec![3, 2, 1, 0])));
        let parallel = ["module.features.0", "module.classifier.1"];
        assert_eq!(order(&parallel), Ok((Form::FeaturesClassifier, vec![0, 1])));
    }

    #[test]
    fn names_that_say_no_order_are_refused() {
        for (layers, said) in [
            (vec!["layer1.0.conv1", "fc"], "layer fc"),
            (vec!["a.0", "b.0"], "groups a, b"),
            (vec!["conv1", "3"], "layer conv1"),
        ] {
            let problem = order(&layers).unwrap_err();
            assert!(problem.contains(said) && problem.contains("expected conv1.weight"), "{problem}");
        }
        assert!(read(&file(&[])).unwrap_err().contains("no tensors"));
    }

    #[test]
    fn a_layer_is_a_weight_and_a_bias() {
        let one = |name: &str, dtype, data: &[u8]| {
            let view = TensorView::new(dtype, vec![1], data).unwrap();
            read(&safetensors::serialize([(name, view)], None).unwrap()).unwrap_err()
        };
        assert!(one("0.weight", Dtype::F32, &[0; 4]).contains("no 0.bias"));
        assert!(one("1.running_mean", Dtype::F32, &[0; 4]).contains("1.running_mean is neither"));
        assert!(one("0.weight", Dtype::I8, &[0]).contains("type I8; expected F32"));
    }

    #[test]
    fn every_float_type_becomes_f32() {
        for (dtype, bytes) in [
            (Dtype::F64, (-1.5f64).to_le_bytes().to_vec()),
            (Dtype::F16, f16::from_f32(-1.5).to_le_bytes().to_vec()),
            (Dtype::BF16, bf16::from_f32(-1.5).to_le_bytes().to_vec()),
        ] {
            let view = TensorView::new(dtype, vec![1], &bytes).unwrap();
            assert_eq!(tensor("x", &view).unwrap().values, [-1.5]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), place in 0usize..600) {
            let _ = Weights::from_bytes(&bytes);
            let mut real = file(&["0", "2"]);
            let end = real.len();
            if let Some(byte) = bytes.pop() {
                real[place % end] = byte;
            }
            let _ = Weights::from_bytes(&real);
            let _ = Weights::from_bytes(&real[..place % end]);
        }
    }
}
