//! Parameters: layout, start values, and what loading refuses.

use allcnn::net::{Init, Network};
use allcnn::parameters::{Kind, Parameters, Tensor};
use allcnn_device::Reference;

fn network() -> Network {
    Network::from_toml(
        "name = \"n\"\ninput = [5, 5, 4]\nclasses = 3\nlayers = [\n\
         { conv = 6, kernel = 3, groups = 2 }, { pool = \"max\", kernel = 2 },\n\
         { conv = \"classes\", kernel = 1 }, { global_average = true }]",
    )
    .unwrap()
}

#[test]
fn tensors_have_pytorchs_names_shapes_and_layout() {
    let mut parameters = Parameters::zeros(&Reference, &network()).unwrap();
    assert_eq!(parameters.names(), ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]);
    assert_eq!(parameters.count(), 6 * 2 * 9 + 6 + 3 * 6 + 3);
    let mut tensors = parameters.tensors(&Reference, Kind::Value).unwrap();
    let shapes: Vec<Vec<usize>> = tensors.iter().map(|tensor| tensor.shape.clone()).collect();
    assert_eq!(shapes, [vec![6, 2, 3, 3], vec![6], vec![3, 6, 1, 1], vec![3]]);
    for tensor in &mut tensors {
        tensor.values = (0..tensor.values.len()).map(|value| value as f32).collect();
    }
    tensors.reverse();
    parameters.load(&Reference, Kind::Velocity, &tensors).unwrap();
    tensors.reverse();
    assert_eq!(parameters.tensors(&Reference, Kind::Velocity).unwrap(), tensors);
    assert!(parameters.tensors(&Reference, Kind::Value).unwrap()[0].values.iter().all(|&value| value == 0.0));
    // Filter 1, row 2, column 0, channel 1: on the device [out, row, column, channel].
    let stored = &parameters.list()[0].velocity;
    assert_eq!(stored[((3 + 2) * 3) * 2 + 1], ((2 + 1) * 9 + 2 * 3) as f32);
}

#[test]
fn start_values_depend_on_the_seed_and_the_layer_alone() {
    let draw = |seed| {
        let parameters = Parameters::initialize(&Reference, &network(), Init::He, seed).unwrap();
        parameters.tensors(&Reference, Kind::Value).unwrap()
    };
    assert_eq!(draw(4), draw(4));
    assert_ne!(draw(4)[0], draw(5)[0]);
    let (weights, biases): (Vec<Tensor>, Vec<Tensor>) =
        draw(4).into_iter().partition(|tensor| tensor.name.ends_with("weight"));
    assert_ne!(weights[0].values[..18], weights[1].values[..18]);
    assert!(biases.iter().flat_map(|bias| &bias.values).all(|&value| value == 0.0));
}

#[test]
fn loading_names_what_is_wrong_and_changes_nothing() {
    let mut parameters = Parameters::initialize(&Reference, &network(), Init::He, 1).unwrap();
    let good = parameters.tensors(&Reference, Kind::Value).unwrap();
    let mut refused = |change: &dyn Fn(&mut Vec<Tensor>)| {
        let mut tensors = good.clone();
        tensors[0].values[0] += 1.0;
        change(&mut tensors);
        let message = parameters.load(&Reference, Kind::Value, &tensors).unwrap_err().to_string();
        assert_eq!(parameters.tensors(&Reference, Kind::Value).unwrap(), good, "{message}");
        message
    };
    let missing = refused(&|tensors| tensors.truncate(3));
    assert_eq!(missing, "tensor conv2.bias is missing; expected one of shape [3]");
    let extra = refused(&|tensors| tensors[3].name = "conv9.bias".into());
    assert!(
        extra.starts_with("tensor conv9.bias of shape [3] is none of the network's; expected conv1.weight,")
    );
    let shape = refused(&|tensors| tensors[2].shape = vec![6, 3, 1, 1]);
    let expected = "tensor conv2.weight has 18 values in shape [6, 3, 1, 1]; expected shape [3, 6, 1, 1]";
    assert_eq!(shape, expected);
    let short = refused(&|tensors| tensors[3].values.truncate(2));
    assert_eq!(short, "tensor conv2.bias has 2 values in shape [3]; expected shape [3]");
}
