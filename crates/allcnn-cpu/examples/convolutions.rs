//! Times every pass of the conformance suite's convolutions:
//! `cargo run --release -p allcnn-cpu --example convolutions [BATCH [THREADS [PART OF A NAME]]]`.

use std::time::Instant;

use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::conformance::cases;
use allcnn_device::{Activation, ConvShape, Device, Epilogue, Error, Gate, ReluRule, StoredOutput};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|argument| argument.parse().ok());
    let (batch, threads) = (number().unwrap_or(16), number());
    let part = arguments.next().unwrap_or_default();
    let cpu = Cpu::new(CpuOptions { threads, ..CpuOptions::default() })?;
    let peak = cpu.measure_peak_gflops()?;
    println!("{}, peak {peak:.0} GFLOP/s", cpu.description());
    println!(
        "batch {batch}: ms (GFLOP/s of the plain convolution) of forward, backward-data, backward-weights"
    );
    for case in cases::convolutions().iter().filter(|case| case.name.contains(&part)) {
        let mut shape = case.shape;
        shape.input.batch = batch;
        let gflop = 2e-9 * shape.multiply_adds() as f64;
        print!("{:55}", case.name);
        for (seconds, algorithm) in time(&cpu, shape)? {
            print!("  {:8.3} ({:4.0}) {algorithm:9}", seconds * 1e3, gflop / seconds);
        }
        println!();
    }
    Ok(())
}

/// Median seconds of forward, backward-data and backward-weights.
fn time(cpu: &Cpu, shape: ConvShape) -> Result<[(f64, &'static str); 3], Error> {
    let mut conv = cpu.conv(shape)?;
    let filled = |len: usize| -> Result<_, Error> {
        let mut buffer = cpu.alloc(len)?;
        let values: Vec<f32> = (0..len).map(|at| (at % 17) as f32 / 17.0 - 0.4).collect();
        cpu.upload(&values, &mut buffer)?;
        Ok(buffer)
    };
    let (input, weights, bias) =
        (filled(shape.input.len())?, filled(shape.weights_len())?, filled(shape.out_channels)?);
    let d_output = filled(shape.output().len())?;
    let (mut output, mut d_input) = (cpu.alloc(shape.output().len())?, cpu.alloc(shape.input.len())?);
    let (mut d_weights, mut d_bias) = (cpu.alloc(weights.len())?, cpu.alloc(bias.len())?);
    let step = cpu.new_step()?;
    let epilogue = Epilogue { activation: Activation::Relu, dropout: None };
    let gate = Gate { activation: Activation::Relu, rule: ReluRule::Backprop, dropout_rate: 0.0 };
    let algorithms = cpu.conv_algorithms(&conv);
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..7 {
        let start = Instant::now();
        cpu.conv_forward(&mut conv, &input, &weights, &bias, epilogue, &step, &mut output);
        times[0].push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let below = Some(StoredOutput { output: &input, gate });
        cpu.conv_backward_data(&mut conv, &d_output, &weights, below, &mut d_input);
        times[1].push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        cpu.conv_backward_weights(&mut conv, &input, &d_output, &mut d_weights, &mut d_bias);
        times[2].push(start.elapsed().as_secs_f64());
    }
    Ok(std::array::from_fn(|pass| {
        times[pass].sort_by(f64::total_cmp);
        (times[pass][times[pass].len() / 2], algorithms[pass].name)
    }))
}
