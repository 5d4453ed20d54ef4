//! The preprocessing that imported weights expect, which files of weights do not state.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::naming::Naming;
use crate::data::Framing;
use crate::preprocess::{Geometry, MAX_VALUE, MIN_DEVIATION, Method, PreprocessError, Preprocessor};
use crate::text::shown::PathText;

/// The map from pixel values 0..=255 to network input.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// value / 255, as torchvision's `ToTensor`.
    Unit,
    /// (value / 255 - mean) / std for each of R, G, B, as torchvision's `Normalize` after `ToTensor`.
    MeanStd {
        /// The means.
        mean: [f32; 3],
        /// The standard deviations.
        std: [f32; 3],
    },
    /// A run's `preprocess.safetensors`.
    File(PathBuf),
}

/// The error for a text that is not a preprocessing.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected none, imagenet, caffe, means and deviations as R,G,B/R,G,B of values divided by 255, or the \
     preprocess.safetensors of a run"
)]
pub struct ScalingError;

impl Scaling {
    /// The preprocessing of torchvision's ImageNet networks.
    pub const IMAGENET: Self = Self::MeanStd { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// The preprocessing of Caffe's networks: value - mean over ILSVRC-2012 (104.007, 116.669, 122.679 for B, G,
    /// R). Caffe's own classifier subtracts a mean image, of which these are the means.
    pub const CAFFE: Self = Self::MeanStd {
        mean: [122.678_91 / 255.0, 116.668_77 / 255.0, 104.006_99 / 255.0],
        std: [1.0 / 255.0; 3],
    };

    /// The usual preprocessing for weights with this naming.
    pub fn usual(form: Naming) -> Self {
        match form {
            Naming::Convolutions | Naming::Sequential | Naming::Other => Self::Unit,
            Naming::FeaturesClassifier => Self::IMAGENET,
            Naming::Caffe => Self::CAFFE,
        }
    }

    /// The framing used with this preprocessing: torchvision's ImageNet networks take 224 of 256 pixels of the
    /// shorter side, Caffe's 227 of a square of 256; for other input sizes the same fraction.
    pub fn framing(&self, height: usize, width: usize) -> Option<Framing> {
        let side = |part: usize| (height.max(width) * 256 + part / 2) / part;
        match self {
            scaling if *scaling == Self::IMAGENET => Some(Framing::ShorterSide(side(224))),
            scaling if *scaling == Self::CAFFE => Some(Framing::Square(side(227))),
            _ => None,
        }
    }

    /// Returns the preprocessing for an image size.
    ///
    /// # Errors
    /// A file that is missing, damaged or fitted for another size.
    pub fn preprocessor(&self, geometry: Geometry) -> Result<Preprocessor, PreprocessError> {
        match self {
            Self::Unit => Preprocessor::fit(Method::None, &[], geometry),
            Self::MeanStd { mean, std } => Ok(Preprocessor::mean_std(geometry, mean.to_vec(), std.to_vec())),
            Self::File(path) => {
                let preprocessor = Preprocessor::load(path)?;
                preprocessor.check_geometry(geometry)?;
                Ok(preprocessor)
            }
        }
    }
}

impl fmt::Display for Scaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("value / 255"),
            scaling if *scaling == Self::IMAGENET => {
                f.write_str("ImageNet's mean and deviation (torchvision)")
            }
            scaling if *scaling == Self::CAFFE => f.write_str("value - ImageNet's mean (Caffe)"),
            Self::MeanStd { mean, std } => write!(f, "(value / 255 - {mean:?}) / {std:?}"),
            Self::File(path) => f.write_str(&path.text()),
        }
    }
}

impl FromStr for Scaling {
    type Err = ScalingError;

    fn from_str(text: &str) -> Result<Self, ScalingError> {
        match text {
            "none" => Ok(Self::Unit),
            "imagenet" => Ok(Self::IMAGENET),
            "caffe" => Ok(Self::CAFFE),
            _ if text.ends_with(".safetensors") => Ok(Self::File(text.into())),
            _ => {
                let (mean, std) = text.split_once('/').ok_or(ScalingError)?;
                let (mean, std) = (three(mean)?, three(std)?);
                if std.iter().all(|&std| std >= MIN_DEVIATION) {
                    Ok(Self::MeanStd { mean, std })
                } else {
                    Err(ScalingError)
                }
            }
        }
    }
}

fn three(text: &str) -> Result<[f32; 3], ScalingError> {
    let numbers =
        text.split(',').map(|number| number.trim().parse::<f32>().ok().filter(|x| x.abs() <= MAX_VALUE));
    let numbers: Vec<f32> = numbers.collect::<Option<_>>().ok_or(ScalingError)?;
    numbers.try_into().map_err(|_| ScalingError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalings_as_people_write_them() {
        assert_eq!("none".parse::<Scaling>().unwrap(), Scaling::Unit);
        let own: Scaling = "0.5, 0.25,0/1,2,3".parse().unwrap();
        assert_eq!(own, Scaling::MeanStd { mean: [0.5, 0.25, 0.0], std: [1.0, 2.0, 3.0] });
        assert!(matches!("run/preprocess.safetensors".parse(), Ok(Scaling::File(_))));
        for text in [
            "",
            "gcn-zca",
            "1,2,3",
            "1,2/3,4",
            "1,2,3/1,2,0",
            "1,2,nan/1,2,3",
            "1,2,3/1,2,1e-45",
            "1,2,1e30/1,2,3",
        ] {
            assert!(text.parse::<Scaling>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_presets_bring_their_framing() {
        assert_eq!(Scaling::IMAGENET.framing(224, 224), Some(Framing::ShorterSide(256)));
        assert_eq!(Scaling::IMAGENET.framing(96, 64), Some(Framing::ShorterSide(110)));
        assert_eq!(Scaling::CAFFE.framing(227, 227), Some(Framing::Square(256)));
        assert_eq!(Scaling::Unit.framing(224, 224), None);
        for side in 1..600 {
            for scaling in [Scaling::IMAGENET, Scaling::CAFFE] {
                assert_eq!(scaling.framing(side, 1).unwrap().fault(side, 1), None, "{side}");
            }
        }
    }

    #[test]
    fn caffe_takes_the_value_without_its_mean() {
        let geometry = Geometry { height: 1, width: 1, channels: 3 };
        let mut input = [0.0; 3];
        Scaling::CAFFE.preprocessor(geometry).unwrap().apply(&[200, 0, 104], &mut input);
        for (given, expected) in input.iter().zip([77.321_09, -116.668_77, -0.006_99]) {
            assert!((given - expected).abs() < 1e-4, "{given} {expected}");
        }
        Scaling::IMAGENET.preprocessor(geometry).unwrap().apply(&[255, 0, 255], &mut input);
        assert!((input[0] - (1.0 - 0.485) / 0.229).abs() < 1e-5, "{input:?}");
    }
}
