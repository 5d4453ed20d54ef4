//! The CPU device passes the suite with every instruction set of this machine, with the same bits for any number of
//! threads.

use allcnn_cpu::{Cpu, CpuOptions, Isa};
use allcnn_device::conformance::Suite;

fn check(suite: &Suite, isa: Isa) {
    let run = |threads| {
        let cpu = Cpu::new(CpuOptions { threads: Some(threads), isa: Some(isa) }).expect("the CPU");
        suite.run(&cpu)
    };
    let report = run(2);
    assert!(report.failures().is_empty(), "{isa}:\n{}", report.failures().join("\n"));
    eprintln!("{isa}: {} comparisons, worst {:?}", report.outcomes.len(), report.worst());
    for threads in [1, 3] {
        assert_eq!(run(threads).digest, report.digest, "{isa} with {threads} threads differs from 2 threads");
    }
}

#[test]
fn every_instruction_set_of_this_machine() {
    let suite = Suite::new();
    for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
        if Isa::available().contains(&isa) {
            check(&suite, isa);
        } else {
            eprintln!("skipped: this machine has no {isa}");
        }
    }
}
