//! Every operation but convolution.

use super::arena::{Arena, Results, dot, moved, numbers};
use super::cases::Case;
use crate::{
    Activation, Device, Dropout, Factors, Gate, ImageSet, ImageValues, Loss, LrnShape, LwtaShape, Parameter,
    PoolKind, PoolShape, Reference, RegionDraw, ReluRule, Sampling, Sgd, Shape, StoredOutput, View, Windows,
};

pub(super) const TOLERANCE: f64 = 1e-5;
/// Central differences of smooth functions in f32.
const DIFFERENCES: f64 = 2e-3;
const H: f32 = 1e-2;

/// Compares <d_output, (f(x + h v) - f(x - h v)) / 2h> with <d_input, v>.
pub(super) fn differences(
    name: String,
    f: impl Fn(&[f32]) -> Vec<f32>,
    x: &[f32],
    d_output: &[f32],
    d_input: &[f32],
    results: &mut Results,
) {
    let v = numbers(x.len(), 9);
    let [plus, minus] = [H, -H].map(|h| dot(d_output, &f(&moved(x, h, &v))));
    let difference = (plus - minus) / (2.0 * f64::from(H));
    results.push_difference(name, difference, d_input, &v, DIFFERENCES);
}

pub(super) fn pool<D: Device>(device: &Arena<'_, D>, case: &Case<PoolShape>, results: &mut Results) {
    pool_at(device, case, None, results);
    if let Windows::Fractional(_) = case.shape.windows {
        pool_at(device, case, Some(u64::from(u32::MAX) + 9), results);
    }
    if case.shape.kind.draws() {
        for step in [None, Some(7), Some(u64::from(u32::MAX) + 9)] {
            drawn_pool(device, case, step, results);
        }
    }
}

/// A pooling that draws, at a step or in testing, of values of which some are negative or 0. What is drawn is part of the
/// contract: no tolerance.
fn drawn_pool<D: Device>(
    arena: &Arena<'_, D>,
    case: &Case<PoolShape>,
    step: Option<u64>,
    results: &mut Results,
) {
    let shape = case.shape;
    let name = |what| match step {
        None => format!("{} of some zeros: {what}", case.name),
        Some(step) => format!("{} of some zeros, drawn at step {step}: {what}", case.name),
    };
    let some = |x: f32| if x.abs() < 0.6 { 0.0 } else { x };
    let input: Vec<f32> = numbers(shape.input.len(), 1).into_iter().map(some).collect();
    let d_output = numbers(shape.output().len(), 2);
    let mut pool = arena.device.pool(shape).expect("a conformance case is a valid shape");
    let number = step.map(|number| arena.step(number, 0.0));
    let sampling = number.as_ref().map(|step| (Sampling { seed: 3 << 33, layer: 2 }, step));
    let (output, d_input) = both_passes(arena, &mut pool, shape, sampling, &input, &d_output);
    results.push(name("forward"), output, if step.is_some() { 0.0 } else { TOLERANCE });
    results.push(name("backward"), d_input, TOLERANCE);
}

/// The pooling with its first regions, or with those that are drawn at a step.
fn pool_at<D: Device>(
    device: &Arena<'_, D>,
    case: &Case<PoolShape>,
    step: Option<u64>,
    results: &mut Results,
) {
    let shape = case.shape;
    let name = |what| match step {
        None => format!("{}: {what}", case.name),
        Some(step) => format!("{} drawn at step {step}: {what}", case.name),
    };
    let input = spread(&numbers(shape.input.len(), 1), shape.kind);
    let d_output = numbers(shape.output().len(), 2);
    let (output, d_input) = pooled(device, shape, step, &input, &d_output);
    results.push(name("forward"), output, TOLERANCE);
    let f = |x: &[f32]| pooled(device, shape, step, x, &d_output).0;
    differences(name("differences"), f, &input, &d_output, &d_input, results);
    results.push(name("backward"), d_input, TOLERANCE);
}

