//! What is done where classes have unequally many training images.

use std::fmt;
use std::str::FromStr;

/// How much the images of a class count in a training, where classes have unequally many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Balance {
    /// Every image counts alike, so a class counts as much as it has images.
    #[default]
    None,
    /// Every image is shown once an epoch; its loss is multiplied by N / (K n), for N images of K classes of which its
    /// own has n. The mean weight of the images is 1.
    Loss,
    /// An epoch of N images shows N / K of each of K classes: those of a small class several times, those of a large
    /// one in part.
    Sampling,
}

impl Balance {
    const ALL: [Self; 3] = [Self::None, Self::Loss, Self::Sampling];

    /// Whether classes are left as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Loss => "loss",
            Self::Sampling => "sampling",
        })
    }
}

impl FromStr for Balance {
    type Err = UnknownBalance;

    fn from_str(text: &str) -> Result<Self, UnknownBalance> {
        let named = Self::ALL.into_iter().find(|balance| balance.to_string() == text);
        named.ok_or_else(|| UnknownBalance(text.to_owned()))
    }
}

/// The error for an unknown way to balance classes.
#[derive(Debug, thiserror::Error)]
#[error("unknown balance `{0}`: expected none, loss or sampling")]
pub struct UnknownBalance(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_refused_with_what_is_expected() {
        for balance in Balance::ALL {
            assert_eq!(balance.to_string().parse::<Balance>().unwrap(), balance);
        }
        let said = "classes".parse::<Balance>().unwrap_err().to_string();
        assert_eq!(said, "unknown balance `classes`: expected none, loss or sampling");
    }
}
