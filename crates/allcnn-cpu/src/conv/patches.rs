//! Inputs with few channels (a picture's three): the taps of a pixel are copied side by side, so that the products run
//! over kernel * kernel * channels values instead of a few at a time.

use allcnn_device::{ConvShape, Shape};

/// With fewer channels than this (per group) a tap is too short to run over by itself.
const FEW_CHANNELS: usize = 8;
/// Values of a block of patches: 32 KiB, the first-level cache's size.
pub(super) const PATCH_VALUES: usize = 8 * 1024;
/// Patches longer than this are not worth a copy.
const LONGEST: usize = 512;

/// Whether the patches of a shape's input are to be copied.
pub(super) fn pay(shape: &ConvShape) -> bool {
    let channels = shape.group_in_channels();
    channels < FEW_CHANNELS && shape.kernel > 1 && shape.kernel * shape.kernel * channels <= LONGEST
}

/// Writes the kernel x kernel window whose upper left corner is (`row`, `column`), zeros outside the image.
/// `channels` (`first_channel..` of the pixel) come innermost.
#[inline(always)]
pub(super) fn copy(
    source: &[f32],
    size: Shape,
    image: usize,
    corner: (isize, isize),
    kernel: usize,
    first_channel: usize,
    patch: &mut [f32],
) {
    let channels = patch.len() / (kernel * kernel);
    for (ky, line) in patch.chunks_exact_mut(kernel * channels).enumerate() {
        let row = corner.0 + ky as isize;
        let inside = row >= 0 && (row as usize) < size.height;
        for (kx, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let column = corner.1 + kx as isize;
            if inside && column >= 0 && (column as usize) < size.width {
                let place = (image * size.height + row as usize) * size.width + column as usize;
                let from = place * size.channels + first_channel;
                pixel.copy_from_slice(&source[from..from + channels]);
            } else {
                pixel.fill(0.0);
            }
        }
    }
}
