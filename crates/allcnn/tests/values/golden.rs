//! Whole networks held against what PyTorch computes in float64 (fixtures/golden/make.py), for any device.
//! A device's own crate takes this in by its path.

use std::collections::HashMap;
use std::path::PathBuf;

use allcnn::net::{Init, Network};
use allcnn::parameters::{Kind, Parameters, Tensor};
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn::recipe::LayerRules;
use allcnn::visualise::{Attribution, AttributionSettings, Attributor, Explainer, Position, Target, Unit};
use allcnn_device::random::{Purpose, Stream};
use allcnn_device::{Device, Loss, ReluRule, Sgd};
use safetensors::SafeTensors;

/// The seed of make.py.
const SEED: u64 = 7;

/// What a device may differ by, relative to the largest value of the tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    /// The logits and the loss of one step.
    pub logits: f64,
    /// The gradients of one step.
    pub gradient: f64,
    /// The losses of ten steps.
    pub losses: f64,
}

/// A file of make.py.
pub(crate) struct Fixture {
    bytes: Vec<u8>,
    networks: HashMap<String, String>,
}

impl Fixture {
    pub(crate) fn read(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../allcnn/tests/fixtures/golden");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let networks = header.metadata().clone().unwrap();
        Self { bytes, networks }
    }

    /// The names of the networks in the file, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.networks.keys().cloned().collect();
        names.sort();
        names
    }

    pub(crate) fn network(&self, name: &str) -> Network {
        Network::from_toml(&self.networks[name]).unwrap()
    }

    fn tensor(&self, name: &str) -> Tensor {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = tensors.tensor(name).unwrap();
        let words = view.data().chunks_exact(4).map(|word| word.try_into().unwrap());
        let values = match view.dtype() {
            safetensors::Dtype::I32 => words.map(|word| i32::from_le_bytes(word) as f32).collect(),
            safetensors::Dtype::F32 => words.map(f32::from_le_bytes).collect(),
            other => panic!("{name} holds {other:?}"),
        };
        Tensor { name: name.into(), shape: view.shape().to_vec(), values }
    }

    /// The tensors `PREFIXname`, named `name`.
    fn tensors(&self, prefix: &str, names: &[String]) -> Vec<Tensor> {
        let named = |name: &String| Tensor { name: name.clone(), ..self.tensor(&format!("{prefix}{name}")) };
        names.iter().map(named).collect()
    }
}

fn one_hot(labels: impl IntoIterator<Item = usize>, classes: usize) -> Vec<f32> {
    labels.into_iter().flat_map(|label| (0..classes).map(move |class| f32::from(class == label))).collect()
}

fn largest(values: &[f32]) -> f64 {
    values.iter().fold(0.0, |largest, &value| largest.max(f64::from(value).abs()))
}

/// The largest difference, relative to `scale`; fails above the tolerance.
fn compare(what: &str, given: &[f32], expected: &[f32], scale: f64, tolerance: f64) -> f64 {
    assert_eq!(given.len(), expected.len(), "{what}: number of values");
    assert!(scale > 0.0, "{what}: only zeros, so nothing would be tested");
    let differences = given.iter().zip(expected).map(|(&given, &expected)| {
        assert!(given.is_finite(), "{what}: {given}");
        (f64::from(given) - f64::from(expected)).abs()
    });
    let difference = differences.fold(0.0, f64::max) / scale;
    assert!(
        difference <= tolerance,
        "{what}: differs by {difference:.2e} of {scale:.2e}, allowed {tolerance:.0e}"
    );
    difference
}

/// One forward pass, its loss (mean over the batch) and, in `parameters`, the gradients.
fn step<D: Device>(plan: &mut Plan<'_, D>, parameters: &mut Parameters<D>) -> (Vec<f32>, f32) {
    let batch = plan.batch();
    plan.forward(parameters, Mode::Evaluate);
    plan.loss(Loss::CrossEntropy, 1.0 / batch as f32);
    plan.backward(parameters, Mode::Evaluate);
    let (mut logits, mut losses) = (vec![0.0; batch * plan.network().classes()], vec![0.0; batch]);
    plan.logits(&mut logits).unwrap();
    plan.losses(&mut losses).unwrap();
    let mean = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / batch as f64;
    (logits, mean as f32)
}

