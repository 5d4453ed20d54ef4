//! The CUDA device passes the suite, computes what PyTorch does and continues what the CPU began.
//!
//! With a GPU each test runs on it. Without one they say so, and one more test runs all of them on the emulated GPU of
//! `emulator/` (where there is a C++ compiler): the device's own code and kernels, over cuDNN's graphs as sums.
#![allow(clippy::unwrap_used)] // in helpers too

#[path = "../../allcnn/tests/values/golden.rs"]
mod golden;
#[path = "training/mod.rs"]
mod training;

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use allcnn::net::{Base, Init, Network, Variant};
use allcnn::parameters::{Kind, Parameters};
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_cuda::{Cuda, CudaOptions, FOLDERS, Recording};
use allcnn_device::conformance::Suite;
use allcnn_device::random::{Purpose, Stream};
use allcnn_device::{Activation, ConvShape, Device, Dropout, Epilogue, Loss, Precision, Sgd, Shape};
use golden::{
    Fixture, Tolerance, check_companions, check_drop_connect, check_explanations, check_generated,
    check_stored,
};

/// Says that a test runs on the emulated GPU.
const EMULATED: &str = "ALLCNN_TEST_EMULATED";
/// Strict f32, TF32 (11 bits a factor) and bf16 (8 bits a factor, and stored).
const STRICT: CudaOptions = CudaOptions { number: 0, precision: Precision::F32, tf32: false };
const TF32: CudaOptions = CudaOptions { tf32: true, ..STRICT };
const BF16: CudaOptions = CudaOptions { precision: Precision::Bf16, ..STRICT };

/// The GPU, or nothing (visibly).
fn cuda(test: &str, options: CudaOptions) -> Option<Cuda> {
    match Cuda::new(options) {
        Ok(cuda) => {
            eprintln!("{test}: {}", cuda.description());
            Some(cuda)
        }
        Err(error) => {
            assert!(std::env::var_os(EMULATED).is_none(), "{error}");
            eprintln!("SKIPPED {test}: {error}");
            None
        }
    }
}

fn suite() -> &'static Suite {
    static SUITE: OnceLock<Suite> = OnceLock::new();
    SUITE.get_or_init(Suite::new)
}

fn conforms(test: &str, options: CudaOptions, tolerance: f64) {
    let Some(cuda) = cuda(test, options) else { return };
    let report = suite().run_within(&cuda, tolerance);
    assert!(report.failures().is_empty(), "{options:?}:\n{}", report.failures().join("\n"));
    eprintln!("{options:?}: {} comparisons, worst {:?}", report.outcomes.len(), report.worst(""));
    assert_eq!(report.digest, suite().run_within(&cuda, tolerance).digest, "the same bits each time");
}

#[test]
fn strict_f32_passes_the_suite() {
    conforms("strict_f32_passes_the_suite", STRICT, 2e-5);
}

#[test]
fn tf32_passes_the_suite() {
    conforms("tf32_passes_the_suite", TF32, 5e-3);
}

#[test]
fn bf16_passes_the_suite() {
    conforms("bf16_passes_the_suite", BF16, 2e-2);
}

#[test]
fn whole_networks_compute_what_pytorch_does() {
    let Some(cuda) = cuda("whole_networks_compute_what_pytorch_does", STRICT) else { return };
    let tolerance = Tolerance { logits: 2e-5, gradient: 1e-3, losses: 1e-4 };
    for base in Base::ALL {
        for variant in Variant::ALL {
            check_stored(&cuda, base.derive(variant, 10).name(), tolerance);
        }
    }
    check_stored(&cuda, "everything", tolerance);
    check_companions(&cuda, tolerance);
    check_drop_connect(&cuda, tolerance);
    // The networks in full size take an emulator an hour.
    if std::env::var_os(EMULATED).is_none() {
        for name in Fixture::read("generated").names() {
            check_generated(&cuda, &name, Tolerance { gradient: 1e-2, ..tolerance });
        }
    }
}

#[test]
fn explanations_are_those_of_captum() {
    let Some(cuda) = cuda("explanations_are_those_of_captum", STRICT) else { return };
    check_explanations(&cuda, "explanations", 1e-4);
}

