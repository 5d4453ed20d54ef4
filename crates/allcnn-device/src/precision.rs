//! The precision of a convolution's products.

use std::fmt;
use std::str::FromStr;

/// The precision of a convolution's factors. Sums, weights and everything else are f32; a device may store the values
/// between convolutions in the precision of the factors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32: 24 bits, or 16 where a device is faster with them and rounding errors stay those of an f32 convolution by
    /// a fast algorithm (at most 1e-5 of the largest value). A GPU may be set to 11 bits (TF32).
    #[default]
    F32,
    /// bf16: 8 bits.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            _ => Err(format!("unknown precision '{name}'; expected f32 or bf16")),
        }
    }
}