/// Holds logits, loss, every gradient and the losses of ten steps of training against a stored fixture.
pub(crate) fn check_stored<D: Device>(device: &D, name: &str, tolerance: Tolerance) {
    let fixture = Fixture::read(name);
    let network = fixture.network(name);
    let labels = fixture.tensor("labels").values;
    let batch = labels.len();
    let targets = one_hot(labels.iter().map(|&label| label as usize), network.classes());
    let images = fixture.tensor("images").values;
    let mut parameters = Parameters::zeros(device, &network).unwrap();
    let values = fixture.tensors("value.", parameters.names());
    parameters.load(device, Kind::Value, &values).unwrap();
    let mut plan = Plan::new(device, &network, batch, PlanPurpose::Training).unwrap();
    plan.upload(&images, &targets).unwrap();

    let (logits, loss) = step(&mut plan, &mut parameters);
    let expected = fixture.tensor("logits").values;
    let mut reached = [0.0f64; 3];
    reached[0] = compare(name, &logits, &expected, largest(&expected), tolerance.logits);
    compare(name, &[loss], &fixture.tensor("loss").values, f64::from(loss), tolerance.logits);
    let gradients = parameters.tensors(device, Kind::Gradient).unwrap();
    for (given, expected) in gradients.iter().zip(fixture.tensors("gradient.", parameters.names())) {
        let what = format!("{name}: gradient of {}", given.name);
        assert_eq!(given.shape, expected.shape, "{what}: shape");
        let scale = largest(&expected.values);
        reached[1] =
            reached[1].max(compare(&what, &given.values, &expected.values, scale, tolerance.gradient));
    }

    let settings = fixture.tensor("sgd").values;
    let [_, momentum, weight_decay, nesterov] = settings[..4] else { panic!("four settings") };
    let sgd = Sgd { momentum, weight_decay, nesterov: nesterov == 1.0, clip_norm: f32::INFINITY };
    let mut now = device.new_step().unwrap();
    let losses: Vec<f32> = (0..10)
        .map(|number| {
            let (_, loss) = step(&mut plan, &mut parameters);
            device.set_step(&mut now, number, settings[0]);
            device.sgd(sgd, &now, parameters.list_mut());
            loss
        })
        .collect();
    let expected = fixture.tensor("losses").values;
    let what = format!("{name}: losses {losses:?} of ten steps");
    reached[2] = compare(&what, &losses, &expected, largest(&expected), tolerance.losses);
    let [logits, gradient, losses] = reached;
    eprintln!("{name}: logits within {logits:.1e}, gradients {gradient:.1e}, ten losses {losses:.1e}");
}

/// Holds losses, gradients and the values after three steps of a training with companion heads against PyTorch's.
pub(crate) fn check_companions<D: Device>(device: &D, tolerance: Tolerance) {
    const LAYERS: [usize; 2] = [0, 3];
    let fixture = Fixture::read("companions");
    let network = fixture.network("companions");
    let labels = fixture.tensor("labels").values;
    let batch = labels.len();
    let mut parameters = Parameters::zeros(device, &network).unwrap();
    parameters.add_companions(device, &network, &LAYERS, 0).unwrap();
    parameters.follow(&LayerRules::default(), 0.5);
    let names = parameters.names().to_vec();
    parameters.load(device, Kind::Value, &fixture.tensors("value.", &names)).unwrap();
    let mut plan = Plan::for_training(device, &network, batch, 0, &LAYERS, network.input().into()).unwrap();
    let targets = one_hot(labels.iter().map(|&label| label as usize), network.classes());
    plan.upload(&fixture.tensor("images").values, &targets).unwrap();

    let settings = fixture.tensor("sgd").values;
    let sgd =
        Sgd { momentum: settings[1], weight_decay: settings[2], nesterov: false, clip_norm: f32::INFINITY };
    let mut now = device.new_step().unwrap();
    for number in 0..3 {
        device.set_step(&mut now, number, settings[0]);
        let mode = Mode::Train { step: &now, seed: 0, shard: 0 };
        plan.forward(&parameters, mode);
        plan.loss(Loss::SquaredHinge, 1.0 / batch as f32);
        plan.backward(&mut parameters, mode);
        if number == 0 {
            let mut losses = vec![0.0; batch];
            plan.losses(&mut losses).unwrap();
            let all = std::iter::once(losses).chain(plan.companion_losses().unwrap());
            let means: Vec<f32> = all.map(|losses| losses.iter().sum::<f32>() / batch as f32).collect();
            let expected = fixture.tensor("losses").values;
            compare("losses of network and heads", &means, &expected, largest(&expected), tolerance.logits);
            let gradients = parameters.tensors(device, Kind::Gradient).unwrap();
            for (given, expected) in gradients.iter().zip(fixture.tensors("gradient.", &names)) {
                let (what, scale) = (format!("gradient of {}", given.name), largest(&expected.values));
                compare(&what, &given.values, &expected.values, scale, tolerance.gradient);
            }
        }
        parameters.descend(device, sgd, &now, 0..names.len());
    }
    let values = parameters.tensors(device, Kind::Value).unwrap();
    for (given, expected) in values.iter().zip(fixture.tensors("after.", &names)) {
        let (what, scale) = (format!("{} after three steps", given.name), largest(&expected.values));
        compare(&what, &given.values, &expected.values, scale, tolerance.gradient);
    }
}

