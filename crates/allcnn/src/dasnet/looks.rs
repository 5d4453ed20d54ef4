//! The looks at a batch of pictures, with gates by a policy.

use allcnn_device::{Activation, ConvShape, Device, Epilogue, Shape, Windows};

use super::error::DasnetError;
use crate::net::{LayerKind, Network, Pool};
use crate::parameters::Parameters;
use crate::plan::{Mode, Plan, PlanPurpose};
use crate::score::probabilities;

/// The maxout layers of a network: those whose maps are gated.
pub(super) fn gated(network: &Network) -> Result<Vec<usize>, DasnetError> {
    let is_maxout =
        |kind: &LayerKind| matches!(kind, LayerKind::Pool(Pool { windows: Windows::Channels { .. }, .. }));
    let layers = network.layers().iter().enumerate().filter(|(_, layer)| is_maxout(layer.kind()));
    let layers: Vec<usize> = layers.map(|(index, _)| index).collect();
    if layers.is_empty() { Err(DasnetError::NothingToGate(network.name().into())) } else { Ok(layers) }
}

/// The sizes of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PolicyShape {
    /// Gates.
    pub(super) maps: usize,
    /// What is seen: the maps' means, the class probabilities and a 1.
    pub(super) inputs: usize,
}

impl PolicyShape {
    pub(super) fn of(network: &Network) -> Result<Self, DasnetError> {
        let outputs = network.operations(1);
        let maps = gated(network)?.into_iter().map(|layer| outputs[layer].output().channels).sum();
        Ok(Self { maps, inputs: maps + network.classes() + 1 })
    }

    /// The number of its weights, `[maps, inputs]`.
    pub(super) fn len(self) -> usize {
        self.maps * self.inputs
    }
}

/// A network that looks several times.
pub(super) struct Looks<'d, D: Device> {
    device: &'d D,
    plan: Plan<'d, D>,
    parameters: &'d Parameters<D>,
    shape: PolicyShape,
    policy: D::Conv,
    weights: D::Buffer,
    bias: D::Buffer,
    /// What the policy sees, and what it says, `[batch, inputs]` and `[batch, maps]`.
    seen: D::Buffer,
    said: D::Buffer,
    step: D::Step,
    /// What is seen after the first look, which is the same for every policy.
    first: Vec<f32>,
}

impl<'d, D: Device> Looks<'d, D> {
    /// For batches of this size.
    pub(super) fn new(
        device: &'d D,
        network: &Network,
        parameters: &'d Parameters<D>,
        batch: usize,
    ) -> Result<Self, DasnetError> {
        let shape = PolicyShape::of(network)?;
        let mut plan = Plan::new(device, network, batch, PlanPurpose::Inference)?;
        plan.fix_weights(parameters)?;
        plan.scale_channels(&gated(network)?)?;
        let input = Shape { batch, height: 1, width: 1, channels: shape.inputs };
        let policy =
            ConvShape { input, out_channels: shape.maps, kernel: 1, stride: 1, padding: 0, groups: 1 };
        Ok(Self {
            device,
            plan,
            parameters,
            shape,
            policy: device.conv(policy)?,
            weights: device.alloc(shape.len())?,
            bias: device.alloc(shape.maps)?,
            seen: device.alloc(batch * shape.inputs)?,
            said: device.alloc(batch * shape.maps)?,
            step: device.new_step()?,
            first: vec![],
        })
    }

    /// Looks at a batch for the first time; returns the class probabilities.
    pub(super) fn first(&mut self, images: &[f32]) -> Result<Vec<f32>, DasnetError> {
        let rows = self.plan.batch();
        self.plan.upload(images, &vec![0.0; rows * self.plan.network().classes()])?;
        let (seen, answers) = self.look(&vec![1.0; rows * self.shape.maps])?;
        self.first = seen;
        Ok(answers)
    }

    /// Looks at it again, up to `looks` times in all, with gates by a policy; returns the last class probabilities.
    pub(super) fn again(&mut self, policy: &[f32], looks: u32) -> Result<Vec<f32>, DasnetError> {
        self.device.upload(policy, &mut self.weights)?;
        let (mut seen, mut answers) = (self.first.clone(), vec![]);
        for _ in 1..looks {
            let gates = self.gates(&seen)?;
            (seen, answers) = self.look(&gates)?;
        }
        Ok(answers)
    }

