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
    /// Finishes the values that stand at `first..` of their buffer. Forward chunks hold whole pixels; a gate's output must
    /// be in f32.
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
            Finish::Gate { output, gate } => {
                pass_back(gate, &output.f32()[first..first + values.len()], values);
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

/// Values of a block of channels that is finished by vectors, and half of them.
const BLOCK: usize = 32;
const HALF: usize = BLOCK / 2;

impl<'a> Finish<'a> {
    /// The same for a vector of each half of a block of 32 channels, `at` values from their beginnings. Dropout is left to
    /// [`Finish::drop_in_memory`]: on this way the values need not lie in memory.
    #[inline(always)]
    pub(crate) fn halves<S: Simd>(
        &self,
        simd: S,
        (first, channel): (usize, usize),
        at: usize,
        (low, high): (S::V, S::V),
    ) -> (S::V, S::V) {
        match *self {
            Finish::Forward { bias, epilogue, .. } => {
                let bias = &bias[channel..][..BLOCK];
                // SAFETY: both halves hold the vector.
                let (a, b) =
                    unsafe { (simd.load(bias[at..].as_ptr()), simd.load(bias[HALF + at..].as_ptr())) };
                let activation = epilogue.activation;
                (activate(simd, activation, simd.add(low, a)), activate(simd, activation, simd.add(high, b)))
            }
            Finish::Gate { output, gate } => {
                let (a, b) = stored::halves(simd, output, first, at);
                (pass(simd, gate, a, low), pass(simd, gate, b, high))
            }
            Finish::Plain => (low, high),
        }
    }

    /// Finishes a block in memory where there is dropout, and says what is left to do.
    #[inline(always)]
    pub(crate) fn drop_in_memory<S: Simd>(
        self,
        simd: S,
        (first, channel): (usize, usize),
        values: &mut [f32; BLOCK],
    ) -> Finish<'a> {
        match self {
            Finish::Forward { epilogue: Epilogue { dropout: Some(_), .. }, .. } => {
                self.apply_run(simd, first, channel, values);
                Finish::Plain
            }
            other => other,
        }
    }
}

#[inline(always)]
fn activate<S: Simd>(simd: S, activation: Activation, x: S::V) -> S::V {
    let zero = simd.splat(0.0);
    match activation {
        // Keeps NaN.
        Activation::Relu => simd.select_positive(simd.sub(zero, x), zero, x),
        _ => select(simd, activation, x, x),
    }
}

/// x where `of` is above zero, what the activation makes of a negative x elsewhere.
#[inline(always)]
fn select<S: Simd>(simd: S, activation: Activation, of: S::V, x: S::V) -> S::V {
    match activation {
        Activation::Relu => simd.select_positive(of, x, simd.splat(0.0)),
        _ => simd.select_positive(of, x, simd.mul(simd.splat(activation.negative_slope()), x)),
    }
}

/// [`Gate::pass`] for vectors. (Vectors must not pass through closures, see [`crate::Isa::run`].)
#[inline(always)]
fn pass<S: Simd>(simd: S, gate: Gate, output: S::V, signal: S::V) -> S::V {
    let scaled = simd.mul(signal, simd.splat(1.0 / (1.0 - gate.dropout_rate)));
    let passed = match gate.rule {
        ReluRule::Backprop => select(simd, gate.activation, output, scaled),
        ReluRule::Deconvnet => select(simd, gate.activation, scaled, scaled),
        ReluRule::Guided => {
            let below = select(simd, gate.activation, output, scaled);
            select(simd, gate.activation, below, below)
        }
    };
    if gate.dropout_rate == 0.0 {
        return passed;
    }
    // Nothing passes where dropout left a zero.
    let zero = simd.splat(0.0);
    let below = simd.select_positive(simd.sub(zero, output), passed, zero);
    simd.select_positive(output, passed, below)
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
