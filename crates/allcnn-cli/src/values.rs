//! Parsers of flag values; each error says what was given and what is expected.

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use allcnn::data::{Framing, Holdout};
use allcnn::import::{Scaling, ScalingError};
use allcnn::recipe::MAX_MIXUP;
use allcnn::visualise::Position;
use clap::builder::{OsStringValueParser, TypedValueParser};
use jiff::SignedDuration;

/// The device to compute on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// The fastest device there is.
    Auto,
    /// The processor.
    Cpu,
    /// A CUDA device, by number.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "expected cpu, cuda, cuda:N or auto".to_owned()),
        }
    }
}

/// An integer from 1 to `most`.
pub(crate) fn count<T>(most: usize) -> impl TypedValueParser<Value = T>
where
    T: TryFrom<usize> + Clone + Send + Sync + 'static,
{
    clap::builder::StringValueParser::new().try_map(move |text| {
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("expected a whole number from 1 to {most}"))
    })
}

/// A number or a share of the images of each class, not none of them.
pub(crate) fn some_of_each_class(text: &str) -> Result<Holdout, String> {
    match text.parse() {
        Ok(Holdout::Nothing) => Err("expected images of each class (50) or a share of them (10%)".into()),
        share => share.map_err(|error: allcnn::data::Error| error.to_string()),
    }
}

/// A number of folds.
pub(crate) fn folds(text: &str) -> Result<usize, String> {
    const MOST: usize = 1000;
    let number = text.parse().ok().filter(|number| (2..=MOST).contains(number));
    number.ok_or_else(|| {
        format!("expected a whole number from 2 to {MOST}: each fold holds out a part of the images")
    })
}

/// A number of shards.
pub(crate) fn shards(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number: &usize| number.is_power_of_two());
    number.ok_or_else(|| "expected a power of two: 1, 2, 4, 8, ...".to_owned())
}

/// A finite positive number.
pub(crate) fn positive(text: &str) -> Result<f32, String> {
    real(text).filter(|&number| number > 0.0).ok_or_else(|| "expected a number above 0".to_owned())
}

/// A finite positive number, in double precision.
pub(crate) fn learning_rate(text: &str) -> Result<f64, String> {
    positive(text)?;
    text.parse().map_err(|_| "expected a number above 0".to_owned())
}

/// A finite non-negative number.
pub(crate) fn non_negative(text: &str) -> Result<f32, String> {
    real(text).filter(|&number| number >= 0.0).ok_or_else(|| "expected a number of at least 0".to_owned())
}

/// A number in [0, 1).
pub(crate) fn share(text: &str) -> Result<f32, String> {
    real(text)
        .filter(|number| (0.0..1.0).contains(number))
        .ok_or_else(|| "expected a number of at least 0 and below 1".to_owned())
}

/// The parameter of mixup's distribution.
pub(crate) fn mixup(text: &str) -> Result<f32, String> {
    real(text)
        .filter(|number| (0.0..=MAX_MIXUP).contains(number))
        .ok_or_else(|| format!("expected a number from 0 (none) to {MAX_MIXUP}, 0.2 is usual"))
}

/// A similarity in (0, 1].
pub(crate) fn similarity(text: &str) -> Result<f32, String> {
    real(text)
        .filter(|&number| number > 0.0 && number <= 1.0)
        .ok_or_else(|| "expected a number above 0 and at most 1".to_owned())
}

fn real(text: &str) -> Option<f32> {
    text.parse().ok().filter(|number: &f32| number.is_finite())
}

/// A unit of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnitChoice {
    /// The most active one.
    Strongest,
    /// A channel.
    Number(usize),
    /// The unit of a class.
    Class(String),
}

/// A unit of a layer: a channel, `max`, or the name of a class.
pub(crate) fn unit(text: &str) -> Result<UnitChoice, String> {
    let is_number = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "max" => Ok(UnitChoice::Strongest),
        _ if !is_number => Ok(UnitChoice::Class(text.to_owned())),
        _ => text
            .parse()
            .map(UnitChoice::Number)
            .map_err(|_| "expected a whole number from 0, max, or the name of a class".to_owned()),
    }
}

/// A position in a channel: row and column.
pub(crate) fn position(text: &str) -> Result<Position, String> {
    text.split_once(',')
        .and_then(|(row, column)| Some(Position::At { row: row.parse().ok()?, column: column.parse().ok()? }))
        .ok_or_else(|| "expected a row and a column from 0, such as 4,7".to_owned())
}