/// Values for a pooling.
fn spread(values: &[f32], kind: PoolKind) -> Vec<f32> {
    let far = values.iter().map(|x| (x * 100.0).round() / 3.0 + 0.1);
    match kind {
        PoolKind::Max => apart(values),
        PoolKind::Stochastic => far.map(f32::abs).collect(),
        PoolKind::Probabilistic { .. } => values.to_vec(),
        _ => far.collect(),
    }
}

/// Values in the same order, but further apart than finite differences move them, so that each window's maximum stays the
/// same value.
fn apart(values: &[f32]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut spread = vec![0.0; values.len()];
    for (rank, index) in order.into_iter().enumerate() {
        spread[index] = (rank as f32 - values.len() as f32 / 2.0) * 3.0 * H;
    }
    spread
}

fn pooled<D: Device>(
    arena: &Arena<'_, D>,
    shape: PoolShape,
    step: Option<u64>,
    x: &[f32],
    d_output: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let mut pool = arena.device.pool(shape).expect("a conformance case is a valid shape");
    if let Some(number) = step {
        arena.device.pool_draw(&mut pool, RegionDraw { seed: 3, layer: 2 }, &arena.step(number, 0.0));
    }
    both_passes(arena, &mut pool, shape, None, x, d_output)
}

fn both_passes<D: Device>(
    arena: &Arena<'_, D>,
    pool: &mut D::Pool,
    shape: PoolShape,
    sampling: Option<(Sampling, &D::Step)>,
    x: &[f32],
    d_output: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let (mut output, mut d_input) = (arena.output(shape.output().len()), arena.output(shape.input.len()));
    let [input, d_output] = [x, d_output].map(|values| arena.put(values));
    arena.device.pool_forward(pool, &input, sampling, &mut output);
    arena.device.pool_backward(pool, &input, &output, &d_output, &mut d_input);
    (arena.get(&output, shape.output().len()), arena.get(&d_input, shape.input.len()))
}

pub(super) fn lrn<D: Device>(device: &Arena<'_, D>, shape: LrnShape, results: &mut Results) {
    let (input, d_output) = (numbers(shape.input.len(), 1), numbers(shape.input.len(), 2));
    let (output, d_input) = lrn_both(device, shape, &input, &d_output);
    results.push(format!("{shape:?}: forward"), output, TOLERANCE);
    let f = |x: &[f32]| lrn_both(device, shape, x, &d_output).0;
    differences(format!("{shape:?}: differences"), f, &input, &d_output, &d_input, results);
    results.push(format!("{shape:?}: backward"), d_input, TOLERANCE);
}

fn lrn_both<D: Device>(
    arena: &Arena<'_, D>,
    shape: LrnShape,
    x: &[f32],
    d_output: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let shape = shape.checked().expect("a conformance case is a valid shape");
    let [mut output, mut d_input] = [arena.output(x.len()), arena.output(x.len())];
    let [input, d_output] = [x, d_output].map(|values| arena.put(values));
    arena.device.lrn_forward(shape, &input, &mut output);
    arena.device.lrn_backward(shape, &input, &d_output, &mut d_input);
    (arena.get(&output, x.len()), arena.get(&d_input, x.len()))
}

pub(super) fn lwta<D: Device>(device: &Arena<'_, D>, shape: LwtaShape, results: &mut Results) {
    let (input, d_output) = (apart(&numbers(shape.input.len(), 1)), numbers(shape.input.len(), 2));
    let (output, d_input) = lwta_both(device, shape, &input, &d_output);
    results.push(format!("{shape:?}: forward"), output, 0.0);
    let f = |x: &[f32]| lwta_both(device, shape, x, &d_output).0;
    differences(format!("{shape:?}: differences"), f, &input, &d_output, &d_input, results);
    results.push(format!("{shape:?}: backward"), d_input, 0.0);
    // Groups of equal values, whose first one wins: zeros, whose winner can only be told by the signal.
    let zeros = vec![0.0; shape.input.len()];
    let (_, d_input) = lwta_both(device, shape, &zeros, &d_output);
    results.push(format!("{shape:?}: backward through equal values"), d_input, 0.0);
}

