//! Every gradient of small networks with every kind of layer, checked by finite differences on the reference device.

use allcnn::net::{Init, Network};
use allcnn::parameters::{Kind, Parameters, Tensor};
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn_device::random::{Purpose, Stream};
use allcnn_device::{Device, Loss, Reference, ReluRule};

/// Every kind of layer; the activations are smooth or leaky, so that differences near a kink stay small.
const EVERYTHING: &str = r#"
name = "everything"
input = [9, 8, 3]
classes = 3
input_dropout = 0.25
layers = [
  { conv = 6, kernel = 3, activation = "leaky:0.5", dropout = 0.25 },
  { lrn = 3, alpha = 0.5 },
  { conv = 8, kernel = 3, groups = 2, activation = "leaky:0.5" },
  { pool = "norm:2.5", kernel = 3, stride = 2, dropout = 0.5 },
  { conv = 6, kernel = 2, padding = "valid", activation = "identity" },
  { pool = "norm:2", kernel = 2, stride = 1, padding = 1, dropout = 0.25 },
  { conv = "classes", kernel = 1, activation = "leaky:0.5" },
  { global_average = true },
]
"#;

/// Every kind of window: maxima that change hands only far from where they are looked at, means and norms.
const WINDOWS: &str = r#"
name = "windows"
input = [11, 9, 3]
classes = 3
input_dropout = 0.25
layers = [
  { conv = 12, kernel = 3, activation = "identity" },
  { maxout = 3, dropout = 0.25 },
  { pool = "max", fractional = 1.3, dropout = 0.25 },
  { conv = 6, kernel = 3, activation = "leaky:0.5" },
  { pool = "average", kernel = 3, stride = 1, padding = 1, dropout = 0.5 },
  { pool = "average", fractional = 1.6, sequence = "random", overlapping = false },
  { pool = "norm:2", fractional = 1.5, sequence = "random", dropout = 0.25 },
  { conv = 6, kernel = 1, activation = "identity" },
  { maxout = 2 },
  { global_average = true },
]
"#;

/// Layers that compete or draw. Their outputs jump where another value wins or is drawn, so that there are few of them: far from
/// all such places the loss is smooth.
const KINDS: &str = r#"
name = "kinds"
input = [9, 8, 3]
classes = 3
input_dropout = 0.25
layers = [
  { conv = 6, kernel = 3, activation = "leaky:0.5" },
  { pool = "learned-norm", kernel = 3, stride = 3, padding = 1, dropout = 0.25 },
  { pool = "stochastic", kernel = 2, stride = 2, dropout = 0.25 },
  { conv = 8, kernel = 2, padding = "valid", activation = "identity" },
  { lwta = 2, dropout = 0.25 },
  { conv = 6, kernel = 1, activation = "identity" },
  { lwta = 3 },
  { conv = 8, kernel = 1, activation = "identity" },
  { probout = 4, lambda = 1.5, dropout = 0.25 },
  { conv = "classes", kernel = 1, activation = "leaky:0.5" },
  { global_average = true },
]
"#;

/// Ends without a global average, in an activation, with dropout right below the logits.
const NO_AVERAGE: &str = r#"
name = "no-average"
input = [4, 4, 2]
classes = 4
layers = [
  { conv = 5, kernel = 2, padding = "valid", stride = 2, activation = "leaky:0.3" },
  { conv = 7, kernel = 2, padding = "valid", activation = "leaky:0.3", dropout = 0.5 },
  { conv = "classes", kernel = 1, activation = "leaky:0.3" },
]
"#;

fn numbers(len: usize, minor: u32) -> Vec<f32> {
    let mut numbers = Stream::new(11, Purpose::Test, 0, minor).sequence();
    (0..len).map(|_| numbers.normal()).collect()
}

struct Setup {
    network: Network,
    images: Vec<f32>,
    targets: Vec<f32>,
    batch: usize,
}

impl Setup {
    fn new(text: &str, batch: usize) -> Self {
        let network = Network::from_toml(text).unwrap();
        let images = numbers(network.input().shape(batch).len(), 1);
        // A smoothed target, another one, and (from the third row on) none.
        let mut targets = vec![0.0; batch * network.classes()];
        targets[..3].copy_from_slice(&[0.75, 0.0, 0.25]);
        targets[network.classes() + 1] = 1.0;
        Self { network, images, targets, batch }
    }

    /// The mean loss of the first two rows at these values.
    fn loss(
        &self,
        plan: &mut Plan<'_, Reference>,
        parameters: &Parameters<Reference>,
        mode: Mode<'_, Reference>,
    ) -> f64 {
        plan.upload(&self.images, &self.targets).unwrap();
        plan.forward(parameters, mode);
        plan.loss(Loss::CrossEntropy, 0.5);
        let mut losses = vec![0.0; self.batch];
        plan.losses(&mut losses).unwrap();
        losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / 2.0
    }
}