/// A convolution whose sums are all positive shows the mask of its dropout, in every form that outputs have.
#[test]
fn masks_are_those_of_the_cpu_to_the_bit() {
    for options in [STRICT, BF16] {
        let Some(cuda) = cuda("masks_are_those_of_the_cpu_to_the_bit", options) else { return };
        let cpu = Cpu::new(CpuOptions::default()).unwrap();
        for out_channels in [10, 16] {
            let ours = dropped(&cuda, out_channels);
            assert_eq!(ours, dropped(&cpu, out_channels), "{options:?}, {out_channels} channels");
            let share = ours.iter().filter(|value| **value == 0.0).count() as f64 / ours.len() as f64;
            assert!((share - 0.5).abs() < 0.05, "half of the values are dropped: {share}");
        }
    }
}

fn dropped<D: Device>(device: &D, out_channels: usize) -> Vec<f32> {
    let input = Shape { batch: 4, height: 9, width: 7, channels: 8 };
    let shape = ConvShape { input, out_channels, kernel: 1, stride: 1, padding: 0, groups: 1 };
    let filled = |len: usize| {
        let mut buffer = device.alloc(len).unwrap();
        device.upload(&vec![0.5; len], &mut buffer).unwrap();
        buffer
    };
    let (input, weights) = (filled(shape.input.len()), filled(shape.weights_len()));
    let (bias, mut output) = (filled(out_channels), filled(shape.output().len()));
    let mut step = device.new_step().unwrap();
    device.set_step(&mut step, (5 << 32) + 77, 0.0);
    let dropout = Some(Dropout { rate: 0.5, seed: 0x1234_5678_9abc, layer: 3, channels: None });
    let epilogue = Epilogue { activation: Activation::Relu, dropout };
    let mut conv = device.conv(shape).unwrap();
    device.conv_forward(&mut conv, &input, &weights, &bias, epilogue, &step, &mut output);
    let mut values = vec![0.0; shape.output().len()];
    device.download(&output, &mut values).unwrap();
    values
}

#[test]
fn every_convolution_of_all_cnn_c_goes_to_a_library() {
    let only_products = std::env::var_os(EMULATED).is_some_and(|engines| engines == "products");
    for options in [STRICT, TF32, BF16] {
        let Some(cuda) = cuda("every_convolution_of_all_cnn_c_goes_to_a_library", options) else { return };
        let network = Network::named("all-cnn-c", 10).unwrap();
        let plan = Plan::new(&cuda, &network, 128, PlanPurpose::Training).unwrap();
        for (layer, passes) in plan.algorithms() {
            let names = passes.map(|pass| pass.name);
            let is_product = ["conv8", "conv9"].contains(&layer);
            let fits = |name: &str| {
                if name == "cublaslt" {
                    is_product
                } else {
                    name.starts_with("cudnn-") && !(is_product && only_products)
                }
            };
            assert!(names.iter().all(|name| fits(name)), "{options:?}, {layer}: {names:?}");
        }
        cuda.synchronize().unwrap();
    }
}

/// Losses of training steps: the recorded ones are those of the same work run plainly, and of the CPU.
#[test]
fn recorded_steps_train_as_plain_ones_and_as_the_cpu_does() {
    let test = "recorded_steps_train_as_plain_ones_and_as_the_cpu_does";
    let Some(device) = cuda(test, STRICT) else { return };
    let recorded = losses(&device, true);
    assert_eq!(recorded, losses(&device, false), "recorded against plain");
    is_recorded(&device);
    let cpu = losses(&Cpu::new(CpuOptions::default()).unwrap(), true);
    for (ours, theirs) in recorded.iter().zip(&cpu) {
        assert!((ours - theirs).abs() <= 2e-3 * theirs, "{recorded:?} against the CPU's {cpu:?}");
    }
    assert!(recorded[9] < 0.9 * recorded[0], "ten steps learn: {recorded:?}, recorded");
    let bf16 = losses(&cuda(test, BF16).unwrap(), true);
    assert!((bf16[9] - cpu[9]).abs() <= 0.1 * cpu[9], "{bf16:?} against the CPU's {cpu:?}");
}

