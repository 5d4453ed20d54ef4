//! Signals back to the picture, computed by hand, and what else holds for explanations.

use allcnn::net::{Init, LayerKind, Network};
use allcnn::parameters::{Kind, Parameters, Tensor};
use allcnn::visualise::{Explainer, Explanation, Method, Position, Target, Unit, randomized};
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::{Device, Reference};

/// A network for 4x4 pictures of one channel.
fn network(layers: &str) -> Network {
    let head = "name = \"by-hand\"\ninput = [4, 4, 1]\nclasses = 1\n";
    Network::from_toml(&format!("{head}layers = [{layers}]")).unwrap()
}

/// The three maps of the only class for one picture, on a device; `values` are the weights and bias of each
/// convolution.
fn maps_on<D: Device>(device: &D, network: &Network, values: &[&[f32]], picture: &[f32]) -> [Vec<f32>; 3] {
    let mut parameters = Parameters::zeros(device, network).unwrap();
    let mut tensors = parameters.tensors(device, Kind::Value).unwrap();
    for (tensor, values) in tensors.iter_mut().zip(values) {
        tensor.values = values.to_vec();
    }
    parameters.load(device, Kind::Value, &tensors).unwrap();
    let target = Target::of_classes(network, vec![Unit::Channel(0)]).unwrap();
    let mut explainer = Explainer::new(device, network, 1).unwrap();
    let mut explanations = explainer.explain(&parameters, picture, &target, &Method::ALL).unwrap();
    let maps = explanations.remove(0).maps.try_into();
    maps.unwrap()
}

/// The same from the reference, which the CPU device has to agree with to the bit: the values are small and whole.
fn maps(network: &Network, values: &[&[f32]], picture: &[f32]) -> [Vec<f32>; 3] {
    let expected = maps_on(&Reference, network, values, picture);
    let cpu = Cpu::new(CpuOptions::default()).unwrap();
    assert_eq!(maps_on(&cpu, network, values, picture), expected, "cpu");
    expected
}

#[rustfmt::skip]
const PICTURE: [f32; 16] = [
    3.0, 1.0, 2.0, 5.0,
    2.0, 4.0, 0.0, 2.0,
    1.0, 3.0, 6.0, 2.0,
    2.0, 0.0, 4.0, 3.0,
];

/// What the last convolution, over the whole picture, weighs each place with.
#[rustfmt::skip]
const WEIGHTS: [f32; 16] = [
     1.0,  2.0, -3.0, -4.0,
    -5.0,  6.0,  7.0, -8.0,
     9.0, -1.0,  2.0,  3.0,
     4.0, -5.0, -6.0,  7.0,
];

