//! Inputs with few channels (a picture's three): the taps of a pixel are copied side by side, so that the products run
//! over kernel * kernel * channels values instead of a few at a time.

use allcnn_device::{ConvShape, Shape};

use crate::simd::Simd;

/// With fewer channels than this (per group) a tap is too short to run over by itself.
const FEW_CHANNELS: usize = 8;
/// Values of a block of patches: 32 KiB, a first-level cache's size.
pub(super) const PATCH_VALUES: usize = 8 * 1024;
/// Patches longer than this are not worth a copy.
const LONGEST: usize = 512;

/// Whether the patches of a shape's input are to be copied.
pub(super) fn pay(shape: &ConvShape) -> bool {
    let channels = shape.group_in_channels();
    channels < FEW_CHANNELS && shape.kernel > 1 && shape.kernel * shape.kernel * channels <= LONGEST
}

/// Room for a block of patches; vectors that start on a patch may reach past its end.
#[repr(align(64))]
pub(super) struct Patches([f32; PATCH_VALUES + SLACK]);

const SLACK: usize = 64;

/// The upper left corner of a window of kernel x kernel pixels, which may lie outside the image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub image: usize,
    pub row: isize,
    pub column: isize,
}

impl Window {
    /// The window that a pixel of `output`, counted over all images, sees.
    #[inline(always)]
    pub(super) fn of(shape: &ConvShape, output: Shape, pixel: usize) -> Self {
        let (line, column) = (pixel / output.width, pixel % output.width);
        let corner = |at: usize| (at * shape.stride) as isize - shape.padding as isize;
        Self { image: line / output.height, row: corner(line % output.height), column: corner(column) }
    }
}

impl Patches {
    /// Zeros.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([0.0; PATCH_VALUES + SLACK])
    }

    /// The values.
    #[inline(always)]
    pub(super) fn values(&self) -> &[f32] {
        &self.0
    }

    /// Writes patch `at`: the values of a window, zeros outside the image, the channels from `first_channel` on innermost.
    /// Patches are written in their order.
    #[inline(always)]
    pub(super) fn write<S: Simd>(
        &mut self,
        simd: S,
        at: usize,
        source: &[f32],
        shape: &ConvShape,
        window: Window,
        first_channel: usize,
    ) {
        let (size, kernel, channels) = (shape.input, shape.kernel, shape.group_in_channels());
        let line = kernel * channels;
        let patch = &mut self.0[at * kernel * line..][..kernel * line + SLACK];
        let Window { image, row: top, column: left } = window;
        // Columns of the window inside the image.
        let from = (-left).clamp(0, kernel as isize) as usize;
        let to = (size.width as isize - left).clamp(from as isize, kernel as isize) as usize;
        let whole = shape.groups == 1 && line <= SLACK;
        for ky in 0..kernel {
            let row = top + ky as isize;
            let patch = &mut patch[ky * line..];
            if row < 0 || row as usize >= size.height {
                patch[..line].fill(0.0);
                continue;
            }
            let start = (image * size.height + row as usize) * size.width;
            let pixel = |kx: usize| (start + (left + kx as isize) as usize) * size.channels + first_channel;
            let first = if from < to { pixel(from) } else { 0 };
            if whole && from == 0 && to == kernel && first + SLACK <= source.len() {
                // The common case: the line is one run of memory, copied by whole vectors.
                for vector in (0..line).step_by(S::LANES) {
                    // SAFETY: source and patch hold at least SLACK values from here on.
                    unsafe {
                        let values = simd.load(source[first..first + SLACK].as_ptr().add(vector));
                        simd.store(values, patch[..SLACK].as_mut_ptr().add(vector));
                    }
                }
                continue;
            }
            patch[..line].fill(0.0);
            for kx in from..to {
                patch[kx * channels..][..channels].copy_from_slice(&source[pixel(kx)..][..channels]);
            }
        }
    }
}