/// Holds a training step with locally connected layers and DropConnect, its form for testing and the way back through that
/// against PyTorch's.
pub(crate) fn check_drop_connect<D: Device>(device: &D, tolerance: Tolerance) {
    let fixture = Fixture::read("dropconnect");
    let network = fixture.network("dropconnect");
    let (classes, labels) = (network.classes(), fixture.tensor("labels").values);
    let batch = labels.len();
    let targets = one_hot(labels.iter().map(|&label| label as usize), classes);
    let images = fixture.tensor("images").values;
    let mut parameters = Parameters::zeros(device, &network).unwrap();
    let names = parameters.names().to_vec();
    parameters.load(device, Kind::Value, &fixture.tensors("value.", &names)).unwrap();

    let mut plan = Plan::new(device, &network, batch, PlanPurpose::Training).unwrap();
    plan.upload(&images, &targets).unwrap();
    let mut now = device.new_step().unwrap();
    device.set_step(&mut now, 0, 0.0);
    let mode = Mode::Train { step: &now, seed: 3, shard: 0 };
    plan.forward(&parameters, mode);
    plan.loss(Loss::CrossEntropy, 1.0 / batch as f32);
    plan.backward(&mut parameters, mode);
    let mut losses = vec![0.0; batch];
    plan.losses(&mut losses).unwrap();
    let mean = losses.iter().sum::<f32>() / batch as f32;
    compare("loss with masks", &[mean], &fixture.tensor("loss").values, f64::from(mean), tolerance.logits);
    let gradients = parameters.tensors(device, Kind::Gradient).unwrap();
    for (given, expected) in gradients.iter().zip(fixture.tensors("gradient.", &names)) {
        let (what, scale) = (format!("gradient of {}", given.name), largest(&expected.values));
        assert_eq!(given.shape, expected.shape, "{what}: shape");
        compare(&what, &given.values, &expected.values, scale, tolerance.gradient);
    }

    let mut plan = Plan::new(device, &network, batch, PlanPurpose::Explanation).unwrap();
    plan.fix_weights(&parameters).unwrap();
    plan.upload(&images, &targets).unwrap();
    plan.forward(&parameters, Mode::Evaluate);
    let (mut logits, mut map) = (vec![0.0; batch * classes], vec![0.0; images.len()]);
    plan.logits(&mut logits).unwrap();
    let expected = fixture.tensor("logits").values;
    compare("logits in testing", &logits, &expected, largest(&expected), tolerance.logits);
    let signal = one_hot((0..batch).map(|_| 1), classes);
    plan.explain(&parameters, network.layers().len() - 1, &signal, ReluRule::Backprop, &mut map).unwrap();
    let expected = fixture.tensor("map").values;
    compare("map in testing", &map, &expected, largest(&expected), tolerance.gradient);
}

