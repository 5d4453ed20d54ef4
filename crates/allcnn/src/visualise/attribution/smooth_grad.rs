//! SmoothGrad (Smilkov et al. 2017): `1/n sum grad f(x + e)`, e normal with standard deviation `noise (max x - min x)`.

use allcnn_device::Device;
use allcnn_device::random::{Purpose, Stream};

use super::super::error::VisualiseError;
use super::settings::AttributionSettings;
use super::subject::Subject;

/// The mean gradient over noisy copies of the picture; copy n has the same noise whatever the picture.
pub(super) fn map<D: Device>(
    subject: &mut Subject<'_, '_, D>,
    settings: &AttributionSettings,
) -> Result<Vec<f32>, VisualiseError> {
    let image = subject.image;
    let (low, high) = image.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    let deviation = settings.noise * (high - low);
    let mut copies = Vec::with_capacity(settings.samples * image.len());
    for sample in 0..settings.samples {
        let mut noise = Stream::new(settings.seed, Purpose::Noise, 0, sample as u32).sequence();
        copies.extend(image.iter().map(|value| value + deviation * noise.normal()));
    }
    Ok(mean(&subject.gradients(&copies)?))
}

/// The mean of maps of one size.
pub(super) fn mean(maps: &[Vec<f32>]) -> Vec<f32> {
    let mut sums = vec![0.0f64; maps.first().map_or(0, Vec::len)];
    for map in maps {
        sums.iter_mut().zip(map).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sums.into_iter().map(|sum| (sum / maps.len() as f64) as f32).collect()
}