/// Moves `values` along each direction that is tried and compares the change of the loss with the gradient.
fn check(name: &str, values: &[f32], gradient: &[f32], mut loss: impl FnMut(&[f32]) -> f64) {
    let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    assert!(norm > 1e-4, "{name}: the gradient vanishes ({norm}), so nothing would be tested");
    let along: Vec<f64> = gradient.iter().map(|&g| f64::from(g) / norm).collect();
    let random: Vec<f64> = numbers(values.len(), 2).iter().map(|&x| f64::from(x)).collect();
    let length = random.iter().map(|x| x * x).sum::<f64>().sqrt();
    let random: Vec<f64> = random.iter().map(|x| x / length).collect();
    for (which, direction) in [("gradient", along), ("random", random)] {
        let step = 4e-3;
        let at = |sign: f64| -> Vec<f32> {
            values.iter().zip(&direction).map(|(&v, d)| (f64::from(v) + sign * step * d) as f32).collect()
        };
        let measured = (loss(&at(1.0)) - loss(&at(-1.0))) / (2.0 * step);
        let expected: f64 = gradient.iter().zip(&direction).map(|(&g, d)| f64::from(g) * d).sum();
        assert!(
            (measured - expected).abs() < 4e-3 * norm + 1e-4,
            "{name}, {which} direction: measured {measured}, gradient {expected}"
        );
    }
}

fn check_all(text: &str, train: bool) {
    let device = Reference;
    let setup = Setup::new(text, 3);
    let mut parameters = Parameters::initialize(&device, &setup.network, Init::He, 5).unwrap();
    let mut values = parameters.tensors(&device, Kind::Value).unwrap();
    for (minor, tensor) in values.iter_mut().enumerate().filter(|(_, tensor)| tensor.shape.len() == 1) {
        tensor.values = numbers(tensor.values.len(), 20 + minor as u32).iter().map(|x| 0.2 * x).collect();
    }
    parameters.load(&device, Kind::Value, &values).unwrap();
    let mut step = device.new_step().unwrap();
    device.set_step(&mut step, 3, 0.1);
    let mode = || if train { Mode::Train { step: &step, seed: 9, shard: 0 } } else { Mode::Evaluate };
    let mut plan = Plan::new(&device, &setup.network, setup.batch, PlanPurpose::Training).unwrap();
    setup.loss(&mut plan, &parameters, mode());
    plan.backward(&mut parameters, mode());
    let gradients = parameters.tensors(&device, Kind::Gradient).unwrap();
    for index in 0..values.len() {
        check(&values[index].name, &values[index].values, &gradients[index].values, |moved| {
            let mut all: Vec<Tensor> = values.clone();
            all[index].values = moved.to_vec();
            parameters.load(&device, Kind::Value, &all).unwrap();
            setup.loss(&mut plan, &parameters, mode())
        });
    }
}

#[test]
fn gradients_without_dropout() {
    check_all(EVERYTHING, false);
    check_all(NO_AVERAGE, false);
    check_all(WINDOWS, false);
    check_all(KINDS, false);
}

#[test]
fn gradients_with_dropout() {
    check_all(EVERYTHING, true);
    check_all(NO_AVERAGE, true);
    check_all(WINDOWS, true);
    check_all(KINDS, true);
}

#[test]
fn the_signal_at_the_picture_is_its_gradient() {
    check_picture(EVERYTHING, "conv3");
    check_picture(KINDS, "conv3");
}

fn check_picture(text: &str, layer: &str) {
    let device = Reference;
    let mut setup = Setup::new(text, 2);
    let parameters = Parameters::initialize(&device, &setup.network, Init::He, 6).unwrap();
    let mut plan = Plan::new(&device, &setup.network, 2, PlanPurpose::Explanation).unwrap();
    let layer = setup.network.layer_index(layer).unwrap();
    let len = setup.network.operations(2)[layer].output().len();
    let signal = numbers(len, 7);
    plan.upload(&setup.images, &setup.targets).unwrap();
    plan.forward(&parameters, Mode::Evaluate);
    let mut gradient = vec![0.0; setup.images.len()];
    plan.explain(&parameters, layer, &signal, ReluRule::Backprop, &mut gradient).unwrap();
    let start = setup.images.clone();
    check("picture", &start, &gradient, |moved| {
        setup.images = moved.to_vec();
        plan.upload(&setup.images, &setup.targets).unwrap();
        plan.forward(&parameters, Mode::Evaluate);
        let mut output = vec![0.0; len];
        plan.output(layer, &mut output).unwrap();
        output.iter().zip(&signal).map(|(&y, &g)| f64::from(y) * f64::from(g)).sum()
    });
}

#[test]
fn an_inference_plan_gives_the_same_logits_in_fewer_buffers() {
    let device = Reference;
    let setup = Setup::new(EVERYTHING, 3);
    let parameters = Parameters::initialize(&device, &setup.network, Init::Xavier, 5).unwrap();
    let logits = [PlanPurpose::Training, PlanPurpose::Inference].map(|purpose| {
        let mut plan = Plan::new(&device, &setup.network, 3, purpose).unwrap();
        let loss = setup.loss(&mut plan, &parameters, Mode::Evaluate);
        let mut logits = vec![0.0; 9];
        plan.logits(&mut logits).unwrap();
        (logits, loss)
    });
    assert_eq!(logits[0], logits[1]);
    assert!(logits[0].0.iter().any(|&logit| logit != 0.0));
}
