//! What follows a convolution's sum, applied to a chunk of output that is still in the cache: on the way forward bias,
//! activation and dropout; on the way back the gate of the layer below.

use allcnn_device::{Activation, Epilogue, Gate, ReluRule};

use super::mask::Mask;
use crate::simd::{Kernel, Simd};
use crate::stored::{self, Stored};

/// The end of a forward or a backward-data pass.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a> {
    /// y = dropout(activation(sum + bias)).
    Forward { bias: &'a [f32], epilogue: Epilogue, step: u64 },
    /// d = the sum, passed through the gate of the layer below, whose whole stored output is given.
    Gate { output: Stored<'a>, gate: Gate },
    /// The sum itself.
    Plain,
}

impl Finish<'_> {
    /// Finishes the values that stand at `first..` of their buffer. Forward chunks hold whole pixels; with a gate in
    /// pairs, all chunks hold whole blocks of them.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(&self, simd: S, first: usize, values: &mut [f32]) {
        match *self {
            Finish::Forward { bias, epilogue, step } => {
                let slope = epilogue.activation.negative_slope();
                for pixel in values.chunks_exact_mut(bias.len()) {
                    match epilogue.activation {
                        Activation::Relu => each(pixel, bias, |x, b| relu(x + b)),
                        _ => each(pixel, bias, |x, b| leaky(slope, x + b)),
                    }
                }
                if let Some(dropout) = epilogue.dropout {
                    Mask { dropout, step, first, values }.run(simd);
                }
            }
            Finish::Gate { output: Stored::F32(output), gate } => {
                pass_back(gate, &output[first..first + values.len()], values);
            }
            Finish::Gate { output: Stored::Pairs(output), gate } => {
                let (pairs, values) = (output[first / 2..].as_chunks().0, values.as_chunks_mut::<32>().0);
                let mut output = [0.0; 32];
                for (pairs, values) in pairs.iter().zip(values) {
                    stored::expand(simd, pairs, &mut output);
                    pass_back(gate, &output, values);
                }
            }
            Finish::Plain => {}
        }
    }

    /// Finishes a run of channels from `channel` on within one pixel; `first` is the run's place in its buffer.
    #[inline(always)]
    pub(crate) fn apply_run<S: Simd>(&self, simd: S, first: usize, channel: usize, values: &mut [f32]) {
        let run = match *self {
            Finish::Forward { bias, epilogue, step } => {
                Finish::Forward { bias: &bias[channel..channel + values.len()], epilogue, step }
            }
            other => other,
        };
        run.apply(simd, first, values);
    }
}

/// Back through an activation, in place.
pub(crate) struct PassBack<'a> {
    pub gate: Gate,
    pub output: &'a [f32],
    pub signal: &'a mut [f32],
}

impl Kernel for PassBack<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        pass_back(self.gate, self.output, self.signal);
    }
}

/// [`Gate::pass`] over slices, in selections that the compiler makes vector code of.
#[inline(always)]
fn pass_back(gate: Gate, output: &[f32], signal: &mut [f32]) {
    match gate.activation {
        Activation::Relu => pass_back_by(gate, output, signal, |_| 0.0),
        _ => pass_back_by(gate, output, signal, |x| gate.activation.negative_slope() * x),
    }
}

/// The same with what becomes of a negative value.
#[inline(always)]
fn pass_back_by(gate: Gate, output: &[f32], signal: &mut [f32], negative: impl Fn(f32) -> f32) {
    let Gate { rule, dropout_rate, .. } = gate;
    let (scale, drops) = (1.0 / (1.0 - dropout_rate), dropout_rate > 0.0);
    let select = |of: f32, x: f32| if of > 0.0 { x } else { negative(x) };
    let kept = |y: f32, g: f32| if drops && y == 0.0 { 0.0 } else { g };
    match rule {
        ReluRule::Backprop => each(signal, output, |g, y| kept(y, select(y, g * scale))),
        ReluRule::Deconvnet => each(signal, output, |g, y| kept(y, select(g, g * scale))),
        ReluRule::Guided => each(signal, output, |g, y| {
            let below = select(y, g * scale);
            kept(y, select(below, below))
        }),
    }
}

#[inline(always)]
fn each(values: &mut [f32], beside: &[f32], f: impl Fn(f32, f32) -> f32) {
    for (value, &other) in values.iter_mut().zip(beside) {
        *value = f(*value, other);
    }
}

/// max(x, 0) that keeps NaN, so that a broken training shows.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn leaky(slope: f32, x: f32) -> f32 {
    if x > 0.0 { x } else { slope * x }
}
