//! The device that the command line asks for.

use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_cuda::{Cuda, CudaOptions};
use allcnn_device::{Device, Error, Precision};
use anyhow::Context;

use crate::args::Common;
use crate::progress::Progress;
use crate::values::DeviceChoice;

/// An open device. [`on_device`] gives it to work that takes any.
#[allow(clippy::large_enum_variant)] // there is one of them
pub enum Opened {
    Cpu(Cpu),
    Cuda(Cuda),
}

/// Runs an expression with the device that is open, as whatever type it has.
macro_rules! on_device {
    ($opened:expr, |$device:ident| $work:expr) => {
        match $opened {
            $crate::device::Opened::Cpu($device) => $work,
            $crate::device::Opened::Cuda($device) => $work,
        }
    };
}
pub(crate) use on_device;

/// Opens the device for work in f32.
pub fn open(common: &Common) -> anyhow::Result<Opened> {
    open_in(common, Precision::F32)
}

/// The same for products of convolutions in `precision`.
pub fn open_in(common: &Common, precision: Precision) -> anyhow::Result<Opened> {
    let cpu = || {
        let options = CpuOptions { threads: common.threads, precision, ..CpuOptions::default() };
        Cpu::new(options).map(Opened::Cpu).context("cannot open the CPU device")
    };
    let cuda = |number| {
        let options = CudaOptions::from_environment(number, precision)?;
        Cuda::new(options).map(Opened::Cuda)
    };
    let opened = match common.device {
        DeviceChoice::Cpu => cpu(),
        DeviceChoice::Auto if Cuda::count() == 0 => cpu(),
        DeviceChoice::Auto => cuda(0).map_err(without_cuda),
        DeviceChoice::Cuda(number) => cuda(number).map_err(without_cuda),
    }?;
    let description = on_device!(&opened, |device| device.description());
    Progress::of(common.telling).detail(&format!("computes on {description}"));
    Ok(opened)
}

/// What to do instead, in the line that has room.
fn without_cuda(error: Error) -> anyhow::Error {
    let text = error.to_string();
    let (first, rest) = text
        .split_once('\n')
        .map_or((text.as_str(), String::new()), |(first, rest)| (first, format!("\n{rest}")));
    anyhow::anyhow!("{first}; --device cpu needs none of it{rest}")
}

impl Opened {
    /// Threads of the processor that work on operations: one for a GPU, which only queues them.
    pub fn thread_count(&self) -> usize {
        match self {
            Opened::Cpu(cpu) => cpu.thread_count(),
            Opened::Cuda(_) => 1,
        }
    }

    /// The measured peak of multiply-adds, in GFLOP/s.
    pub fn measure_peak_gflops(&self) -> Result<f64, Error> {
        match self {
            Opened::Cpu(cpu) => cpu.measure_peak_gflops(),
            Opened::Cuda(cuda) => cuda.measure_peak_gflops(),
        }
    }
}

/// Lets reading, preprocessing and the like use so many threads; all cores without a number. Once, before any of it.
pub fn use_threads(threads: Option<usize>) -> anyhow::Result<()> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build_global().context("cannot start the threads")
}
