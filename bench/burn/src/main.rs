//! How fast Burn's Flex backend trains and infers a CIFAR network of the paper, f32: a line of JSON a measurement.

mod network;

use std::io::{Write, stdin, stdout};
use std::time::Instant;

use anyhow::Context;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Distribution, Int, Tensor};
use clap::{Parser, ValueEnum};
use serde_json::json;

use network::Network;

/// The version that Cargo.toml pins.
const BURN: &str = "0.22.0";
const CLASSES: usize = 10;
/// Any rate will do; small, so that no training runs away.
const LEARNING_RATE: f64 = 1e-4;

/// Measures Burn's Flex backend.
#[derive(Parser)]
struct Arguments {
    /// model-a ... all-cnn-c
    #[arg(long, default_value = "all-cnn-c")]
    model: String,
    /// Images a step
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Threads [default: all]
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// What to measure
    #[arg(long, value_enum, default_value = "train")]
    what: What,
    /// Steps of a measurement; their median counts
    #[arg(long, default_value_t = 2)]
    repeat: usize,
    /// Measure once for each line of standard input, after a first line of JSON that says that all is ready
    #[arg(long)]
    serve: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Whole steps: forward, loss, backward, SGD with momentum and weight decay
    Train,
    /// Forward passes
    Infer,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build_global()
        .context("cannot start the threads")?;
    let mut step = prepare(&arguments)?;
    step()?; // a warm-up: the first one takes memory
    if !arguments.serve {
        return say(&measure(&arguments, &mut step)?);
    }
    say(&json!({ "version": format!("Burn {BURN} Flex") }))?;
    for line in stdin().lines() {
        line.context("cannot read standard input")?;
        say(&measure(&arguments, &mut step)?)?;
    }
    Ok(())
}

/// The work of one step, on images that are already in memory.
fn prepare(arguments: &Arguments) -> anyhow::Result<Box<dyn FnMut() -> anyhow::Result<()>>> {
    let size = [arguments.batch, 3, 32, 32];
    Ok(match arguments.what {
        What::Infer => {
            let device = Device::flex();
            let network = Network::named(&arguments.model, CLASSES, &device)?;
            let images = Tensor::<4>::random(size, Distribution::Default, &device);
            Box::new(move || {
                let logits = network.forward(images.clone());
                logits.into_data();
                Ok(())
            })
        }
        What::Train => {
            let device = Device::flex().autodiff();
            let mut network = Some(Network::named(&arguments.model, CLASSES, &device)?);
            let images = Tensor::<4>::random(size, Distribution::Default, &device);
            let classes: Vec<i32> = (0..arguments.batch).map(|image| (image % CLASSES) as i32).collect();
            let classes = Tensor::<1, Int>::from_data(classes.as_slice(), &device);
            let loss = CrossEntropyLossConfig::new().init(&device);
            let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
            let mut optimizer = SgdConfig::new()
                .with_momentum(Some(momentum))
                .with_weight_decay(Some(WeightDecayConfig::new(1e-3)))
                .init();
            Box::new(move || {
                let trained = network.take().context("a step before this one failed")?;
                let loss = loss.forward(trained.forward(images.clone()), classes.clone());
                let gradients = GradientsParams::from_grads(loss.backward(), &trained);
                network = Some(optimizer.step(LEARNING_RATE, trained, gradients));
                device.sync().context("Burn's device failed")
            })
        }
    })
}

/// Images a second: the median over the steps.
fn measure(
    arguments: &Arguments,
    step: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<serde_json::Value> {
    let mut seconds = Vec::with_capacity(arguments.repeat);
    for _ in 0..arguments.repeat.max(1) {
        let start = Instant::now();
        step()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = (seconds[(seconds.len() - 1) / 2] + seconds[seconds.len() / 2]) / 2.0;
    Ok(json!({
        "images_per_s": arguments.batch as f64 / median,
        "peak_memory_mb": peak_memory_mb(),
    }))
}

/// The largest resident set that this process ever had, in MiB; unknown where there is no /proc.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

fn say(document: &serde_json::Value) -> anyhow::Result<()> {
    writeln!(stdout(), "{document}").context("cannot write to standard output")
}
