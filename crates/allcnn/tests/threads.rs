//! A training step on the CPU is cut for many threads, and has the same bits with any number of them.
#![allow(clippy::unwrap_used)] // in helpers too

use allcnn::net::{Init, Network};
use allcnn::parameters::Parameters;
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn_cpu::{Cpu, CpuOptions, Isa, Rehearsed};
use allcnn_device::{Device, Loss, Precision, Sgd};

const MANY: usize = 64;

fn all_cnn_c() -> Network {
    Network::named("all-cnn-c", 10).unwrap()
}

/// Some steps of training on arbitrary images, the first two to warm up; the bits of all parameters, and the operations
/// of a step as they were rehearsed: of each piece the fastest, so that what interrupts one says nothing.
fn train(device: &Cpu, batch: usize, steps: u64) -> (Vec<u32>, Vec<Rehearsed>) {
    let network = all_cnn_c();
    let mut parameters = Parameters::initialize(device, &network, Init::He, 0).unwrap();
    let mut plan = Plan::new(device, &network, batch, PlanPurpose::Training).unwrap();
    let len = network.input().shape(batch).len();
    let images: Vec<f32> = (0..len).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let targets: Vec<f32> = (0..batch * 10).map(|at| f32::from(u8::from(at % 10 == at / 10 % 10))).collect();
    let sgd = Sgd { momentum: 0.9, weight_decay: 1e-3, nesterov: false, clip_norm: 1.0 };
    let mut step = device.new_step().unwrap();
    let mut rehearsed = Vec::new();
    for number in 0..steps {
        device.take_rehearsed();
        plan.upload(&images, &targets).unwrap();
        device.set_step(&mut step, number, 0.01);
        let mode = Mode::Train { step: &step, seed: 0, shard: 0 };
        plan.forward(&parameters, mode);
        plan.loss(Loss::CrossEntropy, 1.0 / batch as f32);
        plan.backward(&mut parameters, mode);
        device.sgd(sgd, &step, parameters.list_mut());
        let operations = device.take_rehearsed();
        if number < 2 {
            rehearsed = operations;
        } else {
            rehearsed.iter_mut().zip(&operations).for_each(|(best, other)| best.keep_fastest(other));
        }
    }
    let values = parameters.list().iter().flat_map(|parameter| parameter.value.iter());
    (values.map(|value| value.to_bits()).collect(), rehearsed)
}

#[test]
fn every_pass_of_a_step_keeps_most_of_64_threads_busy() {
    for precision in [Precision::F32, Precision::Bf16] {
        // More units than threads would take a second round.
        for (batch, fewest) in [(128, MANY * 3 / 4), (16, MANY * 3 / 8)] {
            let options = CpuOptions { threads: Some(MANY), precision, ..CpuOptions::default() };
            let device = Cpu::rehearsal(options).unwrap();
            let (_, step) = train(&device, batch, 6);
            let passes: Vec<_> = step.iter().filter(|operation| operation.name.contains("ward")).collect();
            assert_eq!(passes.len(), 9 + 8 + 9, "forward, and back but for the signal to the images");
            for (at, pass) in passes.into_iter().enumerate() {
                let fewest = match at {
                    // The layer of the classes has a thousandth of the products.
                    8..11 => 6,
                    // In bf16 a block of channels is the smallest piece, and a picture's windows fill one.
                    25 if precision == Precision::Bf16 => 12,
                    _ => fewest,
                };
                let (name, units) = (pass.name, pass.units());
                assert!(units >= fewest, "{precision}, batch {batch}: {units} units of pass {at}, {name}");
            }
        }
    }
}

#[test]
fn a_step_has_the_same_bits_with_any_number_of_threads() {
    for isa in Isa::available().into_iter().filter(|&isa| isa != Isa::Portable) {
        for precision in [Precision::F32, Precision::Bf16] {
            let options = |threads| CpuOptions {
                threads: Some(threads),
                isa: Some(isa),
                precision,
                ..CpuOptions::default()
            };
            let one = train(&Cpu::new(options(1)).unwrap(), 5, 2).0;
            for threads in [2, 3, 16, MANY] {
                let many = train(&Cpu::new(options(threads)).unwrap(), 5, 2).0;
                assert!(many == one, "{isa}, {precision}: {threads} threads differ from 1");
            }
            assert!(
                train(&Cpu::rehearsal(options(128)).unwrap(), 5, 2).0 == one,
                "{isa}, {precision}: rehearsed"
            );
        }
    }
}