/// The second time on, work runs as a graph.
fn is_recorded(cuda: &Cuda) {
    let (mut buffer, step) = (cuda.alloc(8).unwrap(), cuda.new_step().unwrap());
    let mut recording = Recording::default();
    for _ in 0..3 {
        let dropout = Dropout { rate: 0.5, seed: 1, layer: 1, channels: None };
        cuda.replay(&mut recording, &mut || cuda.dropout(dropout, &step, &mut buffer));
    }
    assert_eq!(recording.why_plain(), None);
}

fn network() -> Network {
    let text = r#"
        name = "small"
        input = [12, 12, 3]
        input_dropout = 0.1
        layers = [
          { conv = 16, kernel = 3 },
          { conv = 24, kernel = 3, stride = 2, dropout = 0.3 },
          { pool = "max", kernel = 3, stride = 2 },
          { conv = "classes", kernel = 1, activation = "identity" },
          { global_average = true },
        ]"#;
    Network::from_toml_for(text, 5).unwrap()
}

/// The mean losses of ten steps on one batch, with dropout, clipped gradients and a learning rate that changes.
fn losses<D: Device>(device: &D, recorded: bool) -> Vec<f32> {
    losses_of(device, &network(), recorded).0
}

/// And the recording that the steps left.
fn losses_of<D: Device>(device: &D, network: &Network, recorded: bool) -> (Vec<f32>, D::Recording) {
    let batch = 6;
    let mut parameters = Parameters::initialize(device, network, Init::He, 3).unwrap();
    let mut plan = Plan::new(device, network, batch, PlanPurpose::Training).unwrap();
    let mut step = device.new_step().unwrap();
    let mut recording = D::Recording::default();
    let len = network.input().shape(batch).len();
    let mut numbers = Stream::new(1, Purpose::Test, 0, 0).sequence();
    let images: Vec<f32> = (0..len).map(|_| numbers.range(-1.0, 1.0)).collect();
    let classes = network.classes();
    let mut targets = vec![0.0; batch * classes];
    (0..batch).for_each(|row| targets[row * classes + row % classes] = 1.0);
    let sgd = Sgd { momentum: 0.9, weight_decay: 1e-3, nesterov: true, clip_norm: 1.0 };
    let mut run = |number: u64| {
        plan.upload(&images, &targets).unwrap();
        device.set_step(&mut step, number, 0.2 / (1.0 + 0.1 * number as f32));
        let mut work = || {
            let mode = Mode::Train { step: &step, seed: 9, shard: 0 };
            plan.forward(&parameters, mode);
            plan.loss(Loss::CrossEntropy, 1.0 / batch as f32);
            plan.backward(&mut parameters, mode);
            device.sgd(sgd, &step, parameters.list_mut());
        };
        if recorded {
            device.replay(&mut recording, &mut work)
        } else {
            work()
        }
        let mut losses = vec![0.0; batch];
        plan.losses(&mut losses).unwrap();
        losses.iter().sum::<f32>() / batch as f32
    };
    let losses = (0..10).map(&mut run).collect();
    (losses, recording)
}

