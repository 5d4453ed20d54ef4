//! Which instruction set runs: detected once, capped by `ALLCNN_MAX_ISA`.

use std::fmt;
use std::str::FromStr;

#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Kernel, Portable};

/// Environment variable that caps the instruction set: `portable`, `neon`, `avx2` or `avx512`.
const CAP: &str = "ALLCNN_MAX_ISA";

/// An instruction set, from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What the compiler's baseline offers.
    Portable,
    /// NEON of aarch64.
    Neon,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Isa {
    /// Every instruction set that this machine has, narrowest first.
    pub fn available() -> Vec<Isa> {
        [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512]
            .into_iter()
            .filter(|isa| isa.is_detected())
            .collect()
    }

    /// The widest set that the machine has and `ALLCNN_MAX_ISA` allows.
    ///
    /// # Errors
    /// A sentence when the variable holds an unknown name.
    pub fn detect() -> Result<Isa, String> {
        let cap = match std::env::var(CAP) {
            Ok(name) => name.parse().map_err(|error| format!("{CAP}: {error}"))?,
            Err(_) => Isa::Avx512,
        };
        Ok(Self::available().into_iter().rfind(|&isa| isa <= cap).unwrap_or(Isa::Portable))
    }

    #[cfg(target_arch = "x86_64")]
    fn is_detected(self) -> bool {
        match self {
            Isa::Portable => true,
            Isa::Neon => false,
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }
    #[cfg(target_arch = "aarch64")]
    fn is_detected(self) -> bool {
        match self {
            Isa::Portable => true,
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Isa::Avx2 | Isa::Avx512 => false,
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn is_detected(self) -> bool {
        self == Isa::Portable
    }

    /// Runs a kernel compiled for this instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Isa::Portable => kernel.run(Portable),
            // SAFETY: an `Isa` is used only after it was detected.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { run_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => unsafe { run_neon(kernel) },
            #[allow(unreachable_patterns)] // which sets are left over depends on the machine
            _ => unreachable!("{self} is never detected on this machine"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512)
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn run_neon<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon)
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        })
    }
}

impl FromStr for Isa {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512]
            .into_iter()
            .find(|isa| isa.to_string() == name)
            .ok_or_else(|| {
                format!("unknown instruction set '{name}'; expected portable, neon, avx2 or avx512")
            })
    }
}
