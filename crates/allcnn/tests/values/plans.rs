//! Plans for batches of several sizes give one answer.

use allcnn::net::{Init, Network};
use allcnn::parameters::{Kind, Parameters};
use allcnn::plan::PlanPurpose;
use allcnn::plans::Plans;
use allcnn::visualise::{Explainer, Explanation, Method, Target, Unit};
use allcnn_cpu::{Cpu, CpuOptions, Isa};
use allcnn_device::{Device, Reference};

/// Arbitrary preprocessed images of a network.
fn images(network: &Network, count: usize) -> Vec<f32> {
    let len = network.input().shape(count).len();
    (0..len).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

/// The maps of the most probable class of some images, by all methods, from image `first` on.
fn maps<D: Device>(
    explainer: &mut Explainer<'_, D>,
    parameters: &Parameters<D>,
    images: &[f32],
    (first, count): (usize, usize),
) -> Vec<Explanation> {
    let target = Target::of_classes(explainer.network(), vec![]).unwrap();
    let pairs: Vec<_> = (first..first + count).map(|image| (image, Unit::STRONGEST)).collect();
    explainer.explain_pairs(parameters, images, &target, &pairs, &Method::ALL).unwrap()
}

#[test]
fn a_batch_is_the_largest_that_the_images_fill_to_three_quarters() {
    let network = Network::named("strided-cnn-c", 10).unwrap();
    let parameters = Parameters::initialize(&Reference, &network, Init::He, 1).unwrap();
    for (most, images, expected) in [
        (64, 1, 1),
        (64, 2, 1),
        (64, 3, 4),
        (64, 11, 4),
        (64, 12, 16),
        (64, 47, 16),
        (64, 48, 64),
        (64, 1000, 64),
        (5, 5, 5),
        (5, 3, 2),
        (1, 7, 1),
    ] {
        let mut plans = Plans::new(&Reference, &network, most, PlanPurpose::Inference);
        assert_eq!(plans.most(), most);
        let batch = plans.next(images, &parameters).unwrap().batch();
        assert_eq!(batch, expected, "{images} images in batches of up to {most}");
    }
}

#[test]
fn what_is_said_of_an_image_does_not_depend_on_its_batch() {
    let network = Network::from_toml(
        r#"
        name = "tiny"
        input = [6, 6, 3]
        classes = 4
        layers = [{ conv = 4, kernel = 3 }, { conv = "classes", kernel = 1 }, { global_average = true }]
        "#,
    )
    .unwrap();
    let parameters = Parameters::initialize(&Reference, &network, Init::He, 1).unwrap();
    let images = images(&network, 90);
    let mut explainer = Explainer::on_demand(&Reference, &network);
    let alone: Vec<_> =
        (0..90).flat_map(|image| maps(&mut explainer, &parameters, &images, (image, 1))).collect();
    for (first, count) in [(0, 90), (3, 48), (80, 5), (0, 64), (17, 15), (89, 1), (0, 0)] {
        let some = maps(&mut explainer, &parameters, &images, (first, count));
        assert_eq!(some, alone[first..first + count], "{count} from {first} on");
        let mut planned = Explainer::new(&Reference, &network, count).unwrap();
        assert_eq!(maps(&mut planned, &parameters, &images, (first, count)), some, "planned for {count}");
    }
}

#[test]
fn plans_of_several_sizes_keep_their_answers_in_any_order() {
    let network = Network::named("all-cnn-c", 10).unwrap();
    for isa in Isa::available() {
        let device = Cpu::new(CpuOptions { isa: Some(isa), ..CpuOptions::default() }).unwrap();
        let parameters = Parameters::initialize(&device, &network, Init::He, 1).unwrap();
        let images = images(&network, 16);
        let mut kept = Explainer::on_demand(&device, &network);
        for (first, count) in [(0, 1), (0, 16), (3, 1), (5, 4), (0, 16), (3, 1)] {
            let fresh =
                maps(&mut Explainer::on_demand(&device, &network), &parameters, &images, (first, count));
            let said = maps(&mut kept, &parameters, &images, (first, count));
            assert_eq!(said, fresh, "{isa}: {count} from {first} on");
        }
    }
}

#[test]
fn other_weights_are_noticed() {
    let network = Network::named("all-cnn-c", 10).unwrap();
    let device = Cpu::new(CpuOptions::default()).unwrap();
    let mut parameters = Parameters::initialize(&device, &network, Init::He, 1).unwrap();
    let others = Parameters::initialize(&device, &network, Init::He, 2).unwrap();
    let images = images(&network, 1);
    let mut explainer = Explainer::on_demand(&device, &network);
    let mut said = |parameters: &Parameters<Cpu>| maps(&mut explainer, parameters, &images, (0, 1));
    let (first, second) = (said(&parameters), said(&others));
    assert_ne!(first, second);
    assert_eq!(said(&parameters), first);
    let tensors = others.tensors(&device, Kind::Value).unwrap();
    parameters.load(&device, Kind::Value, &tensors).unwrap();
    assert_eq!(said(&parameters), second);
    parameters.list_mut()[0].value.iter_mut().for_each(|value| *value = 0.0);
    assert_ne!(said(&parameters), second);
}
