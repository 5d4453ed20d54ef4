//! Learned-norm pooling: its passes, and the gradients of its parameters.

use super::arena::{Arena, Results, numbers};
use super::cases::Case;
use super::other::{TOLERANCE, differences};
use crate::{Device, LearnedNorm, PoolShape};

/// What a pooling is computed from.
struct Given<'a> {
    input: &'a [f32],
    center: &'a [f32],
    rho: &'a [f32],
    d_output: &'a [f32],
}

/// What comes out.
struct Computed {
    output: Vec<f32>,
    d_input: Vec<f32>,
    d_center: Vec<f32>,
    d_rho: Vec<f32>,
}

pub(super) fn compare<D: Device>(device: &Arena<'_, D>, case: &Case<PoolShape>, results: &mut Results) {
    let shape = case.shape;
    let name = |what| format!("{}: {what}", case.name);
    // Values further from the centers than finite differences move them, on both sides; orders from 1.1 to 4.
    let far = |x: f32| 3.0 * x + x.signum();
    let input: Vec<f32> = numbers(shape.input.len(), 1).into_iter().map(far).collect();
    let center: Vec<f32> = numbers(shape.input.channels, 3).iter().map(|x| 0.5 * x).collect();
    let rho: Vec<f32> = numbers(shape.input.channels, 4).iter().map(|x| 2.5 * x).collect();
    let d_output = numbers(shape.output().len(), 2);
    let given = Given { input: &input, center: &center, rho: &rho, d_output: &d_output };
    let Computed { output, d_input, d_center, d_rho } = computed(device, shape, &given);
    let output_of = |given: Given<'_>| computed(device, shape, &given).output;
    let by_input = |input: &[f32]| output_of(Given { input, ..given });
    differences(name("differences"), by_input, &input, &d_output, &d_input, results);
    let by_center = |center: &[f32]| output_of(Given { center, ..given });
    differences(name("center by differences"), by_center, &center, &d_output, &d_center, results);
    let by_rho = |rho: &[f32]| output_of(Given { rho, ..given });
    differences(name("rho by differences"), by_rho, &rho, &d_output, &d_rho, results);
    for (what, values) in [
        ("forward", output),
        ("backward", d_input),
        ("gradient of the center", d_center),
        ("gradient of rho", d_rho),
    ] {
        results.push(name(what), values, TOLERANCE);
    }
    // Windows that are all center, whose norm is 0, pass nothing.
    let input: Vec<f32> = (0..input.len()).map(|at| center[at % center.len()]).collect();
    let still = computed(device, shape, &Given { input: &input, ..given });
    let all = [still.output, still.d_input, still.d_center, still.d_rho].concat();
    results.push(name("windows of the center alone"), all, 0.0);
}

fn computed<D: Device>(arena: &Arena<'_, D>, shape: PoolShape, given: &Given<'_>) -> Computed {
    let Arena { device } = arena;
    let mut pool = device.pool(shape).expect("a conformance case is a valid shape");
    let [input, center, rho, d_output] =
        [given.input, given.center, given.rho, given.d_output].map(|values| arena.put(values));
    let norm = LearnedNorm { center: &center, rho: &rho };
    let (above, below, channels) = (shape.output().len(), shape.input.len(), shape.input.channels);
    let [mut output, mut d_input, mut d_center, mut d_rho] =
        [above, below, channels, channels].map(|len| arena.output(len));
    device.learned_norm_forward(&mut pool, &input, norm, &mut output);
    device.learned_norm_backward(&pool, &input, norm, &output, &d_output, &mut d_input);
    device.learned_norm_gradients(&pool, &input, norm, &output, &d_output, &mut d_center, &mut d_rho);
    Computed {
        output: arena.get(&output, above),
        d_input: arena.get(&d_input, below),
        d_center: arena.get(&d_center, channels),
        d_rho: arena.get(&d_rho, channels),
    }
}