fn lwta_both<D: Device>(
    arena: &Arena<'_, D>,
    shape: LwtaShape,
    x: &[f32],
    d_output: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let shape = shape.checked().expect("a conformance case is a valid shape");
    let [mut output, mut d_input] = [arena.output(x.len()), arena.output(x.len())];
    let [input, d_output] = [x, d_output].map(|values| arena.put(values));
    arena.device.lwta_forward(shape, &input, &mut output);
    arena.device.lwta_backward(shape, &input, &d_output, &mut d_input);
    (arena.get(&output, x.len()), arena.get(&d_input, x.len()))
}

pub(super) fn copies<D: Device>(arena: &Arena<'_, D>, results: &mut Results) {
    for (len, to_len, at) in [(5, 5, 0), (7, 20, 9), (1000, 3001, 2001)] {
        let (from, mut to) = (arena.put(&numbers(len, 1)), arena.put(&numbers(to_len, 2)));
        arena.device.copy(&from, &mut to, at);
        results.push(format!("{len} of {to_len} values copied to index {at}"), arena.get(&to, to_len), 0.0);
    }
}

pub(super) fn sums<D: Device>(arena: &Arena<'_, D>, results: &mut Results) {
    for len in [1, 7, 40_003] {
        let (from, mut to) = (arena.put(&numbers(len, 1)), arena.put(&numbers(len, 2)));
        arena.device.add(&from, &mut to);
        arena.device.add(&from, &mut to);
        // The order of additions is part of the contract: no tolerance.
        results.push(format!("{len} values added twice"), arena.get(&to, len), 0.0);
    }
}

/// Batches of images that the device keeps. One that keeps none is given the reference's batch, as callers give it theirs.
pub(super) fn gathering<D: Device>(arena: &Arena<'_, D>, results: &mut Results) {
    let shape = Shape { batch: 6, height: 5, width: 7, channels: 3 };
    let values = numbers(shape.len(), 1);
    let bytes: Vec<u8> = values.iter().map(|x| (x * 127.0 + 128.0) as u8).collect();
    let table: Vec<[f32; 256]> = (0..3)
        .map(|channel| std::array::from_fn(|byte| byte as f32 / 255.0 - channel as f32 * 0.3))
        .collect();
    let view = |image, flip, down, right| View { image, flip, down, right };
    let views = [
        view(5, false, 0, 0),
        view(0, true, 0, 0),
        view(3, false, 2, -3),
        view(3, true, -4, 6),
        view(1, false, 5, 0),
        view(2, true, i32::MIN, i32::MAX),
    ];
    let sets = [ImageValues::F32(&values), ImageValues::Bytes { bytes: &bytes, table: &table }];
    for (set, kind) in sets.into_iter().zip(["f32", "bytes"]) {
        for count in [views.len(), 2, 0] {
            let seen = gathered(arena, ImageSet { shape, values: set }, &views[..count]);
            results.push(format!("{count} views of images of {kind}"), seen, 0.0);
        }
    }
}

fn gathered<D: Device>(arena: &Arena<'_, D>, set: ImageSet<'_>, views: &[View]) -> Vec<f32> {
    let mut batch = arena.output(set.shape.len());
    match arena.device.keep_images(set).expect("images") {
        Some(mut images) => arena.device.gather(&mut images, views, &mut batch).expect("a batch"),
        None => batch = arena.put(&gathered(&Arena { device: &Reference }, set, views)),
    }
    arena.get(&batch, set.shape.len())
}

