//! What a unit sees, as the program computes it, is what changes it: every pixel of tiny networks is changed in turn.

use allcnn::net::{Network, Rectangle};
use allcnn::parameters::{Kind, Parameters};
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn_device::Reference;

/// Positive weights and activations without a zero slope: a pixel that becomes large then raises every unit that sees
/// it, also through maxima.
fn open_parameters(network: &Network) -> Parameters<Reference> {
    let mut parameters = Parameters::zeros(&Reference, network).unwrap();
    let mut tensors = parameters.tensors(&Reference, Kind::Value).unwrap();
    for (number, value) in tensors.iter_mut().flat_map(|tensor| &mut tensor.values).enumerate() {
        *value = 0.05 + (number % 7) as f32 * 0.01;
    }
    parameters.load(&Reference, Kind::Value, &tensors).unwrap();
    parameters
}

/// For each unit (place) of each layer the hull of the pixels that change it.
fn hulls(network: &Network) -> Vec<Vec<Option<Rectangle>>> {
    let input = network.input();
    let parameters = open_parameters(network);
    let mut plan = Plan::new(&Reference, network, 1, PlanPurpose::Explanation).unwrap();
    let shapes: Vec<_> = network.operations(1).iter().map(|operation| operation.output()).collect();
    let mut outputs = |pixel: Option<usize>| -> Vec<Vec<f32>> {
        let mut image = vec![1.0; input.height * input.width * input.channels];
        if let Some(pixel) = pixel {
            image[pixel * input.channels..][..input.channels].fill(100.0);
        }
        plan.upload(&image, &vec![0.0; network.classes()]).unwrap();
        plan.forward(&parameters, Mode::Evaluate);
        let output = |(layer, shape): (usize, &allcnn_device::Shape)| {
            let mut values = vec![0.0; shape.len()];
            plan.output(layer, &mut values).unwrap();
            values
        };
        shapes.iter().enumerate().map(output).collect()
    };
    let before = outputs(None);
    let mut hulls: Vec<Vec<Option<Rectangle>>> =
        shapes.iter().map(|shape| vec![None; shape.height * shape.width]).collect();
    for pixel in 0..input.height * input.width {
        let (row, column) = (pixel / input.width, pixel % input.width);
        for ((before, after), (hulls, shape)) in
            before.iter().zip(outputs(Some(pixel))).zip(hulls.iter_mut().zip(&shapes))
        {
            let units = before.chunks_exact(shape.channels).zip(after.chunks_exact(shape.channels));
            for (hull, _) in hulls.iter_mut().zip(units).filter(|(_, (before, after))| before != after) {
                let hull = hull.get_or_insert(Rectangle { rows: row..row, columns: column..column });
                hull.rows = hull.rows.start.min(row)..hull.rows.end.max(row + 1);
                hull.columns = hull.columns.start.min(column)..hull.columns.end.max(column + 1);
            }
        }
    }
    hulls
}

/// Holds every unit of every layer against its computed rectangle.
fn check(layers: &str) {
    let text = format!("name = \"n\"\ninput = [13, 11, 2]\nclasses = 2\nlayers = [{layers}]");
    let network = Network::from_toml(&text).unwrap_or_else(|error| panic!("{layers}: {error}"));
    for (layer, hulls) in hulls(&network).into_iter().enumerate() {
        let width = network.operations(1)[layer].output().width;
        for (unit, hull) in hulls.into_iter().enumerate() {
            let (row, column) = (unit / width, unit % width);
            let computed = network.input_rectangle(layer, row, column);
            let name = network.layers()[layer].name();
            assert_eq!(hull, Some(computed), "{name} ({row}, {column}) of {layers}");
        }
    }
}

const LEAKY: &str = "activation = \"leaky:0.5\"";
const END: &str = "{ conv = \"classes\", kernel = 1, activation = \"identity\" }, { global_average = true }";

#[test]
fn convolutions_with_padding_and_stride() {
    for layers in [
        format!(
            "{{ conv = 2, kernel = 3, padding = 1, {LEAKY} }}, {{ conv = 2, kernel = 3, padding = 1, stride = 2, {LEAKY} }}"
        ),
        format!(
            "{{ conv = 2, kernel = 4, padding = 3, {LEAKY} }}, {{ conv = 2, kernel = 5, padding = \"valid\", {LEAKY} }}"
        ),
        format!(
            "{{ conv = 2, kernel = 2, padding = \"valid\", stride = 3, {LEAKY} }}, {{ conv = 2, kernel = 2, padding = 1, {LEAKY} }}"
        ),
        format!(
            "{{ conv = 2, kernel = 5, padding = 2, stride = 4, groups = 2, {LEAKY} }}, {{ conv = 2, kernel = 3, {LEAKY} }}"
        ),
    ] {
        check(&format!("{layers}, {END}"));
    }
}

#[test]
fn pools_with_partial_windows_and_padding() {
    for pool in [
        "{ pool = \"max\", kernel = 3, stride = 2 }",
        "{ pool = \"max\", kernel = 3, stride = 2, ceil = false }",
        "{ pool = \"max\", kernel = 3, stride = 2, padding = 1 }",
        "{ pool = \"norm:2\", kernel = 3, stride = 3, padding = 1 }",
        "{ pool = \"norm:3\", kernel = 2, stride = 2 }",
        "{ pool = \"max\", kernel = 2, stride = 3 }",
    ] {
        check(&format!(
            "{{ conv = 2, kernel = 3, {LEAKY} }}, {pool}, {{ conv = 2, kernel = 3, {LEAKY} }}, {pool}, {END}"
        ));
    }
}

#[test]
fn normalization_sees_no_further() {
    check(&format!(
        "{{ conv = 4, kernel = 3, stride = 2, {LEAKY} }}, {{ lrn = 3, alpha = 0.01 }}, {{ pool = \"max\", kernel = 2, stride = 1 }}, {END}"
    ));
}

#[test]
fn fractional_windows_as_evaluation_draws_them_and_maxout() {
    for sequence in ["pseudorandom", "random"] {
        for overlapping in [false, true] {
            let pool = format!(
                "{{ pool = \"max\", fractional = 1.4, sequence = \"{sequence}\", overlapping = {overlapping} }}"
            );
            check(&format!(
                "{pool}, {{ conv = 6, kernel = 3, padding = 2, {LEAKY} }}, {{ maxout = 3 }}, {pool}, {END}"
            ));
        }
    }
}
