//! The device of the command line.

use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_cuda::{Cuda, CudaOptions};
use allcnn_device::{Device, Error, Precision};
use anyhow::Context;

use crate::args::Common;
use crate::processes;
use crate::progress::Progress;
use crate::values::DeviceChoice;

/// An open device; [`on_device`] runs generic code on it.
#[allow(clippy::large_enum_variant)] // there is only one
pub(crate) enum Opened {
    Cpu(Cpu),
    Cuda(Cuda),
}

/// Evaluates an expression with the open device, whatever its type.
macro_rules! on_device {
    ($opened:expr, |$device:ident| $work:expr) => {
        match $opened {
            $crate::device::Opened::Cpu($device) => $work,
            $crate::device::Opened::Cuda($device) => $work,
        }
    };
}
pub(crate) use on_device;

/// Opens the device with f32 precision.
pub(crate) fn open(common: &Common) -> anyhow::Result<Opened> {
    open_in(common, Precision::F32)
}

/// Opens the device with `precision` for the products of convolutions.
pub(crate) fn open_in(common: &Common, precision: Precision) -> anyhow::Result<Opened> {
    let cpu = || {
        let options = CpuOptions {
            threads: common.threads.or_else(processes::threads),
            precision,
            ..CpuOptions::default()
        };
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
    Progress::of(common.output).detail(&format!("computes on {description}"));
    Ok(opened)
}

/// Appends what to do instead to the line that has room for it.
fn without_cuda(error: Error) -> anyhow::Error {
    let text = error.to_string();
    let (first, rest) = text
        .split_once('\n')
        .map_or((text.as_str(), String::new()), |(first, rest)| (first, format!("\n{rest}")));
    anyhow::anyhow!("{first}; --device cpu needs none of it{rest}")
}

impl Opened {
    /// CPU threads that compute operations: one for a GPU, to queue them.
    pub(crate) fn thread_count(&self) -> usize {
        match self {
            Opened::Cpu(cpu) => cpu.thread_count(),
            Opened::Cuda(_) => 1,
        }
    }
}

/// A device whose peak can be measured.
pub(crate) trait MeasuresPeak: Device {
    /// The measured peak of multiply-adds, in GFLOP/s.
    fn measure_peak_gflops(&self) -> Result<f64, Error>;
}

impl MeasuresPeak for Cpu {
    fn measure_peak_gflops(&self) -> Result<f64, Error> {
        self.measure_peak_gflops()
    }
}

impl MeasuresPeak for Cuda {
    fn measure_peak_gflops(&self) -> Result<f64, Error> {
        self.measure_peak_gflops()
    }
}

/// Sets the number of threads of data reading and preprocessing; all cores by default. To be called once, before these.
pub(crate) fn use_threads(threads: Option<usize>) -> anyhow::Result<()> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build_global().context("cannot start the threads")
}