pub(super) fn activations<D: Device>(device: &Arena<'_, D>, results: &mut Results) {
    let len = 40_003;
    let output: Vec<f32> = numbers(len, 1).iter().map(|&x| if x.abs() < 0.2 { 0.0 } else { x }).collect();
    let signal = numbers(len, 2);
    for activation in [Activation::Identity, Activation::Relu, Activation::LeakyRelu { slope: 0.25 }] {
        for rule in [ReluRule::Backprop, ReluRule::Deconvnet, ReluRule::Guided] {
            for dropout_rate in [0.0, 0.5] {
                let gate = Gate { activation, rule, dropout_rate };
                results.push(format!("{gate:?}"), passed(device, gate, &output, &signal), 1e-7);
            }
        }
    }
}

fn passed<D: Device>(arena: &Arena<'_, D>, gate: Gate, output: &[f32], signal: &[f32]) -> Vec<f32> {
    let (output, mut values) = (arena.put(output), arena.put(signal));
    arena.device.activation_backward(StoredOutput { output: &output, gate }, &mut values);
    arena.get(&values, signal.len())
}

pub(super) fn dropout<D: Device>(device: &Arena<'_, D>, results: &mut Results) {
    let of_channels = [
        (0.3, 2, 6000, Some(6)),
        (0.5, 9, 96 * 77, Some(96)),
        (0.5, 1, 7 * 33, Some(7)),
        (0.5, 1, 9, Some(1)),
    ];
    let of_values = [(0.2, 1, 40_003, None), (0.5, u64::from(u32::MAX) + 7, 1000, None), (0.0, 0, 5, None)];
    for (rate, step, len, channels) in of_values.into_iter().chain(of_channels) {
        let dropout = Dropout { rate, seed: 3, layer: 1, channels };
        // The mask is part of the contract: no tolerance.
        results.push(format!("{dropout:?} at step {step}"), masked(device, dropout, step, len), 0.0);
    }
}

fn masked<D: Device>(arena: &Arena<'_, D>, dropout: Dropout, step: u64, len: usize) -> Vec<f32> {
    let mut values = arena.put(&vec![1.0; len]);
    arena.device.dropout(dropout, &arena.step(step, 0.0), &mut values);
    arena.get(&values, len)
}

pub(super) fn head<D: Device>(device: &Arena<'_, D>, results: &mut Results) {
    for (batch, height, width, channels) in [(3, 6, 6, 10), (1, 1, 1, 3), (2, 5, 7, 100)] {
        let shape = Shape { batch, height, width, channels };
        let (output, d_input) = averaged(device, shape);
        results.push(format!("average of {shape:?}"), output, TOLERANCE);
        results.push(format!("average of {shape:?}, backward"), d_input, TOLERANCE);
        let (factors, mut values) =
            (device.put(&numbers(batch * channels, 3)), device.put(&numbers(shape.len(), 4)));
        device.device.scale_channels(shape, &factors, &mut values);
        results.push(format!("channels of {shape:?} times factors"), device.get(&values, shape.len()), 0.0);
    }
    for (batch, classes, spread) in [(5, 10, 3.0), (2, 1000, 1.0), (3, 2, 300.0), (5, 7, 2.0)] {
        let logits: Vec<f32> = numbers(batch * classes, 1).iter().map(|x| x * spread).collect();
        let mut targets = vec![0.0; batch * classes];
        // A hard target, a soft one, and a row of zeros: an absent image.
        targets[classes - 1] = 1.0;
        targets[classes..2 * classes].fill(1.0 / classes as f32);
        // Images of other weights than 1: a hard target, and a mixed and smoothed one.
        if let Some(weighted) = targets.get_mut(3 * classes..5 * classes) {
            weighted[0] = 2.5;
            weighted[classes..].fill(0.01);
            weighted[classes + 1] += 0.4;
            weighted[classes + 2] += 0.2;
        }
        for loss in [Loss::CrossEntropy, Loss::SquaredHinge] {
            let (losses, d_logits) = lost(device, loss, classes, &logits, &targets);
            let name = format!("{loss:?} of {classes} classes");
            if spread < 10.0 {
                let f = |x: &[f32]| {
                    lost(device, loss, classes, x, &targets).0.iter().map(|loss| loss * 0.5).collect()
                };
                differences(
                    format!("{name}: differences"),
                    f,
                    &logits,
                    &vec![1.0; batch],
                    &d_logits,
                    results,
                );
            }
            results.push(format!("{name}: losses"), losses, TOLERANCE);
            results.push(format!("{name}: backward"), d_logits, TOLERANCE);
        }
    }
}

