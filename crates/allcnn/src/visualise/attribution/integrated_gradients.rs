//! Integrated gradients (Sundararajan et al. 2017) from zero: `x 1/n sum grad f(a x)`, a = 1/2n, 3/2n, ... (the midpoint rule).

use allcnn_device::Device;

use super::super::error::VisualiseError;
use super::settings::AttributionSettings;
use super::smooth_grad::mean;
use super::subject::Subject;

/// The picture times the mean gradient on the way to it.
pub(super) fn map<D: Device>(
    subject: &mut Subject<'_, '_, D>,
    settings: &AttributionSettings,
) -> Result<Vec<f32>, VisualiseError> {
    let image = subject.image;
    let mut way = Vec::with_capacity(settings.steps * image.len());
    for step in 0..settings.steps {
        let share = (step as f32 + 0.5) / settings.steps as f32;
        way.extend(image.iter().map(|value| share * value));
    }
    let mean = mean(&subject.gradients(&way)?);
    Ok(image.iter().zip(mean).map(|(value, gradient)| value * gradient).collect())
}
