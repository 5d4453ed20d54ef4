//! The CPU device passes the suite with every algorithm and every instruction set of this machine, with the same bits for any number of
//! threads.

use allcnn_cpu::{Choice, Cpu, CpuOptions, Isa};
use allcnn_device::conformance::Suite;

fn check(suite: &Suite, isa: Isa, choice: Choice) {
    let run = |threads| {
        let cpu = Cpu::new(CpuOptions { threads: Some(threads), isa: Some(isa), choice }).expect("the CPU");
        suite.run(&cpu)
    };
    let report = run(2);
    assert!(report.failures().is_empty(), "{isa}, {choice:?}:\n{}", report.failures().join("\n"));
    eprintln!("{isa}, {choice:?}: {} comparisons, worst {:?}", report.outcomes.len(), report.worst());
    for threads in [1, 3] {
        let digest = run(threads).digest;
        assert_eq!(digest, report.digest, "{isa}, {choice:?}: {threads} threads differ from 2");
    }
}

#[test]
fn every_algorithm_with_every_instruction_set_of_this_machine() {
    let suite = Suite::new();
    for isa in [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512] {
        if !Isa::available().contains(&isa) {
            eprintln!("skipped: this machine has no {isa}");
            continue;
        }
        for choice in [Choice::Fastest, Choice::First, Choice::Last] {
            check(&suite, isa, choice);
        }
    }
}