#[test]
#[rustfmt::skip]
fn a_relu_passes_a_signal_by_the_rule_and_an_output_of_exactly_zero_is_closed() {
    // y = max(x - 2, 0): the twos of the picture give 0, which is not above 0.
    let network = network(r#"{ conv = 1, kernel = 1 }, { conv = "classes", kernel = 4, padding = "valid", activation = "identity" }"#);
    let [backprop, deconvnet, guided] = maps(&network, &[&[1.0], &[-2.0], &WEIGHTS, &[0.0]], &PICTURE);
    assert_eq!(backprop, [
        1.0,  0.0,  0.0, -4.0,
        0.0,  6.0,  0.0,  0.0,
        0.0, -1.0,  2.0,  0.0,
        0.0,  0.0, -6.0,  7.0,
    ]);
    assert_eq!(deconvnet, [
        1.0,  2.0,  0.0,  0.0,
        0.0,  6.0,  7.0,  0.0,
        9.0,  0.0,  2.0,  3.0,
        4.0,  0.0,  0.0,  7.0,
    ]);
    assert_eq!(guided, [
        1.0,  0.0,  0.0,  0.0,
        0.0,  6.0,  0.0,  0.0,
        0.0,  0.0,  2.0,  0.0,
        0.0,  0.0,  0.0,  7.0,
    ]);
}

#[test]
#[rustfmt::skip]
fn a_leaky_unit_weakens_what_the_relu_would_stop() {
    // f(z) = z above 0 and z / 2 elsewhere, of z = x - 2.
    let network = network(r#"{ conv = 1, kernel = 1, activation = "leaky:0.5" }, { conv = "classes", kernel = 4, padding = "valid", activation = "identity" }"#);
    let [backprop, deconvnet, guided] = maps(&network, &[&[1.0], &[-2.0], &WEIGHTS, &[0.0]], &PICTURE);
    assert_eq!(backprop, [
        1.0,  1.0, -1.5, -4.0,
       -2.5,  6.0,  3.5, -4.0,
        4.5, -1.0,  2.0,  1.5,
        2.0, -2.5, -6.0,  7.0,
    ]);
    assert_eq!(deconvnet, [
        1.0,  2.0, -1.5, -2.0,
       -2.5,  6.0,  7.0, -4.0,
        9.0, -0.5,  2.0,  3.0,
        4.0, -2.5, -3.0,  7.0,
    ]);
    assert_eq!(guided, [
        1.0,   1.0,  -0.75, -2.0,
       -1.25,  6.0,   3.5,  -2.0,
        4.5,  -0.5,   2.0,   1.5,
        2.0,  -1.25, -3.0,   7.0,
    ]);
}

#[test]
#[rustfmt::skip]
fn maxima_and_strides_send_a_signal_to_different_places() {
    let weights: [&[f32]; 4] = [&[1.0], &[0.0], &[1.0, 2.0, 3.0, -4.0], &[0.0]];
    let head = r#"{ conv = "classes", kernel = 2, padding = "valid", activation = "identity" }"#;
    let strided = network(&format!("{{ conv = 1, kernel = 1, stride = 2 }}, {head}"));
    let [backprop, deconvnet, guided] = maps(&strided, &weights, &PICTURE);
    assert_eq!(backprop, [
        1.0, 0.0,  2.0, 0.0,
        0.0, 0.0,  0.0, 0.0,
        3.0, 0.0, -4.0, 0.0,
        0.0, 0.0,  0.0, 0.0,
    ]);
    let positive = [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!((deconvnet, guided), (positive.to_vec(), positive.to_vec()));

    let (pooled, places) = strided.with_switches().unwrap();
    assert_eq!(places, [1, 2]);
    let [backprop, _, guided] = maps(&pooled, &weights, &PICTURE);
    assert_eq!(backprop, [
        0.0, 0.0,  0.0, 2.0,
        0.0, 1.0,  0.0, 0.0,
        0.0, 3.0, -4.0, 0.0,
        0.0, 0.0,  0.0, 0.0,
    ]);
    assert_eq!(guided, backprop.iter().map(|value| value.max(0.0)).collect::<Vec<_>>());
}

#[test]
#[rustfmt::skip]
fn an_average_spreads_a_signal_evenly_and_a_norm_by_what_it_saw() {
    // 16 times the mean of the picture, doubled: every place counts 2.
    let average = network(r#"{ conv = "classes", kernel = 1 }, { global_average = true }"#);
    let [backprop, ..] = maps(&average, &[&[32.0], &[0.0]], &PICTURE);
    assert_eq!(backprop, PICTURE.map(|x| if x > 0.0 { 2.0 } else { 0.0 }));

    // Windows with the 2-norms 5, 5, 5 and 13: each value passes x / s.
    let picture = [3.0, 0.0, 0.0, 5.0, 0.0, 4.0, 0.0, 0.0, 4.0, 3.0, 12.0, 0.0, 0.0, 0.0, 5.0, 0.0];
    let norm = network(r#"{ pool = "norm:2", kernel = 2, stride = 2 }, { conv = "classes", kernel = 2, padding = "valid" }"#);
    let device = Reference;
    let [_, _, guided] = maps_on(&device, &norm, &[&[5.0, 5.0, 5.0, 13.0], &[0.0]], &picture);
    let expected = [3.0, 0.0, 0.0, 5.0, 0.0, 4.0, 0.0, 0.0, 4.0, 3.0, 12.0, 0.0, 0.0, 0.0, 5.0, 0.0];
    for (given, expected) in guided.iter().zip(expected) {
        assert!((given - expected).abs() < 1e-5, "{guided:?}");
    }
}

/// A network with every way to lose resolution, random weights and pictures.
struct Setup {
    network: Network,
    parameters: Parameters<Reference>,
    pictures: Vec<f32>,
}

impl Setup {
    fn new() -> Self {
        let network = Network::from_toml(
            r#"
            name = "random"
            input = [9, 9, 3]
            classes = 3
            layers = [
              { conv = 4, kernel = 3, dropout = 0.5 },
              { conv = 6, kernel = 3, stride = 2, dropout = 0.5 },
              { pool = "max", kernel = 3, stride = 2, dropout = 0.5 },
              { conv = "classes", kernel = 1 },
              { global_average = true },
            ]
            "#,
        )
        .unwrap();
        let parameters = Parameters::initialize(&Reference, &network, Init::He, 1).unwrap();
        let pictures = (0..5 * 9 * 9 * 3).map(|place| ((place * 29 + 7) % 31) as f32 / 10.0 - 1.5).collect();
        Self { network, parameters, pictures }
    }

    fn explain(&self, target: &Target, pairs: usize) -> Vec<Explanation> {
        let mut explainer = Explainer::new(&Reference, &self.network, pairs).unwrap();
        explainer.explain(&self.parameters, &self.pictures, target, &Method::ALL).unwrap()
    }
}

#[test]
fn many_units_of_many_images_at_once_are_what_each_is_alone() {
    let setup = Setup::new();
    for (layer, place) in [
        ("conv1", Position::Maximum),
        ("pool1", Position::At { row: 1, column: 0 }),
        ("softmax", Position::Maximum),
    ] {
        let target = |units| Target::new(&setup.network, layer, units).unwrap().at(place).unwrap();
        let (first, second) = (Unit::Channel(2), Unit::Ranked(1));
        let together = setup.explain(&target(vec![first, second]), 7); // batches of 7 and 3
        let alone = [first, second].map(|unit| setup.explain(&target(vec![unit]), 1));
        for image in 0..5 {
            for unit in 0..2 {
                assert_eq!(together[2 * image + unit], alone[unit][image], "{layer}");
            }
        }
    }
}

#[test]
fn only_what_a_unit_sees_is_in_its_map() {
    let setup = Setup::new();
    let layer = setup.network.layer_index("conv2").unwrap();
    let target = Target::new(&setup.network, "conv2", vec![Unit::STRONGEST]).unwrap();
    for explanation in setup.explain(&target, 5) {
        let seen = setup.network.input_rectangle(layer, explanation.unit.row, explanation.unit.column);
        assert!(explanation.unit.activation > 0.0);
        for map in &explanation.maps {
            assert!(map.iter().any(|&value| value != 0.0));
            for (place, pixel) in map.chunks_exact(3).enumerate() {
                let inside = seen.rows.contains(&(place / 9)) && seen.columns.contains(&(place % 9));
                assert!(inside || pixel == [0.0; 3], "pixel {place} of {:?}", explanation.unit);
            }
        }
    }
}

#[test]
fn switches_keep_sizes_weights_and_layers() {
    for name in ["all-cnn-c", "imagenet-all-cnn-b", "large-all-cnn"] {
        let network = Network::named(name, 10).unwrap();
        let (pooled, places) = network.with_switches().unwrap();
        assert_eq!(pooled.info().parameters, network.info().parameters);
        let (before, after) = (network.operations(1), pooled.operations(1));
        for (layer, &place) in places.iter().enumerate() {
            assert_eq!(before[layer].output(), after[place].output(), "{name}, layer {layer}");
        }
        let strides = |network: &Network| {
            let kinds = network.layers().iter().map(|layer| *layer.kind());
            kinds.filter(|kind| matches!(kind, LayerKind::Conv(conv) if conv.stride == 2)).count()
        };
        assert_eq!((strides(&network), strides(&pooled)), (places.len().abs_diff(after.len()), 0));
    }
    let none = Network::named("model-c", 10).unwrap().with_switches().unwrap_err().to_string();
    assert!(none.contains("model-c: no convolution of stride 2"), "{none}");
}

#[test]
fn randomizing_draws_the_layers_from_there_up_and_leaves_those_below() {
    let Setup { network, parameters, .. } = Setup::new();
    let tensors = |parameters: &Parameters<Reference>| parameters.tensors(&Reference, Kind::Value).unwrap();
    let before = tensors(&parameters);
    let changed = |from: &str, seed| -> Vec<bool> {
        let drawn = randomized(&Reference, &network, &parameters, from, Init::He, seed).unwrap();
        let weights = |tensor: &&Tensor| tensor.name.ends_with("weight");
        let pairs = tensors(&drawn).into_iter().zip(before.clone());
        pairs.filter(|(drawn, _)| weights(&drawn)).map(|(drawn, before)| drawn != before).collect()
    };
    assert_eq!(changed("conv1", 2), [true, true, true]);
    assert_eq!(changed("conv2", 2), [false, true, true]);
    assert_eq!(changed("pool1", 2), [false, false, true]);
    assert_eq!(changed("conv1", 1), [false, false, false], "the seed of the start gives the start");
    let refused = |from: &str| {
        let drawn = randomized(&Reference, &network, &parameters, from, Init::He, 2);
        drawn.map(|_| ()).unwrap_err().to_string()
    };
    assert!(
        refused("global_pool")
            .contains("no weights from global_pool up; expected a convolution, such as conv3")
    );
    assert!(refused("conv7").contains("no layer \"conv7\""));
}
