//! Padding by copies of the nearest pixel, and back.

use allcnn_device::{EdgePad, Error};

use crate::engine::Queue;
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, Storage, assert_len};

pub(crate) fn forward(
    queue: &mut Queue,
    pad: EdgePad,
    input: &Buffer,
    output: &mut Buffer,
) -> Result<(), Error> {
    assert_len(input, pad.input.len(), "input");
    assert_len(output, pad.output().len(), "output");
    launch(queue, Kernel::EdgePadForward, pad, input, output)
}

pub(crate) fn backward(
    queue: &mut Queue,
    pad: EdgePad,
    d_output: &Buffer,
    d_input: &mut Buffer,
) -> Result<(), Error> {
    assert_len(d_output, pad.output().len(), "d_output");
    assert_len(d_input, pad.input.len(), "d_input");
    launch(queue, Kernel::EdgePadBackward, pad, d_output, d_input)
}

/// Launches a kernel whose lengths are checked.
fn launch(
    queue: &mut Queue,
    kernel: Kernel,
    pad: EdgePad,
    from: &Buffer,
    to: &mut Buffer,
) -> Result<(), Error> {
    let sizes = [pad.input.height, pad.input.width, pad.input.channels, pad.rows, pad.columns];
    let [height, width, channels, rows, columns] = sizes.map(|size| size as u32);
    let len = to.len();
    let (from, to) = (queue.read(from), queue.write(to, Storage::F32).address);
    // SAFETY: the callers check the lengths.
    unsafe {
        queue.launch(
            kernel,
            Grid::over(len),
            &[&from, &to, &height, &width, &channels, &rows, &columns, &(len as u64)],
        )
    }
}
