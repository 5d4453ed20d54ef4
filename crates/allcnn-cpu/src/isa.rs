//! Which instruction set runs: detected once, capped by `ALLCNN_MAX_ISA`.

use std::fmt;
use std::str::FromStr;

#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Kernel, Portable};

/// Environment variable that caps the instruction set: the name of one.
const CAP: &str = "ALLCNN_MAX_ISA";

/// An instruction set, from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What the compiler's baseline offers.
    Portable,
    /// Plain code with NEON's register tile, of more rows than a vector has lanes: so that every machine tests it.
    #[cfg(test)]
    TallTile,
    /// NEON of aarch64.
    Neon,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 with dot products of bf16 pairs (AVX512_BF16).
    Avx512Bf16,
    /// [`Self::Avx512Bf16`] with matrix tiles of bf16 (AMX), where the operating system lets the process use them.
    Amx,
}

/// From the narrowest to the widest.
const ALL: &[Isa] = &[
    Isa::Portable,
    #[cfg(test)]
    Isa::TallTile,
    Isa::Neon,
    Isa::Avx2,
    Isa::Avx512,
    Isa::Avx512Bf16,
    Isa::Amx,
];

impl Isa {
    /// Every instruction set that this machine has, narrowest first.
    pub fn available() -> Vec<Isa> {
        ALL.iter().copied().filter(|isa| isa.is_detected()).collect()
    }

    /// The widest set that the machine has and `ALLCNN_MAX_ISA` allows.
    ///
    /// # Errors
    /// A sentence when the variable holds an unknown name.
    pub fn detect() -> Result<Isa, String> {
        let cap = match std::env::var(CAP) {
            Ok(name) => name.parse().map_err(|error| format!("{CAP}: {error}"))?,
            Err(_) => Isa::Amx,
        };
        Ok(Self::available().into_iter().rfind(|&isa| isa <= cap).unwrap_or(Isa::Portable))
    }

    #[cfg(target_arch = "x86_64")]
    fn is_detected(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(test)]
            Isa::TallTile => true,
            Isa::Neon => false,
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            Isa::Avx512Bf16 => Isa::Avx512.is_detected() && is_x86_feature_detected!("avx512bf16"),
            Isa::Amx => Isa::Avx512Bf16.is_detected() && amx_is_usable(),
        }
    }
    #[cfg(target_arch = "aarch64")]
    fn is_detected(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(test)]
            Isa::TallTile => true,
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            _ => false,
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
            Isa::Portable => kernel.run(Portable::<4>),
            #[cfg(test)]
            Isa::TallTile => kernel.run(Portable::<8>),
            // SAFETY: an `Isa` is used only after it was detected.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: detection of the wider sets includes that of AVX-512.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx => unsafe { run_avx512(kernel) },
            // SAFETY: an `Isa` is used only after it was detected.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => unsafe { run_neon(kernel) },
            #[allow(unreachable_patterns)] // which sets are left over depends on the machine
            _ => unreachable!("{self} is never detected on this machine"),
        }
    }
}

impl Isa {
    /// Runs a kernel that multiplies by [`crate::simd::Simd::dot`], compiled for the sets that have an instruction for
    /// it; as plain code with the others, for tests.
    #[inline]
    pub(crate) fn run_dots<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            // SAFETY: an `Isa` is used only after it was detected; AMX has all of AVX512_BF16.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 | Isa::Amx => unsafe { run_avx512_bf16(kernel) },
            _ => kernel.run(Portable::<4>),
        }
    }
}

/// Whether the CPU has bf16 tiles and the system gives them to this process, for all its threads.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn amx_is_usable() -> bool {
    /// Bits of `edx` in leaf 7 of CPUID: AMX-BF16 and AMX-TILE.
    const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    /// Code of `arch_prctl` that asks for a part of the register state, and the number of the tiles' data.
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    let leaf = std::arch::x86_64::__cpuid_count(7, 0);
    // SAFETY: the call only changes what this process may use; it fails on systems that do not know it.
    leaf.edx & BF16_AND_TILE == BF16_AND_TILE
        && unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) } == 0
}
#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn amx_is_usable() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<false>)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
fn run_avx512_bf16<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<true>)
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
            #[cfg(test)]
            Isa::TallTile => "tall tile",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Amx => "amx",
        })
    }
}

impl FromStr for Isa {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        ALL.iter().copied().find(|isa| isa.to_string() == name).ok_or_else(|| {
            let known = ALL.iter().map(Isa::to_string).collect::<Vec<_>>().join(", ");
            format!("unknown instruction set '{name}'; expected one of {known}")
        })
    }
}
