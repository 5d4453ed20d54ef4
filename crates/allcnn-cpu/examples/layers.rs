//! Times every pass of All-CNN-C's convolutions: `cargo run --release -p allcnn-cpu --example layers [BATCH [THREADS]]`.

use std::time::Instant;

use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::{Activation, ConvShape, Device, Epilogue, Error, Gate, ReluRule, Shape, StoredOutput};

/// Side, input channels, output channels, kernel, stride, padding.
const LAYERS: [[usize; 6]; 9] = [
    [32, 3, 96, 3, 1, 1],
    [32, 96, 96, 3, 1, 1],
    [32, 96, 96, 3, 2, 1],
    [16, 96, 192, 3, 1, 1],
    [16, 192, 192, 3, 1, 1],
    [16, 192, 192, 3, 2, 1],
    [8, 192, 192, 3, 1, 0],
    [6, 192, 192, 1, 1, 0],
    [6, 192, 10, 1, 1, 0],
];

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1).map_while(|argument| argument.parse().ok());
    let batch = arguments.next().unwrap_or(128);
    let cpu = Cpu::new(CpuOptions { threads: arguments.next(), ..CpuOptions::default() })?;
    println!(
        "{}, peak {:.0} GFLOP/s; ms (GFLOP/s of the plain convolution)",
        cpu.description(),
        cpu.measure_peak_gflops()
    );
    let mut total = 0.0;
    for [side, channels, out_channels, kernel, stride, padding] in LAYERS {
        let input = Shape { batch, height: side, width: side, channels };
        let shape = ConvShape { input, out_channels, kernel, stride, padding, groups: 1 };
        let times = time(&cpu, shape)?;
        let gflop = 2e-9 * shape.multiply_adds() as f64;
        print!("{side:2}x{side:<2} {channels:3}->{out_channels:3} {kernel}x{kernel}/{stride}");
        for (seconds, algorithm) in times {
            print!("  {:7.2} ({:4.0}) {algorithm:9}", seconds * 1e3, gflop / seconds);
            total += seconds;
        }
        println!();
    }
    println!("all passes {:.1} ms", total * 1e3);
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
    let names = cpu.conv_algorithms(&conv);
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
        (times[pass][times[pass].len() / 2], names[pass])
    }))
}
