//! The optimizer's step (`kernels/sgd.cu`).

use allcnn_device::{Error, Parameter, Sgd};

use crate::engine::Queue;
use crate::kernels::{Grid, Kernel, THREADS};
use crate::memory::{Buffer, Storage, Values, assert_len};
use crate::step::Step;

/// Parameters per launch and values per block: as in sgd.cu.
const MAX_PARAMETERS: usize = 48;
const CHUNK: usize = 4096;

/// Words of `struct Parameter` of sgd.cu.
const PARAMETER_WORDS: usize = 7;

/// The parameters of a launch, and its number of blocks.
struct Launch {
    table: [u64; PARAMETER_WORDS * MAX_PARAMETERS],
    blocks: u32,
}

/// One step for all parameters.
pub(crate) fn step(
    queue: &mut Queue,
    sgd: Sgd,
    step: &Step,
    parameters: &mut [Parameter<Buffer>],
) -> Result<(), Error> {
    let launches: Vec<Launch> =
        parameters.chunks_mut(MAX_PARAMETERS).map(|parameters| Launch::new(queue, parameters)).collect();
    let scale = if sgd.clip_norm.is_finite() { gradient_scale(queue, sgd.clip_norm, &launches)? } else { 0 };
    let settings = [sgd.momentum.to_bits(), sgd.weight_decay.to_bits(), u32::from(sgd.nesterov)];
    for launch in &launches {
        // SAFETY: `Launch::new` made the table of the buffers' own addresses and lengths, which it checked.
        unsafe {
            queue.launch(
                Kernel::SgdStep,
                launch.grid(),
                &[&launch.table, &settings, &scale, &step.address()],
            )?;
        }
    }
    Ok(())
}

/// Shortens each of the rows of a parameter's value to a norm.
pub(crate) fn shorten_rows(
    queue: &mut Queue,
    rows: usize,
    longest: f32,
    value: &mut Buffer,
) -> Result<(), Error> {
    assert_eq!(value.len() % rows, 0, "values of {rows} rows");
    let len = (value.len() / rows) as u64;
    let (address, copy) = (queue.write(value, Storage::F32).address, queue.write_copy(value));
    let grid = Grid { blocks: [rows as u32, 1], threads: [THREADS, 1] };
    // SAFETY: value and copy have `rows` times `len` values.
    unsafe { queue.launch(Kernel::ShortenRows, grid, &[&address, &copy, &len, &longest]) }
}

/// The address of the factor that shortens the gradients of all parameters to a norm.
fn gradient_scale(queue: &mut Queue, clip_norm: f32, launches: &[Launch]) -> Result<u64, Error> {
    let blocks: u32 = launches.iter().map(|launch| launch.blocks).sum();
    let [scale, sums] = queue.scratch([size_of::<f32>(), blocks as usize * size_of::<f64>()])?;
    let mut address = sums;
    for launch in launches {
        // SAFETY: the table is as in `step`; `sums` has an f64 for each block of all launches.
        unsafe { queue.launch(Kernel::SgdSquares, launch.grid(), &[&launch.table, &address])? };
        address += u64::from(launch.blocks) * size_of::<f64>() as u64;
    }
    // SAFETY: `sums` holds `blocks` f64, and `scale` one f32.
    unsafe {
        let grid = Grid { blocks: [1, 1], threads: [1, 1] };
        queue.launch(Kernel::SgdScale, grid, &[&sums, &blocks, &clip_norm, &scale])?;
    }
    Ok(scale)
}

impl Launch {
    fn new(queue: &mut Queue, parameters: &mut [Parameter<Buffer>]) -> Self {
        let mut launch = Self { table: [0; PARAMETER_WORDS * MAX_PARAMETERS], blocks: 0 };
        let rows = launch.table.as_chunks_mut::<PARAMETER_WORDS>().0;
        for (row, Parameter { value, gradient, velocity, factors }) in rows.iter_mut().zip(parameters) {
            assert_len(gradient, value.len(), "gradient");
            assert_len(velocity, value.len(), "velocity");
            // Parameters and velocities are f32 always.
            let [value_address, velocity] =
                [&mut *value, velocity].map(|buffer| queue.write(buffer, Storage::F32).address);
            let Values { address, is_bf16 } = queue.read(gradient);
            let factors = u64::from(factors.rate.to_bits()) | u64::from(factors.decay.to_bits()) << 32;
            let (copy, len) = (queue.write_copy(value), value.len() as u64);
            *row = [value_address, address, is_bf16, velocity, copy, len, factors];
            launch.blocks += value.len().div_ceil(CHUNK) as u32;
        }
        launch
    }

    fn grid(&self) -> Grid {
        Grid { blocks: [self.blocks, 1], threads: [THREADS, 1] }
    }
}
