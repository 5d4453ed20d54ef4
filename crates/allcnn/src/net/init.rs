//! Weight initialization.

use std::{fmt, str::FromStr};

use allcnn_device::Activation;
use allcnn_device::random::{Sequence, unit_interval};

/// How weights are initialized; biases start at 0.
///
/// n is the fan-in, kernel * kernel * in_channels / groups.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Init {
    /// `he`: normal with standard deviation sqrt(2 / ((1 + a^2) n)), where a is the slope of a leaky ReLU,
    /// otherwise 0 (He et al. 2015).
    #[default]
    He,
    /// `xavier`: uniform in +-sqrt(3 / n), as in Caffe's filler of this name (Glorot and Bengio 2010, with the
    /// fan-in alone instead of the mean of fan-in and fan-out).
    Xavier,
    /// `normal:S`: normal with standard deviation S.
    Normal(f32),
    /// `data`: as `he`, then each channel is standardized to mean 0 and deviation 1 over the first training batch.
    Data,
}

/// The error for an unknown initialization.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "unknown initialization \"{0}\"; expected he, data, xavier or normal:S with S above 0, such as normal:0.05"
)]
pub struct InitError(String);

impl FromStr for Init {
    type Err = InitError;

    fn from_str(text: &str) -> Result<Self, InitError> {
        match text {
            "he" => Ok(Self::He),
            "data" => Ok(Self::Data),
            "xavier" => Ok(Self::Xavier),
            _ => text
                .strip_prefix("normal:")
                .and_then(|deviation| deviation.parse().ok())
                .filter(|deviation: &f32| *deviation > 0.0 && deviation.is_finite())
                .map(Self::Normal)
                .ok_or_else(|| InitError(text.into())),
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::He => f.write_str("he"),
            Self::Data => f.write_str("data"),
            Self::Xavier => f.write_str("xavier"),
            Self::Normal(deviation) => write!(f, "normal:{deviation}"),
        }
    }
}

impl Init {
    /// Initializes the weights of filters with fan-in `inputs` that are followed by `activation`.
    pub(crate) fn fill(
        self,
        inputs: usize,
        activation: Activation,
        numbers: &mut Sequence,
        weights: &mut [f32],
    ) {
        let slope = if let Activation::LeakyRelu { slope } = activation { f64::from(slope) } else { 0.0 };
        match self {
            Self::He | Self::Data => {
                fill_normal((2.0 / ((1.0 + slope * slope) * inputs as f64)).sqrt(), numbers, weights)
            }
            Self::Normal(deviation) => fill_normal(f64::from(deviation), numbers, weights),
            Self::Xavier => {
                let limit = (3.0 / inputs as f64).sqrt() as f32;
                weights.fill_with(|| numbers.range(-limit, limit));
            }
        }
    }
}

/// The Box-Muller transform (1958), using both values of each pair: large networks have tens of millions of
/// weights.
fn fill_normal(deviation: f64, numbers: &mut Sequence, weights: &mut [f32]) {
    for pair in weights.chunks_mut(2) {
        let open = 1.0 - f64::from(unit_interval(numbers.next_u32()));
        let angle = std::f64::consts::TAU * f64::from(unit_interval(numbers.next_u32()));
        let radius = deviation * (-2.0 * open.ln()).sqrt();
        let (sine, cosine) = angle.sin_cos();
        for (weight, part) in pair.iter_mut().zip([cosine, sine]) {
            *weight = (radius * part) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allcnn_device::Activation;
    use allcnn_device::random::{Purpose, Stream};

    #[test]
    fn each_initialization_has_its_deviation() {
        let leaky = Activation::LeakyRelu { slope: 0.5 };
        for (text, activation, deviation) in [
            ("he", Activation::Relu, 0.2),
            ("he", leaky, (2.0f64 / 1.25 / 50.0).sqrt()),
            ("xavier", leaky, (1.0f64 / 50.0).sqrt()),
            ("normal:0.05", leaky, 0.05),
        ] {
            let init: Init = text.parse().unwrap();
            assert_eq!(init.to_string(), text);
            let mut weights = vec![0.0; 100_001];
            let mut numbers = Stream::new(3, Purpose::Initialization, 0, 1).sequence();
            init.fill(50, activation, &mut numbers, &mut weights);
            let square = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / weights.len() as f64;
            assert!((square.sqrt() / deviation - 1.0).abs() < 0.01, "{text}: {}", square.sqrt());
            let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / weights.len() as f64;
            assert!(mean.abs() < 0.02 * deviation, "{text}: mean {mean}");
        }
    }

    #[test]
    fn other_words_are_refused() {
        for text in ["", "xaviar", "normal", "normal:", "normal:0", "normal:-1", "normal:nan", "normal:inf"] {
            assert!(
                text.parse::<Init>().unwrap_err().to_string().contains("expected he, data, xavier"),
                "{text}"
            );
        }
    }
}
