//! Stochastic pooling of the channels of one window: a value drawn in proportion to the values, or in testing the mean that is to
//! be expected, sum x^2 / sum x. A negative value counts as 0.

use allcnn_device::random::unit_interval;

/// The switch of a window from which nothing could be drawn.
pub(crate) const NONE: u32 = u32::MAX;

/// Channels that are pooled side by side, in vector registers.
const BLOCK: usize = 16;

/// The value, or 0 for a negative one; NaN stays.
#[inline(always)]
fn weight(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// The sums of the weights of some channels, tap by tap.
#[inline(always)]
fn totals(
    taps: impl Iterator<Item = usize>,
    image: &[f32],
    channels: usize,
    first: usize,
    count: usize,
) -> [f32; BLOCK] {
    let mut totals = [0.0; BLOCK];
    for pixel in taps {
        let values = &image[pixel * channels + first..][..count];
        for (total, &x) in totals.iter_mut().zip(values) {
            *total += weight(x);
        }
    }
    totals
}

/// Draws a value of each channel, as [`allcnn_device::Sampling`] says, by the random numbers that stand in the places of the switches.
#[inline(always)]
pub(crate) fn drawn(
    taps: impl Iterator<Item = usize> + Clone,
    image: &[f32],
    output: &mut [f32],
    switches: &mut [u32],
) {
    let channels = output.len();
    for first in (0..channels).step_by(BLOCK) {
        let count = BLOCK.min(channels - first);
        let (output, switches) = (&mut output[first..][..count], &mut switches[first..][..count]);
        let totals = totals(taps.clone(), image, channels, first, count);
        let (mut thresholds, mut running) = ([0.0; BLOCK], [0.0; BLOCK]);
        for at in 0..count {
            thresholds[at] = unit_interval(switches[at]) * totals[at];
            (output[at], switches[at]) = (totals[at], NONE); // where nothing is drawn: 0 or NaN
        }
        for (tap, pixel) in taps.clone().enumerate() {
            let values = &image[pixel * channels + first..][..count];
            for at in 0..count {
                let x = values[at];
                let takes = (x > 0.0) & (running[at] <= thresholds[at]) & (totals[at] > 0.0);
                output[at] = if takes { x } else { output[at] };
                switches[at] = if takes { tap as u32 } else { switches[at] };
                running[at] += weight(x);
            }
        }
    }
}

/// The expected value of each channel.
#[inline(always)]
pub(crate) fn expected(taps: impl Iterator<Item = usize> + Clone, image: &[f32], output: &mut [f32]) {
    let channels = output.len();
    for first in (0..channels).step_by(BLOCK) {
        let count = BLOCK.min(channels - first);
        let output = &mut output[first..][..count];
        let totals = totals(taps.clone(), image, channels, first, count);
        for at in 0..count {
            output[at] = if totals[at] > 0.0 { 0.0 } else { totals[at] };
        }
        for pixel in taps.clone() {
            let values = &image[pixel * channels + first..][..count];
            for at in 0..count {
                let x = weight(values[at]);
                output[at] += if totals[at] > 0.0 { x * (x / totals[at]) } else { 0.0 };
            }
        }
    }
}

/// Adds g (2 x - y) / (sum of x) to the gradient of each x of at least 0.
#[inline(always)]
pub(crate) fn expected_back(
    taps: impl Iterator<Item = usize> + Clone,
    image: &[f32],
    output: &[f32],
    signal: &[f32],
    d_image: &mut [f32],
) {
    let channels = output.len();
    for first in (0..channels).step_by(BLOCK) {
        let count = BLOCK.min(channels - first);
        let (output, signal) = (&output[first..][..count], &signal[first..][..count]);
        let totals = totals(taps.clone(), image, channels, first, count);
        for pixel in taps.clone() {
            let values = &image[pixel * channels + first..][..count];
            let target = &mut d_image[pixel * channels + first..][..count];
            for at in 0..count {
                let passes = (values[at] >= 0.0) & (totals[at] > 0.0);
                let slope = (2.0 * values[at] - output[at]) / totals[at];
                target[at] += if passes { signal[at] * slope } else { 0.0 };
            }
        }
    }
}
