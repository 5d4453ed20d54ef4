//! The device that the command line asks for.

use allcnn_cpu::{Cpu, CpuOptions};
use allcnn_device::Precision;
use anyhow::{Context, bail};

use crate::args::Common;
use crate::values::DeviceChoice;

/// Opens the device for work in f32, and gives everything beside it as many threads.
pub fn open(common: &Common) -> anyhow::Result<Cpu> {
    open_in(common, Precision::F32)
}

/// The same for products of convolutions in `precision`.
pub fn open_in(common: &Common, precision: Precision) -> anyhow::Result<Cpu> {
    if let DeviceChoice::Cuda(number) = common.device {
        bail!("--device cuda:{number}: this build of allcnn has no CUDA device; use --device cpu");
    }
    use_threads(common.threads)?;
    Cpu::new(CpuOptions { threads: common.threads, precision, ..CpuOptions::default() })
        .context("cannot open the CPU device")
}

/// Lets reading, preprocessing and the like use so many threads; all cores without a number.
fn use_threads(threads: Option<usize>) -> anyhow::Result<()> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build_global().context("cannot start the threads")
}
