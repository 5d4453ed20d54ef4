//! The machine's measured ceiling, for benchmarks that state a share of it.

use std::hint::black_box;
use std::time::Instant;

use crate::Isa;
use crate::engine::Engine;
use crate::simd::{Kernel, Simd};

/// Multiply-adds of one chain and chunk.
const ROUNDS: usize = 100_000;
/// Independent chains: enough to hide the latency on two units.
const CHAINS: usize = 12;

/// GFLOP/s of f32 multiply-adds (two operations each) over all threads; the best of several tries.
pub(crate) fn measure_gflops(engine: &Engine) -> f64 {
    let (isa, threads) = (engine.isa(), engine.threads());
    let flops = (isa.lanes() * CHAINS * ROUNDS * 2 * threads.count()) as f64;
    let seconds = (0..20).map(|_| {
        let start = Instant::now();
        threads.run(threads.count(), |_, _| {
            black_box(isa.run(Chains));
        });
        start.elapsed().as_secs_f64()
    });
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
        // SAFETY: one value is written to one place.
        unsafe { simd.store_first(total, 1, &mut first) };
        first
    }
}
