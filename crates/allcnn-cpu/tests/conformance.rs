//! The CPU device passes the suite with every algorithm, every precision and every instruction set of this machine,
//! with the same bits for any number of threads.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};

use allcnn_cpu::{Choice, Cpu, CpuOptions, Isa};
use allcnn_device::Precision;
use allcnn_device::conformance::Suite;

/// Sums of few products of two-term factors: the largest sum of a case may be smaller than one product.
const FEW_PRODUCTS: f64 = 3e-5;
/// Factors of 8 bits: each product is off by up to 2^-8.
const BF16: f64 = 1e-2;

/// Names a file with what is expected of every case: an emulated machine reads it, another one writes it before
/// (`cargo test -p allcnn-cpu --test conformance -- --ignored`).
const EXPECTED: &str = "ALLCNN_CONFORMANCE";

fn expected() -> Suite {
    let Some(path) = std::env::var_os(EXPECTED) else { return Suite::new() };
    let file = File::open(&path).expect(EXPECTED);
    Suite::read(&mut BufReader::new(file)).expect(EXPECTED)
}

#[test]
#[ignore = "writes what is expected to the file that ALLCNN_CONFORMANCE names"]
fn write_what_is_expected() {
    let mut file = BufWriter::new(File::create(std::env::var_os(EXPECTED).expect(EXPECTED)).unwrap());
    Suite::new().write(&mut file).unwrap();
    file.flush().unwrap();
}

fn check(suite: &Suite, isa: Isa, choice: Choice, precision: Precision, tolerance: f64) {
    let run = |threads| {
        let options = CpuOptions { threads: Some(threads), isa: Some(isa), choice, precision };
        suite.run_within(&Cpu::new(options).expect("the CPU"), tolerance)
    };
    let name = format!("{isa}, {choice:?}, {precision}");
    let report = run(2);
    assert!(report.failures().is_empty(), "{name}:\n{}", report.failures().join("\n"));
    let worst = report.worst().map(ToString::to_string).unwrap_or_default();
    eprintln!("{name}: {} comparisons, the nearest to its tolerance is {worst}", report.outcomes.len());
    for threads in [1, 3] {
        let digest = run(threads).digest;
        assert_eq!(digest, report.digest, "{name}: {threads} threads differ from 2");
    }
}

#[test]
fn every_algorithm_with_every_instruction_set_of_this_machine() {
    let suite = expected();
    for isa in [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Amx] {
        if !Isa::available().contains(&isa) {
            eprintln!("skipped: this machine has no {isa}");
            continue;
        }
        check(&suite, isa, Choice::Fastest, Precision::F32, 1e-5);
        let tolerance = if isa == Isa::Amx { FEW_PRODUCTS } else { 1e-5 };
        check(&suite, isa, Choice::First, Precision::F32, tolerance);
        check(&suite, isa, Choice::Last, Precision::F32, 1e-5);
        check(&suite, isa, Choice::Fastest, Precision::Bf16, BF16);
    }
}