/// Integers from A up to, not including, B, as in `4..8`; or a single one.
pub(crate) fn range(text: &str) -> Result<Range<usize>, String> {
    let number = |text: &str| text.parse::<usize>().ok();
    let range = match text.split_once("..") {
        Some((start, end)) => number(start).zip(number(end)),
        None => number(text).and_then(|one| Some((one, one.checked_add(1)?))),
    };
    range
        .filter(|(start, end)| start < end)
        .map(|(start, end)| start..end)
        .ok_or_else(|| "expected A..B with A below B, such as 0..16, or one number".to_owned())
}

/// The preprocessing of imported weights: a word, numbers, or a file, whose name need not be UTF-8.
pub(crate) fn scaling() -> impl TypedValueParser<Value = Scaling> {
    OsStringValueParser::new().try_map(|given: OsString| match given.to_str() {
        Some(text) => text.parse(),
        None if Path::new(&given).extension().is_some_and(|extension| extension == "safetensors") => {
            Ok(Scaling::File(given.into()))
        }
        None => Err(ScalingError),
    })
}

/// A size in pixels, as in `32x32`: height and width.
pub(crate) fn image_size(text: &str) -> Result<(usize, usize), String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=65_536).contains(side));
    text.split_once('x')
        .and_then(|(height, width)| Some((side(height)?, side(width)?)))
        .ok_or_else(|| "expected height and width in pixels, such as 64x64".to_owned())
}

/// The framing of pictures for imported weights: `whole`, or the length that the shorter side is scaled to before the
/// input is cropped from the center.
pub(crate) fn framing(text: &str) -> Result<Framing, String> {
    match (text, text.parse()) {
        ("whole", _) => Ok(Framing::Whole),
        (_, Ok(side)) if side > 0 => Ok(Framing::ShorterSide(side)),
        _ => Err("expected a number of pixels, such as 256, or whole".to_owned()),
    }
}

/// A positive duration: a number of seconds, or numbers with units, as in `90s`, `1.5h` or `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let length = seconds.or_else(|| text.parse::<SignedDuration>().ok()?.try_into().ok());
    length
        .filter(|length| !length.is_zero())
        .ok_or_else(|| "expected a length of time above 0, such as 90s, 30m or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        for (text, seconds) in
            [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("45", 45)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "0s", "m", "5d", "-3m", "1m5", "99999999999999999999h", "18446744073709551615h"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_two_sides() {
        assert_eq!(image_size("32x48"), Ok((32, 48)));
        assert!(["32", "x", "0x5", "32x", "axb", "1x99999999"].iter().all(|text| image_size(text).is_err()));
    }

    #[test]
    fn framings_are_whole_or_a_number_of_pixels() {
        assert_eq!(framing("whole"), Ok(Framing::Whole));
        assert_eq!(framing("256"), Ok(Framing::ShorterSide(256)));
        assert!(["", "0", "-1", "256x256", "middle"].iter().all(|text| framing(text).is_err()));
    }

    #[test]
    fn units_and_places() {
        assert_eq!((unit("max"), unit("7")), (Ok(UnitChoice::Strongest), Ok(UnitChoice::Number(7))));
        assert_eq!(unit("7 cats"), Ok(UnitChoice::Class("7 cats".into())));
        assert!(["", "-1", "99999999999999999999"].iter().all(|text| unit(text).is_err()));
        assert_eq!(position("4,7"), Ok(Position::At { row: 4, column: 7 }));
        assert!(["", "4", "4,", "-1,2", "4x7"].iter().all(|text| position(text).is_err()));
    }

    #[test]
    fn ranges_and_single_numbers() {
        assert_eq!((range("4..8"), range("7")), (Ok(4..8), Ok(7..8)));
        assert!(["", "..", "4..", "8..4", "4..4", "-1..3", "1..=3"].iter().all(|text| range(text).is_err()));
    }

    #[test]
    fn devices_by_name() {
        assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Cuda(3)));
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for text in ["gpu", "cuda:", "cuda:x", "CPU", ""] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert_eq!(positive("0.05"), Ok(0.05));
        assert_eq!((learning_rate("0.05"), learning_rate("0").is_err()), (Ok(0.05), true));
        assert!(["0", "-1", "nan", "inf", "x"].iter().all(|text| positive(text).is_err()));
        assert!(["-0.1", "inf"].iter().all(|text| non_negative(text).is_err()));
        assert!(["1", "-0.1", "nan"].iter().all(|text| share(text).is_err()));
        assert_eq!(share("0.9"), Ok(0.9));
    }
}
