//! What holds for the ways to explain that are built on gradients, forward passes and the last maps.

use allcnn::net::{Init, Network};
use allcnn::parameters::Parameters;
use allcnn::visualise::{
    Attribution, AttributionSettings, Attributor, Explainer, Explanation, Method, Target, Unit,
    VisualiseError, score_map,
};
use allcnn_device::Reference;
use allcnn_device::random::{Purpose, Stream};

const LEN: usize = 8 * 8 * 3;

fn network() -> Network {
    Network::from_toml(
        "name = \"small\"\ninput = [8, 8, 3]\nclasses = 3\nlayers = [ { conv = 8, kernel = 3, stride = 2 },\n\
         { conv = 8, kernel = 3 }, { conv = \"classes\", kernel = 1 }, { global_average = true } ]\n",
    )
    .unwrap()
}

fn images(count: usize) -> Vec<f32> {
    let mut random = Stream::new(5, Purpose::Test, 0, 0).sequence();
    (0..count * LEN).map(|_| random.normal()).collect()
}

fn explained(
    images: &[f32],
    ways: &[Attribution],
    settings: AttributionSettings,
    layer: Option<&str>,
) -> Vec<Explanation> {
    let network = network();
    let parameters = Parameters::initialize(&Reference, &network, Init::He, 3).unwrap();
    let target = match layer {
        None => Target::of_classes(&network, vec![]).unwrap(),
        Some(layer) => Target::new(&network, layer, vec![]).unwrap(),
    };
    let pairs: Vec<_> = (0..images.len() / LEN).map(|image| (image, Unit::STRONGEST)).collect();
    let mut attributor = Attributor::new(Explainer::new(&Reference, &network, 4).unwrap(), settings);
    attributor.explain_pairs(&parameters, images, &target, &pairs, ways).unwrap()
}

/// The activations of the strongest unit of an image, and of the same unit where the image is zero.
fn activations(image: &[f32], layer: Option<&str>) -> (f32, f32) {
    let found = explained(image, &[], AttributionSettings::default(), layer)[0].unit;
    let network = network();
    let parameters = Parameters::initialize(&Reference, &network, Init::He, 3).unwrap();
    let target = Target::new(&network, layer.unwrap_or("global_pool"), vec![]).unwrap();
    let mut explainer = Explainer::new(&Reference, &network, 1).unwrap();
    let zero = explainer.explain_pairs(&parameters, &[0.0; LEN], &target, &[(0, found.into())], &[]).unwrap();
    (found.activation, zero[0].unit.activation)
}

#[test]
fn integrated_gradients_add_up_to_the_difference_from_zero() {
    for layer in [None, Some("conv2")] {
        for image in images(3).chunks(LEN) {
            let settings = AttributionSettings { steps: 200, ..AttributionSettings::default() };
            let map = &explained(image, &[Attribution::IntegratedGradients], settings, layer)[0].maps[0];
            let (own, zero) = activations(image, layer);
            let (sum, expected) = (map.iter().sum::<f32>(), own - zero);
            assert!(
                (sum - expected).abs() < 0.01 * expected.abs().max(0.1),
                "{layer:?}: {sum}, expected {expected}"
            );
        }
    }
}

#[test]
fn smoothgrad_without_noise_is_the_gradient_and_has_the_same_noise_again() {
    let images = images(1);
    let ways = [Attribution::Backward(Method::Backprop), Attribution::SmoothGrad];
    let of = |noise, seed| {
        explained(&images, &ways, AttributionSettings { noise, seed, ..AttributionSettings::default() }, None)
            .remove(0)
            .maps
    };
    let still = of(0.0, 0);
    assert!(still[0].iter().zip(&still[1]).all(|(a, b)| (a - b).abs() < 1e-6));
    let noisy = of(0.2, 0);
    assert_eq!(noisy[0], still[0]);
    assert_ne!(noisy[1], still[1]);
    assert_eq!(noisy, of(0.2, 0));
    assert_ne!(noisy[1], of(0.2, 1)[1]);
}

#[test]
fn the_mean_of_a_class_activation_map_is_the_logit() {
    let images = images(2);
    let ways = [Attribution::Backward(Method::Guided), Attribution::Cam, Attribution::GuidedCam];
    for explanation in explained(&images, &ways, AttributionSettings::default(), None) {
        let [guided, cam, both] = &explanation.maps[..] else { panic!("three maps") };
        let mean = cam.iter().sum::<f32>() / LEN as f32;
        assert!(
            (mean - explanation.unit.activation).abs() < 1e-4,
            "{mean} is not {}",
            explanation.unit.activation
        );
        assert!(
            both.iter()
                .zip(guided.iter().zip(cam))
                .all(|(both, (guided, cam))| *both == guided * cam.max(0.0))
        );
    }
    let network = network();
    let parameters = Parameters::initialize(&Reference, &network, Init::He, 3).unwrap();
    let target = Target::new(&network, "conv1", vec![]).unwrap();
    let mut attributor =
        Attributor::new(Explainer::new(&Reference, &network, 1).unwrap(), AttributionSettings::default());
    let refused =
        attributor.explain_pairs(&parameters, &images, &target, &[(0, Unit::STRONGEST)], &[Attribution::Cam]);
    assert!(matches!(refused, Err(VisualiseError::NoClassMaps { .. })));
}

#[test]
fn occlusion_of_everything_is_the_difference_from_zero() {
    let images = images(1);
    let whole = AttributionSettings { window: Some(8), stride: Some(8), ..AttributionSettings::default() };
    let map = &explained(&images, &[Attribution::Occlusion], whole, None)[0].maps[0];
    let (own, zero) = activations(&images, None);
    assert!(map.iter().all(|value| (value - (own - zero)).abs() < 1e-5));
    let parts = AttributionSettings { window: Some(4), stride: Some(4), ..AttributionSettings::default() };
    let map = &explained(&images, &[Attribution::Occlusion], parts, None)[0].maps[0];
    let corner = map[0];
    assert!(map[3 * 3..4 * 3].iter().all(|&value| value == corner), "a window has one value");
    assert!(map.iter().any(|&value| value != corner));
}

#[test]
fn a_map_that_knows_the_pixels_scores_better_than_one_that_does_not() {
    let network = network();
    let parameters = Parameters::initialize(&Reference, &network, Init::He, 3).unwrap();
    let image = images(1);
    let ways = [Attribution::IntegratedGradients];
    let explanation = explained(&image, &ways, AttributionSettings::default(), None).remove(0);
    let (map, class) = (&explanation.maps[0], explanation.unit.channel);
    let mut explainer = Explainer::new(&Reference, &network, 8).unwrap();
    let mut of = |map: &[f32]| score_map(&mut explainer, &parameters, (&image, class), map, map).unwrap();
    let known = of(map);
    let blind: Vec<f32> = (0..LEN).map(|at| ((at / 3 * 37) % 64) as f32).collect();
    let unknown = of(&blind);
    assert!(
        known.insertion > unknown.insertion && known.deletion < unknown.deletion,
        "{known:?} {unknown:?}"
    );
    assert!((known.randomized_similarity - 1.0).abs() < 1e-9);
}
