//! The CPU device passes the suite with every algorithm, every precision and every instruction set of this machine,
//! with the same bits for any number of threads.

use allcnn_cpu::{Choice, Cpu, CpuOptions, Isa};
use allcnn_device::Precision;
use allcnn_device::conformance::Suite;

/// Sums of few products of two-term factors: the largest sum of a case may be smaller than one product.
const FEW_PRODUCTS: f64 = 3e-5;
/// Factors of 8 bits: each product is off by up to 2^-8.
const BF16: f64 = 1e-2;

/// Leaves out convolutions of more multiply-adds, where the machine is an emulated one.
const MOST_MULTIPLY_ADDS: &str = "ALLCNN_CONFORMANCE_MOST";

fn suite() -> Suite {
    match std::env::var(MOST_MULTIPLY_ADDS) {
        Ok(most) => Suite::within(most.parse().expect(MOST_MULTIPLY_ADDS)),
        Err(_) => Suite::new(),
    }
}

fn check(suite: &Suite, isa: Isa, choice: Choice, precision: Precision, tolerance: f64) {
    let run = |threads| {
        let options = CpuOptions { threads: Some(threads), isa: Some(isa), choice, precision };
        suite.run_within(&Cpu::new(options).expect("the CPU"), tolerance)
    };
    let name = format!("{isa}, {choice:?}, {precision}");
    let report = run(2);
    assert!(report.failures().is_empty(), "{name}:\n{}", report.failures().join("\n"));
    let (count, digest) = (report.outcomes.len(), report.digest);
    eprintln!("{name}: {count} comparisons, bits {digest:016x}; nearest to their tolerances:");
    for operation in ["conv", ""] {
        eprintln!("    {}", report.worst(operation).expect("there are comparisons"));
    }
    for threads in [1, 3] {
        let digest = run(threads).digest;
        assert_eq!(digest, report.digest, "{name}: {threads} threads differ from 2");
    }
}

#[test]
fn every_algorithm_with_every_instruction_set_of_this_machine() {
    let suite = suite();
    for isa in [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Amx] {
        if !Isa::available().contains(&isa) {
            eprintln!("skipped: this machine has no {isa}");
            continue;
        }
        check(&suite, isa, Choice::Fastest, Precision::F32, 1e-5);
        let tolerance = if isa == Isa::Amx { FEW_PRODUCTS } else { 1e-5 };
        check(&suite, isa, Choice::First, Precision::F32, tolerance);
        check(&suite, isa, Choice::Last, Precision::F32, 1e-5);
        check(&suite, isa, Choice::First, Precision::Bf16, BF16);
        check(&suite, isa, Choice::Fastest, Precision::Bf16, BF16);
    }
}
