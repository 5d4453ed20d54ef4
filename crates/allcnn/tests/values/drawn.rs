//! The regions and values that poolings of a network draw: anew for each step of training, fixed in evaluation, the same on every
//! device and for any number of threads.

use allcnn::net::{Init, Network};
use allcnn::parameters::{Kind, Parameters};
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::random::{Purpose, Stream};
use allcnn_device::{Device, Loss, Reference};

const REGIONS: &str = r#"
name = "regions"
input = [20, 17, 3]
classes = 3
layers = [
  { conv = 8, kernel = 3 },
  { pool = "max", fractional = 1.4 },
  { conv = 8, kernel = 3, activation = "identity" },
  { maxout = 2 },
  { pool = "max", fractional = 1.6, sequence = "random", overlapping = false },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
]
"#;

const VALUES: &str = r#"
name = "values"
input = [20, 17, 3]
classes = 3
layers = [
  { conv = 8, kernel = 3 },
  { pool = "stochastic", kernel = 3, stride = 2 },
  { conv = 8, kernel = 3 },
  { probout = 2, lambda = 2.0 },
  { pool = "stochastic", fractional = 1.6 },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
]
"#;

/// A plan with parameters and a batch of two.
struct Setup<'d, D: Device> {
    device: &'d D,
    parameters: Parameters<D>,
    plan: Plan<'d, D>,
    images: Vec<f32>,
}

impl<'d, D: Device> Setup<'d, D> {
    fn new(device: &'d D, network: &str) -> Self {
        let network = Network::from_toml(network).unwrap();
        let parameters = Parameters::initialize(device, &network, Init::He, 1).unwrap();
        let plan = Plan::new(device, &network, 2, PlanPurpose::Training).unwrap();
        let mut numbers = Stream::new(4, Purpose::Test, 0, 0).sequence();
        let images = (0..2 * 20 * 17 * 3).map(|_| numbers.normal()).collect();
        Self { device, parameters, plan, images }
    }

    /// The logits in evaluation, or in the training step of this number; then also the gradients, in one list.
    fn pass(&mut self, number: Option<u64>) -> Vec<f32> {
        self.pass_of(number, 0)
    }

    /// That of a shard of the step's batch.
    fn pass_of(&mut self, number: Option<u64>, shard: u16) -> Vec<f32> {
        self.plan.upload(&self.images, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).unwrap();
        let mut step = self.device.new_step().unwrap();
        self.device.set_step(&mut step, number.unwrap_or(0), 0.0);
        let mode =
            if number.is_some() { Mode::Train { step: &step, seed: 3, shard } } else { Mode::Evaluate };
        self.plan.forward(&self.parameters, mode);
        let mut values = vec![0.0; 6];
        self.plan.logits(&mut values).unwrap();
        if number.is_some() {
            self.plan.loss(Loss::CrossEntropy, 0.5);
            self.plan.backward(&mut self.parameters, mode);
            let gradients = self.parameters.tensors(self.device, Kind::Gradient).unwrap();
            values.extend(gradients.into_iter().flat_map(|tensor| tensor.values));
        }
        values
    }
}

#[test]
fn each_step_draws_and_a_step_done_again_the_same() {
    for network in [REGIONS, VALUES] {
        let mut setup = Setup::new(&Reference, network);
        let [first, second, again] = [7, 8, 7].map(|step| setup.pass(Some(step)));
        assert_eq!(first, again);
        assert_ne!(first[..6], second[..6]);
    }
}

/// Regions are those of the whole batch; values are drawn for each image, and so for each shard.
#[test]
fn shards_share_regions_and_draw_values_of_their_own() {
    for (network, shared) in [(REGIONS, true), (VALUES, false)] {
        let mut setup = Setup::new(&Reference, network);
        let [first, second] = [0, 1].map(|shard| setup.pass_of(Some(7), shard));
        assert_eq!(first == second, shared);
    }
}

#[test]
fn evaluation_is_fixed_and_each_view_of_it() {
    for network in [REGIONS, VALUES] {
        let mut setup = Setup::new(&Reference, network);
        let before = setup.pass(None);
        setup.pass(Some(9));
        assert_eq!(setup.pass(None), before);
        let views = [1, 2, 0, 1].map(|view| {
            setup.plan.set_view(view);
            setup.pass(None)
        });
        assert_eq!(views[2], before);
        assert_eq!(views[0], views[3]);
        assert!(views[0] != before && views[0] != views[1]);
    }
}

#[test]
fn images_do_not_depend_on_their_neighbors_in_the_batch() {
    for network in [REGIONS, VALUES] {
        let mut setup = Setup::new(&Reference, network);
        let before = setup.pass(None);
        let (first, second) = setup.images.split_at_mut(20 * 17 * 3);
        first.swap_with_slice(second);
        let after = setup.pass(None);
        assert_eq!((&after[..3], &after[3..]), (&before[3..], &before[..3]));
    }
}

#[test]
fn threads_do_not_matter_and_devices_agree() {
    for network in [REGIONS, VALUES] {
        let expected = Setup::new(&Reference, network).pass(Some(5));
        let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let given = [1, 2, 3].map(|threads| {
            let cpu = Cpu::new(CpuOptions { threads: Some(threads), ..CpuOptions::default() }).unwrap();
            Setup::new(&cpu, network).pass(Some(5))
        });
        assert!(given[0] == given[1] && given[1] == given[2]);
        for (given, expected) in given[0].iter().zip(expected) {
            assert!((given - expected).abs() < 1e-4 * largest, "{given} {expected}");
        }
    }
}
