//! Dropout rates given by a recipe or a user.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Dropout rates that replace a network's own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutRates {
    /// On the input image.
    pub input: f32,
    /// After every layer with dropout.
    pub others: f32,
}

impl DropoutRates {
    /// Whether both rates are in [0, 1).
    pub(super) fn are_sound(self) -> bool {
        [self.input, self.others].iter().all(|rate| (0.0..1.0).contains(rate))
    }
}

impl FromStr for DropoutRates {
    type Err = String;

    /// Parses `INPUT,OTHERS`, as in `0.2,0.5`, or `none` for no dropout.
    fn from_str(text: &str) -> Result<Self, String> {
        let rates = match text.split_once(',') {
            None if text == "none" => Some((0.0, 0.0)),
            None => None,
            Some((input, others)) => input.trim().parse().ok().zip(others.trim().parse().ok()),
        };
        let rates = rates.map(|(input, others)| Self { input, others });
        rates.filter(|rates| rates.are_sound()).ok_or_else(|| {
            "expected none, or two rates from 0 to below 1: that on the picture and that between the layers, \
             as in 0.2,0.5"
                .into()
        })
    }
}

impl fmt::Display for DropoutRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.input, self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_from_text() {
        assert_eq!("0.1,0.3".parse(), Ok(DropoutRates { input: 0.1, others: 0.3 }));
        assert_eq!("none".parse(), Ok(DropoutRates { input: 0.0, others: 0.0 }));
        for wrong in ["", "0.5", "0.2,1", "-0.1,0.5", "0.2,0.5,0.5", "nan,0"] {
            assert!(wrong.parse::<DropoutRates>().unwrap_err().contains("two rates"), "{wrong}");
        }
    }
}
