//! The machine's measured ceiling, for benchmarks that state a share of it.

use std::hint::black_box;
use std::time::Instant;

use allcnn_device::Error;

use crate::Isa;
use crate::conv::bf16;
use crate::engine::Engine;
use crate::simd::{Kernel, Simd};

/// Multiply-adds of one chain and chunk.
const ROUNDS: usize = 100_000;
/// Independent chains: enough to hide the latency on two units.
const CHAINS: usize = 12;

/// GFLOP/s over all threads of the fastest multiply-adds (two operations each) that convolutions use here: of f32 in
/// vectors, or of bf16 in tiles or dot products; the best of several tries.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(crate) fn measure_gflops(engine: &Engine) -> Result<f64, Error> {
    let (isa, bf16) = (engine.isa(), bf16::Peak::new(engine)?);
    let vectors = best(engine, isa.lanes() * CHAINS * ROUNDS, || {
        black_box(isa.run(Chains));
    });
    let Some(bf16) = bf16 else { return Ok(vectors) };
    Ok(vectors.max(best(engine, bf16.multiply_adds(), || bf16.compute(isa))))
}

/// GFLOP/s of work that has `multiply_adds` on each thread.
fn best(engine: &Engine, multiply_adds: usize, work: impl Fn() + Sync) -> f64 {
    let threads = engine.threads();
    let seconds = (0..20).map(|_| {
        let start = Instant::now();
        threads.run(threads.count(), |_| work());
        start.elapsed().as_secs_f64()
    });
    let flops = (2 * multiply_adds * threads.count()) as f64;
    flops / seconds.fold(f64::INFINITY, f64::min) / 1e9
}

impl Isa {
    /// f32 values in a vector of this set.
    fn lanes(self) -> usize {
        self.run(Lanes)
    }
}

struct Lanes;
impl Kernel for Lanes {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::LANES
    }
}

/// Chains of dependent multiply-adds in registers.
struct Chains;
impl Kernel for Chains {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (factor, term) = (simd.splat(black_box(0.999)), simd.splat(black_box(0.001)));
        let mut sums = [simd.splat(black_box(1.0)); CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add(*sum, factor, term);
            }
        }
        let total = sums.into_iter().reduce(|a, b| simd.add(a, b)).unwrap_or(term);
        let mut first = 0.0;
        // SAFETY: one value is written to a variable of one.
        unsafe { simd.store_first(total, 1, &mut first) };
        first
    }
}