fn averaged<D: Device>(arena: &Arena<'_, D>, shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let means = shape.batch * shape.channels;
    let (mut output, mut d_input) = (arena.output(means), arena.output(shape.len()));
    let [input, d_output] = [numbers(shape.len(), 1), numbers(means, 2)].map(|values| arena.put(&values));
    arena.device.global_average_forward(shape, &input, &mut output);
    arena.device.global_average_backward(shape, &d_output, &mut d_input);
    (arena.get(&output, means), arena.get(&d_input, shape.len()))
}

fn lost<D: Device>(
    arena: &Arena<'_, D>,
    loss: Loss,
    classes: usize,
    logits: &[f32],
    targets: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let batch = logits.len() / classes;
    let (mut losses, mut d_logits) = (arena.output(batch), arena.output(logits.len()));
    let [x, t] = [logits, targets].map(|values| arena.put(values));
    arena.device.loss(loss, classes, &x, &t, 0.5, &mut losses, &mut d_logits);
    (arena.get(&losses, batch), arena.get(&d_logits, logits.len()))
}

pub(super) fn sgd<D: Device>(device: &Arena<'_, D>, results: &mut Results) {
    for (nesterov, clip_norm) in [(false, f32::INFINITY), (true, f32::INFINITY), (true, 1.5), (false, 1e9)] {
        let sgd = Sgd { momentum: 0.9, weight_decay: 1e-3, nesterov, clip_norm };
        results.push(format!("{sgd:?}"), stepped(device, sgd), TOLERANCE);
    }
    for (rows, longest) in [(1, 3.0), (3, 0.5), (7, 2.5), (300, 1e9)] {
        let mut value = device.put(&numbers(rows * 70, 1));
        device.device.shorten_rows(rows, longest, &mut value);
        results.push(format!("{rows} rows of at most {longest}"), device.get(&value, rows * 70), TOLERANCE);
    }
}

/// The gradient of the prior that draws rows to the means of their groups.
pub(super) fn draw_to_means<D: Device>(arena: &Arena<'_, D>, results: &mut Results) {
    for (groups, len) in [(vec![0.0], 5), (vec![0.0, 1.0, 0.0, 2.0, 1.0, 0.0], 37), (vec![0.0; 12], 300)] {
        let (rows, count) = (groups.len(), groups.iter().fold(0.0f32, |a, &b| a.max(b)) as usize + 1);
        let mut gradient = arena.put(&numbers(rows * len, 2));
        let mut means = arena.put(&vec![f32::NAN; count * len]);
        let (groups, value) = (arena.put(&groups), arena.put(&numbers(rows * len, 1)));
        arena.device.draw_to_means(0.3, &groups, &mut means, &value, &mut gradient);
        results.push(format!("{rows} rows in {count} groups"), arena.get(&gradient, rows * len), TOLERANCE);
    }
}

/// Values and velocities of two parameters after three steps.
fn stepped<D: Device>(arena: &Arena<'_, D>, sgd: Sgd) -> Vec<f32> {
    let parts = [(20_001, Factors::default()), (3, Factors { rate: 0.5, decay: 0.0 })];
    let lens = parts.map(|(len, _)| len);
    let mut parameters = parts.map(|(len, factors)| Parameter {
        value: arena.put(&numbers(len, 1)),
        gradient: arena.put(&numbers(len, 2)),
        velocity: arena.put(&numbers(len, 3)),
        factors,
    });
    for number in 0..3 {
        arena.device.sgd(sgd, &arena.step(number, 0.1), &mut parameters);
    }
    let results = parameters.iter().zip(lens);
    results.flat_map(|(p, len)| [arena.get(&p.value, len), arena.get(&p.velocity, len)].concat()).collect()
}
