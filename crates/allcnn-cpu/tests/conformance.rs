//! The CPU device passes the suite with every algorithm, every precision and every instruction set of this machine,
//! with the same bits for any number of threads.

use std::collections::HashMap;
use std::sync::LazyLock;

use allcnn_cpu::{Choice, Cpu, CpuOptions, Isa};
use allcnn_device::conformance::{Suite, cases};
use allcnn_device::{ConvShape, Device, Precision};

/// Sums of few products of two-term factors: the largest sum of a case may be smaller than one product.
const FEW_PRODUCTS: f64 = 3e-5;
/// Factors of 8 bits: each product is off by up to 2^-8.
const BF16: f64 = 1e-2;
/// Winograd's output transform adds such errors up with factors above 1.
const WINOGRAD_BF16: (&str, f64) = ("winograd-bf16", 6e-2);

/// Leaves out convolutions of more multiply-adds, where the machine is an emulated one.
const MOST_MULTIPLY_ADDS: &str = "ALLCNN_CONFORMANCE_MOST";

static SUITE: LazyLock<Suite> = LazyLock::new(|| match std::env::var(MOST_MULTIPLY_ADDS) {
    Ok(most) => Suite::within(most.parse().expect(MOST_MULTIPLY_ADDS)),
    Err(_) => Suite::new(),
});

/// The names of the algorithms that do a convolution's passes.
fn algorithms(cpu: &Cpu, shape: ConvShape) -> [&'static str; 3] {
    let conv = cpu.conv(shape).expect("a conformance case is a valid shape");
    cpu.conv_algorithms(&conv).map(|algorithm| algorithm.name)
}

/// The cases of which Winograd with factors of 8 bits does a pass, by name: of which passes.
fn rounded_at_points(cpu: &Cpu) -> HashMap<String, [bool; 3]> {
    let is_rounded = |shape| algorithms(cpu, shape).map(|name| name == WINOGRAD_BF16.0);
    let alone = cases::convolutions().into_iter().map(|case| (case.name, is_rounded(case.shape)));
    // What one of two linked convolutions rounds, the other one reads.
    let any = |shapes: [ConvShape; 2]| shapes.into_iter().flat_map(is_rounded).any(|is_rounded| is_rounded);
    alone.chain(cases::neighbors().into_iter().map(|case| (case.name, [any(case.shape); 3]))).collect()
}

/// The pass that a comparison is of.
fn pass(what: &str) -> usize {
    match what {
        _ if what.starts_with("forward") => 0,
        "d_weights" | "d_bias" | "d_weights by differences" => 2,
        _ => 1,
    }
}

fn check(isa: Isa, choice: Choice, precision: Precision, tolerance: f64) {
    let run = |threads| {
        let options = CpuOptions { threads: Some(threads), isa: Some(isa), choice, precision };
        let cpu = Cpu::new(options).expect("the CPU");
        let (mut report, rounded) = (SUITE.run_within(&cpu, tolerance), rounded_at_points(&cpu));
        for outcome in &mut report.outcomes {
            let Some((case, what)) = outcome.name.split_once(": ") else { continue };
            if rounded.get(case).is_some_and(|passes| passes[pass(what)]) {
                outcome.tolerance = WINOGRAD_BF16.1;
            }
        }
        report
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

/// A test for each instruction set, so that they run side by side.
macro_rules! every_algorithm_of {
    ($($name:ident: $isa:expr),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                every_algorithm($isa);
            }
        )*
    };
}

every_algorithm_of! {
    every_algorithm_in_portable_code: Isa::Portable,
    every_algorithm_with_neon: Isa::Neon,
    every_algorithm_with_avx2: Isa::Avx2,
    every_algorithm_with_avx512: Isa::Avx512,
    every_algorithm_with_avx512_bf16: Isa::Avx512Bf16,
    every_algorithm_with_amx: Isa::Amx,
}

fn every_algorithm(isa: Isa) {
    if !Isa::available().contains(&isa) {
        return eprintln!("skipped: this machine has no {isa}");
    }
    check(isa, Choice::Fastest, Precision::F32, 1e-5);
    let tolerance = if isa == Isa::Amx { FEW_PRODUCTS } else { 1e-5 };
    check(isa, Choice::First, Precision::F32, tolerance);
    check(isa, Choice::Last, Precision::F32, 1e-5);
    check(isa, Choice::First, Precision::Bf16, BF16);
    check(isa, Choice::Fastest, Precision::Bf16, BF16);
}