    /// One look: what is seen then, and the class probabilities.
    fn look(&mut self, gates: &[f32]) -> Result<(Vec<f32>, Vec<f32>), DasnetError> {
        let (rows, classes, maps) = (self.plan.batch(), self.plan.network().classes(), self.shape.maps);
        self.plan.set_channel_factors(gates)?;
        self.plan.forward(self.parameters, Mode::Evaluate);
        let (mut logits, mut means) = (vec![0.0; rows * classes], vec![0.0; rows * maps]);
        self.plan.logits(&mut logits)?;
        self.plan.channel_means(&mut means)?;
        let answers: Vec<f32> = logits.chunks_exact(classes).flat_map(probabilities).collect();
        let images = means.chunks_exact(maps).zip(answers.chunks_exact(classes));
        let seen = images.flat_map(|(means, answers)| means.iter().chain(answers).copied().chain([1.0]));
        Ok((seen.collect(), answers))
    }

    /// The gates that the policy sets.
    fn gates(&mut self, seen: &[f32]) -> Result<Vec<f32>, DasnetError> {
        const PLAIN: Epilogue = Epilogue { activation: Activation::Identity, dropout: None };
        let Self { device, policy, weights, bias, step, said, .. } = self;
        device.upload(seen, &mut self.seen)?;
        device.conv_forward(policy, &self.seen, weights, bias, PLAIN, step, said);
        let mut gates = vec![0.0; self.plan.batch() * self.shape.maps];
        device.download(said, &mut gates)?;
        gates.chunks_exact_mut(self.shape.maps).for_each(normalize);
        Ok(gates)
    }
}

/// a = J s(x) / (sum of s(x)) for the J values x of an image.
fn normalize(values: &mut [f32]) {
    let logistic = |x: f32| 1.0 / (1.0 + (-x).exp());
    values.iter_mut().for_each(|value| *value = logistic(*value));
    let scale = values.len() as f32 / values.iter().sum::<f32>();
    values.iter_mut().for_each(|value| *value *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Init;
    use allcnn_device::Reference;

    fn network() -> Network {
        Network::from_toml(
            "name = \"das\"\ninput = [6, 6, 3]\nclasses = 3\nlayers = [\n\
             { conv = 8, kernel = 3, activation = \"identity\" }, { maxout = 2 }, { pool = \"max\", kernel = 2, stride = 2 },\n\
             { conv = 6, kernel = 3, padding = \"valid\", activation = \"identity\" }, { maxout = 2 },\n\
             { conv = \"classes\", kernel = 1, activation = \"identity\" } ]",
        )
        .unwrap()
    }

    #[test]
    fn gates_sum_to_the_number_of_maps() {
        let mut values = [0.0, 3.0, -2.0, 0.5];
        normalize(&mut values);
        assert!((values.iter().sum::<f32>() - 4.0).abs() < 1e-5 && values[1] > 1.0 && values[2] < 1.0);
        assert_eq!(PolicyShape::of(&network()).unwrap(), PolicyShape { maps: 7, inputs: 11 });
        let none = gated(&Network::named("all-cnn-c", 10).unwrap()).unwrap_err().to_string();
        assert!(none.contains("all-cnn-c has no maxout layer"), "{none}");
    }

    /// A policy of zeros leaves all gates at 1, so that each look gives the network's own answer; one that closes a map
    /// changes it.
    #[test]
    fn a_policy_of_zeros_changes_nothing_and_others_do() {
        let (network, images) = (network(), [0.3, -0.7, 1.1, 0.9].repeat(2 * 27));
        let parameters = Parameters::initialize(&Reference, &network, Init::He, 1).unwrap();
        let mut looks = Looks::new(&Reference, &network, &parameters, 2).unwrap();
        let own = looks.first(&images).unwrap();
        let shape = looks.shape;
        assert_eq!(looks.again(&vec![0.0; shape.len()], 4).unwrap(), own);
        let mut policy = vec![0.0; shape.len()];
        policy[shape.inputs - 1] = -20.0; // the first map, by the 1 that is always seen
        let gated = looks.again(&policy, 2).unwrap();
        assert_ne!(gated, own);
        // The same by hand: the first filters' maximum is 0, the others are 7/6 of themselves.
        let mut plan = Plan::new(&Reference, &network, 2, PlanPurpose::Inference).unwrap();
        plan.scale_channels(&[1, 4]).unwrap();
        plan.upload(&images, &[0.0; 6]).unwrap();
        let rest = 7.0 / 6.0;
        plan.set_channel_factors(&[0.0, rest, rest, rest, rest, rest, rest].repeat(2)).unwrap();
        plan.forward(&parameters, Mode::Evaluate);
        let mut logits = vec![0.0; 6];
        plan.logits(&mut logits).unwrap();
        let expected: Vec<f32> = logits.chunks_exact(3).flat_map(probabilities).collect();
        assert!(gated.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{gated:?} {expected:?}");
        let mut means = vec![0.0; 14];
        plan.channel_means(&mut means).unwrap();
        assert!(means[0] == 0.0 && means[7] == 0.0 && means[1] != 0.0);
    }
}
