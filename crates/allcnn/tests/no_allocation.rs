//! A training step takes no memory: every buffer belongs to the plan.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use allcnn::net::{Init, Network};
use allcnn::parameters::Parameters;
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::{Device, Loss, Sgd};

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting.
struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// All kinds of layers, dropout everywhere, channels for each convolution algorithm.
const NETWORK: &str = r#"
name = "small"
input = [16, 16, 3]
classes = 4
input_dropout = 0.2
layers = [
    { conv = 32, kernel = 3 },
    { conv = 32, kernel = 3, dropout = 0.5 },
    { conv = 32, kernel = 3, stride = 2 },
    { pool = "max", kernel = 3, stride = 2, dropout = 0.5 },
    { pool = "max", fractional = 1.5, sequence = "random" },
    { pool = "stochastic", kernel = 2, stride = 1 },
    { pool = "learned-norm", kernel = 2, stride = 1, dropout = 0.5 },
    { pool = "norm:3", kernel = 1, stride = 1 },
    { lrn = 5 },
    { maxout = 2 },
    { lwta = 2, dropout = 0.5 },
    { probout = 2 },
    { conv = "classes", kernel = 1 },
    { global_average = true },
]
"#;

/// Threads take memory while they start, the device's and the test's own: waits until none has for a while.
fn wait_for_threads() {
    let mut before = usize::MAX;
    while before != TAKEN.load(Ordering::Relaxed) {
        before = TAKEN.load(Ordering::Relaxed);
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_step_takes_no_memory() {
    let device = Cpu::new(CpuOptions { threads: Some(2), ..CpuOptions::default() }).unwrap();
    let network = Network::from_toml(NETWORK).unwrap();
    let mut parameters = Parameters::initialize(&device, &network, Init::He, 0).unwrap();
    let mut plan = Plan::new(&device, &network, 4, PlanPurpose::Training).unwrap();
    let (images, targets) = (vec![0.5; 4 * 16 * 16 * 3], vec![0.25; 4 * 4]);
    let sgd = Sgd { momentum: 0.9, weight_decay: 1e-3, nesterov: true, clip_norm: 1.0 };
    let mut step = device.new_step().unwrap();
    let mut taken = Vec::with_capacity(5);
    wait_for_threads();
    for number in 0..5 {
        let before = TAKEN.load(Ordering::Relaxed);
        plan.upload(&images, &targets).unwrap();
        device.set_step(&mut step, number, 0.01);
        let mode = Mode::Train { step: &step, seed: 0, shard: 0 };
        plan.forward(&parameters, mode);
        plan.loss(Loss::CrossEntropy, 0.25);
        plan.backward(&mut parameters, mode);
        device.sgd(sgd, &step, parameters.list_mut());
        taken.push(TAKEN.load(Ordering::Relaxed) - before);
    }
    assert_eq!(taken, [0; 5]);
}
