//! Occlusion (Zeiler and Fergus 2014): a window of the picture is set to zero, the mean of the training images, and moved over it.

use std::ops::Range;

use allcnn_device::Device;

use super::super::error::VisualiseError;
use super::settings::AttributionSettings;
use super::subject::Subject;

/// The fall of the unit's activation, at each place the mean over the windows that cover it.
pub(super) fn map<D: Device>(
    subject: &mut Subject<'_, '_, D>,
    settings: &AttributionSettings,
) -> Result<Vec<f32>, VisualiseError> {
    let input = subject.explainer.network().input();
    let (height, width, channels) = (input.height, input.width, input.channels);
    let window = settings.window.unwrap_or(height / 8).clamp(1, height.min(width));
    let stride = settings.stride.unwrap_or(window / 2).clamp(1, window);
    let columns = places(width, window, stride);
    let windows: Vec<_> = places(height, window, stride)
        .into_iter()
        .flat_map(|rows| columns.iter().map(move |columns| (rows.clone(), columns.clone())))
        .collect();
    let whole = subject.activations(subject.image)?[0];
    let (mut sums, mut counts) = (vec![0.0f64; height * width], vec![0u32; height * width]);
    for windows in windows.chunks(subject.explainer.batch()) {
        let mut occluded = Vec::with_capacity(windows.len() * subject.image.len());
        for (rows, columns) in windows {
            let begin = occluded.len();
            occluded.extend_from_slice(subject.image);
            for row in rows.clone() {
                let at = begin + (row * width + columns.start) * channels;
                occluded[at..at + columns.len() * channels].fill(0.0);
            }
        }
        let activations = subject.activations(&occluded)?;
        for ((rows, columns), activation) in windows.iter().zip(activations) {
            for place in rows.clone().flat_map(|row| columns.clone().map(move |column| row * width + column))
            {
                sums[place] += f64::from(whole - activation);
                counts[place] += 1;
            }
        }
    }
    let means = sums.into_iter().zip(counts).map(|(sum, count)| (sum / f64::from(count.max(1))) as f32);
    Ok(means.flat_map(|mean| std::iter::repeat_n(mean, channels)).collect())
}

/// The windows along one side: every place is covered, the last window is cut at the border.
fn places(size: usize, window: usize, stride: usize) -> Vec<Range<usize>> {
    let last = (size - window).div_ceil(stride);
    (0..=last).map(|number| number * stride..(number * stride + window).min(size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_place() {
        assert_eq!(places(8, 4, 2), [0..4, 2..6, 4..8]);
        assert_eq!(places(7, 3, 2), [0..3, 2..5, 4..7]);
        assert_eq!(places(8, 3, 3), [0..3, 3..6, 6..8]);
        assert_eq!(places(5, 5, 1), vec![0..5]);
    }
}
