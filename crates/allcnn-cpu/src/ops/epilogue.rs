//! What follows a convolution's sum, while it is in a register or still in the cache: on the way forward bias,
//! activation and dropout; on the way back the gate of the layer below.

use allcnn_device::{Activation, Epilogue, Gate, ReluRule};

use super::mask::Mask;
use crate::products::block::{BLOCK, TILE as HALF};
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

/// Where some neighboring values begin.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    /// The index of the first in its buffer.
    pub index: usize,
    /// Its channel.
    pub channel: usize,
}

impl<'a> Finish<'a> {
    /// Finishes a vector of sums of `count` channels, all but dropout, which needs the values in memory. A gate's
    /// output must be in f32.
    #[inline(always)]
    pub(crate) fn vector<S: Simd>(&self, simd: S, first: Position, count: usize, sums: S::V) -> S::V {
        match *self {
            Finish::Forward { bias, epilogue, .. } => {
                let bias = &bias[first.channel..][..count];
                // SAFETY: the slice holds `count` values.
                let bias = unsafe { simd.load_first(bias.as_ptr(), count) };
                activate(simd, epilogue.activation, simd.add(sums, bias))
            }
            Finish::Gate { output, gate } => {
                let output = &output.f32()[first.index..][..count];
                // SAFETY: the slice holds `count` values.
                let output = unsafe { simd.load_first(output.as_ptr(), count) };
                pass(simd, gate, output, sums)
            }
            Finish::Plain => sums,
        }
    }

    /// Finishes a vector of each half of a block of 32 channels, `at` values from their beginnings, all but dropout.
    /// A gate's output may be in either storage.
    #[inline(always)]
    pub(crate) fn halves<S: Simd>(
        &self,
        simd: S,
        first: Position,
        at: usize,
        (low, high): (S::V, S::V),
    ) -> (S::V, S::V) {
        match *self {
            Finish::Forward { bias, epilogue, .. } => {
                let bias = &bias[first.channel..][..BLOCK];
                // SAFETY: a half is 16 values; lanes divide 16 and `at`, so a vector from `at` on ends inside it.
                let (a, b) =
                    unsafe { (simd.load(bias[at..].as_ptr()), simd.load(bias[HALF + at..].as_ptr())) };
                let activation = epilogue.activation;
                (activate(simd, activation, simd.add(low, a)), activate(simd, activation, simd.add(high, b)))
            }
            Finish::Gate { output, gate } => {
                let (a, b) = stored::halves(simd, output, first.index, at);
                (pass(simd, gate, a, low), pass(simd, gate, b, high))
            }
            Finish::Plain => (low, high),
        }
    }

    /// The stored output whose gate the sums pass; empty if there is none.
    pub(crate) fn gated(&self) -> Stored<'a> {
        match *self {
            Finish::Gate { output, .. } => output,
            _ => Stored::F32(&[]),
        }
    }

    /// Whether there is dropout, which [`Self::drop`] applies.
    #[inline(always)]
    pub(crate) fn drops(&self) -> bool {
        matches!(self, Finish::Forward { epilogue: Epilogue { dropout: Some(_), .. }, .. })
    }

    /// Dropout, where there is any, of finished values from index `first` of their buffer on.
    #[inline(always)]
    pub(crate) fn drop<S: Simd>(&self, simd: S, first: usize, values: &mut [f32]) {
        if let Finish::Forward { epilogue: Epilogue { dropout: Some(dropout), .. }, step, .. } = *self {
            Mask { dropout, step, first, values }.run(simd);
        }
    }

    /// Finishes neighboring channels of one pixel in memory.
    #[inline(always)]
    pub(crate) fn in_memory<S: Simd>(&self, simd: S, first: Position, values: &mut [f32]) {
        for at in (0..values.len()).step_by(S::LANES) {
            let values = &mut values[at..];
            let count = S::LANES.min(values.len());
            let first = Position { index: first.index + at, channel: first.channel + at };
            // SAFETY: the slice holds `count` values or more.
            unsafe {
                let sums = simd.load_first(values.as_ptr(), count);
                let finished = self.vector(simd, first, count, sums);
                simd.store_first(finished, count, values.as_mut_ptr());
            }
        }
        self.drop(simd, first.index, values);
    }

    /// Finishes a whole block in memory where there is dropout. Returns what is left to do.
    #[inline(always)]
    pub(crate) fn drop_in_memory<S: Simd>(
        self,
        simd: S,
        first: Position,
        values: &mut [f32; BLOCK],
    ) -> Finish<'a> {
        if !self.drops() {
            return self;
        }
        self.in_memory(simd, first, values);
        Finish::Plain
    }
}

#[inline(always)]
fn activate<S: Simd>(simd: S, activation: Activation, x: S::V) -> S::V {
    match activation {
        // NaN stays, so that a broken training shows.
        Activation::Relu => simd.positive_part(x),
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
    fn run<S: Simd>(self, simd: S) {
        let first = Position { index: 0, channel: 0 };
        Finish::Gate { output: Stored::F32(self.output), gate: self.gate }.in_memory(
            simd,
            first,
            self.signal,
        );
    }
}