/// Holds logits, loss and a digest of every gradient against PyTorch's, from start values and pictures that both
/// sides generate.
pub(crate) fn check_generated<D: Device>(device: &D, name: &str, tolerance: Tolerance) {
    let fixture = Fixture::read("generated");
    let network = fixture.network(name);
    let tensor = |part: &str| fixture.tensor(&format!("{name}/{part}"));
    let expected = tensor("logits");
    let batch = expected.shape[0];
    let mut numbers = Stream::new(SEED, Purpose::Test, 0, 0).sequence();
    let images: Vec<f32> =
        (0..network.input().shape(batch).len()).map(|_| numbers.range(-2.0, 2.0)).collect();
    let targets = one_hot((0..batch).map(|image| image % network.classes()), network.classes());
    let mut parameters = Parameters::initialize(device, &network, Init::Xavier, SEED).unwrap();
    let mut plan = Plan::new(device, &network, batch, PlanPurpose::Training).unwrap();
    plan.upload(&images, &targets).unwrap();

    let (logits, loss) = step(&mut plan, &mut parameters);
    let mut reached = compare(name, &logits, &expected.values, largest(&expected.values), tolerance.logits);
    compare(name, &[loss], &tensor("loss").values, f64::from(loss), tolerance.logits);
    eprint!("{name}: logits within {reached:.1e}, ");
    reached = 0.0;
    for gradient in parameters.tensors(device, Kind::Gradient).unwrap() {
        let expected = tensor(&gradient.name).values;
        let what = format!("{name}: gradient of {}", gradient.name);
        let digest = digest(&gradient.values);
        let (norm, peak) = (f64::from(expected[1]), f64::from(expected[2]));
        // No sum is larger than this (Cauchy and Schwarz).
        let sum = norm * (gradient.values.len() as f64).sqrt();
        compare(&format!("{what}, sum"), &digest[..1], &expected[..1], sum, tolerance.gradient);
        compare(&format!("{what}, norm"), &digest[1..2], &expected[1..2], norm, tolerance.gradient);
        let samples =
            compare(&format!("{what}, samples"), &digest[2..], &expected[2..], peak, tolerance.gradient);
        reached = reached.max(samples);
    }
    eprintln!("gradients {reached:.1e}");
}

/// Sum, L2 norm, largest absolute value and eight samples.
fn digest(values: &[f32]) -> Vec<f32> {
    let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
    let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let samples = (0..8).map(|sample| values[sample * values.len() / 8]);
    [sum as f32, norm as f32, largest(values) as f32].into_iter().chain(samples).collect()
}

/// Holds every map of a fixture, made by explain.py or attributions.py, against what Captum and PyTorch computed; `tolerance` is
/// relative to a map's largest value.
pub(crate) fn check_explanations<D: Device>(device: &D, fixture: &str, tolerance: f64) {
    let fixture = Fixture::read(fixture);
    let names: Vec<String> = {
        let tensors = SafeTensors::deserialize(&fixture.bytes).unwrap();
        tensors.names().into_iter().map(|name| name.to_string()).collect()
    };
    for name in fixture.names() {
        let network = fixture.network(&name);
        let mut reached = 0f64;
        for key in names.iter().filter(|key| key.starts_with(&format!("{name}/"))) {
            let expected = fixture.tensor(key);
            let given = map(device, &network, key, expected.shape[0]);
            let scale = largest(&expected.values);
            reached = reached.max(compare(key, &given, &expected.values, scale, tolerance));
        }
        assert!(reached > 0.0, "{name}: nothing was compared");
        eprintln!("{name}: maps within {reached:.1e}");
    }
}

/// The maps of `NETWORK/LAYER/CHANNEL,ROW,COLUMN/METHOD` for the images of the program's generator.
fn map<D: Device>(device: &D, network: &Network, key: &str, images: usize) -> Vec<f32> {
    let [_, layer, unit, method] = key.split('/').collect::<Vec<_>>()[..] else { panic!("{key}") };
    let numbers: Vec<usize> = unit.split(',').map(|number| number.parse().unwrap()).collect();
    let [channel, row, column] = numbers[..] else { panic!("{key}") };
    let method = Attribution::EVERY.into_iter().find(|known| known.word() == method).unwrap();
    let mut numbers = Stream::new(SEED, Purpose::Test, 0, 0).sequence();
    let values = network.input().shape(images).len();
    let images: Vec<f32> = (0..values).map(|_| numbers.range(-2.0, 2.0)).collect();
    let parameters = Parameters::initialize(device, network, Init::Xavier, SEED).unwrap();
    let target = Target::new(network, layer, vec![Unit::Channel(channel)]).unwrap();
    let target = target.at(Position::At { row, column }).unwrap();
    let settings =
        AttributionSettings { steps: 64, window: Some(4), stride: Some(2), ..AttributionSettings::default() };
    let mut attributor = Attributor::new(Explainer::new(device, network, 64).unwrap(), settings);
    let count = images.len() / network.input().shape(1).len();
    let pairs: Vec<_> = (0..count).map(|image| (image, Unit::Channel(channel))).collect();
    let explanations = attributor.explain_pairs(&parameters, &images, &target, &pairs, &[method]).unwrap();
    explanations.into_iter().flat_map(|explanation| explanation.maps.concat()).collect()
}