/// Regions change with the step whether or not a step was to be recorded; with other poolings steps are recorded, and what these draw
/// changes with the step too.
#[test]
fn drawn_regions_follow_the_step_and_are_not_recorded() {
    let test = "drawn_regions_follow_the_step_and_are_not_recorded";
    let Some(device) = cuda(test, STRICT) else { return };
    let cpu = Cpu::new(CpuOptions::default()).unwrap();
    for (window, plain) in [
        (r#"{ pool = "max", fractional = 1.4142135 }"#, true),
        ("{ maxout = 2 }", false),
        ("{ lwta = 2 }", false),
        ("{ probout = 2, lambda = 2.0 }", false),
        (r#"{ pool = "stochastic", kernel = 3, stride = 2 }"#, false),
        (r#"{ pool = "learned-norm", kernel = 3, stride = 2, dropout = 0.2 }"#, false),
    ] {
        let network = pooled_by(window);
        let (asked, recording) = losses_of(&device, &network, true);
        assert_eq!(asked, losses_of(&device, &network, false).0, "{window}: replayed against plain");
        assert_eq!(recording.why_plain().is_some_and(|why| why.contains("fractional pooling")), plain);
        assert_eq!(recording.why_plain().is_some(), plain, "{window}: {:?}", recording.why_plain());
        let theirs = losses_of(&cpu, &network, true).0;
        for (ours, theirs) in asked.iter().zip(&theirs) {
            assert!(
                (ours - theirs).abs() <= 2e-3 * theirs,
                "{window}: {asked:?} against the CPU's {theirs:?}"
            );
        }
    }
}

fn pooled_by(window: &str) -> Network {
    let text = format!(
        r#"
        name = "pooled"
        input = [12, 12, 3]
        input_dropout = 0.1
        layers = [
          {{ conv = 16, kernel = 3 }},
          {window},
          {{ conv = "classes", kernel = 1, activation = "identity" }},
          {{ global_average = true }},
        ]"#
    );
    Network::from_toml_for(&text, 5).unwrap()
}

/// Weights go from the CPU to the GPU and back without a change, in whatever form the device keeps them.
#[test]
fn weights_go_to_the_gpu_and_back_unchanged() {
    for options in [STRICT, BF16] {
        let Some(device) = cuda("weights_go_to_the_gpu_and_back_unchanged", options) else { return };
        let cpu = Cpu::new(CpuOptions::default()).unwrap();
        let network = network();
        let there = Parameters::initialize(&cpu, &network, Init::He, 1).unwrap();
        let tensors = there.tensors(&cpu, Kind::Value).unwrap();
        let mut here = Parameters::zeros(&device, &network).unwrap();
        here.load(&device, Kind::Value, &tensors).unwrap();
        assert_eq!(here.tensors(&device, Kind::Value).unwrap(), tensors);
    }
}

#[test]
fn a_gpu_that_is_not_there_is_told() {
    let Some(_) = cuda("a_gpu_that_is_not_there_is_told", STRICT) else { return };
    let error = Cuda::new(CudaOptions { number: 99, ..STRICT }).unwrap_err().to_string();
    assert!(error.contains("no GPU 99"), "{error}");
}

#[test]
fn everything_passes_on_the_emulated_gpu() {
    if Cuda::count() > 0 {
        eprintln!(
            "everything ran on a GPU{}",
            if std::env::var_os(EMULATED).is_some() { ", an emulated one" } else { "" }
        );
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulated-gpu");
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulator/build.sh");
    if Command::new("g++").arg("--version").output().is_err() {
        eprintln!("SKIPPED everything_passes_on_the_emulated_gpu: no g++");
        return;
    }
    let _ = std::fs::remove_dir_all(&folder); // of an earlier run, if there was one
    assert!(Command::new(build).arg(&folder).status().unwrap().success(), "the emulator does not build");
    emulated(&folder, &["--test-threads=1"], "cudnn"); // an emulated GPU takes one test at a time
    // The plain sums, where cuDNN offers nothing.
    emulated(&folder, &["--exact", "strict_f32_passes_the_suite"], "none");
    // 1x1 convolutions as products of cuBLASLt, alone.
    let with_products = [
        "--test-threads=1",
        "passes_the_suite",
        "goes_to_a_library",
        "recorded_steps_train",
        "masks_are_those",
        "explanations_are",
    ];
    emulated(&folder, &with_products, "products");
    // And without that library.
    let without = folder.join("without-cublaslt");
    std::fs::create_dir(&without).unwrap();
    for library in ["libcuda.so.1", "libcudnn.so.9", "libnvrtc.so.13"] {
        std::fs::copy(folder.join(library), without.join(library)).unwrap();
    }
    emulated(&without, &["recorded_steps_train"], "two");
    // A choice between engines: measured the first time, remembered the second.
    for _ in 0..2 {
        emulated(&folder, &["--exact", "recorded_steps_train_as_plain_ones_and_as_the_cpu_does"], "two");
    }
    let chosen = std::fs::read_dir(folder.join("cache-two/allcnn/cuda")).unwrap();
    assert!(chosen.count() > 6, "the kernels, and an engine for each pass");
}

/// Runs these tests on the emulated GPU.
fn emulated(folder: &Path, arguments: &[&str], engines: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .arg("--nocapture")
        .env(EMULATED, engines)
        .env(FOLDERS, folder)
        .env("XDG_CACHE_HOME", folder.join(format!("cache-{engines}")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr) + String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("test result: ok"), "{text}");
    eprintln!("{text}");
}
