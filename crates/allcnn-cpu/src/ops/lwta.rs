//! Local winner-take-all: of each group of neighboring channels the largest stays.

use crate::simd::{Kernel, Simd};
use crate::whole::{pieces, pieces_mut};

/// Of each group of `values` the one whose input won, the first of equals, and zeros: forward `values` is the input itself,
/// backward the signal.
pub(crate) struct KeepWinners<'a> {
    /// Channels in a group.
    pub size: usize,
    pub input: &'a [f32],
    pub values: &'a [f32],
    pub kept: &'a mut [f32],
}

impl Kernel for KeepWinners<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // Groups of a length that is known while compiling become vector code.
        match self.size {
            2 => self.groups(2),
            4 => self.groups(4),
            size => self.groups(size),
        }
    }
}

impl KeepWinners<'_> {
    #[inline(always)]
    fn groups(self, size: usize) {
        let groups = pieces(self.input, size).zip(pieces(self.values, size));
        for ((group, values), kept) in groups.zip(pieces_mut(self.kept, size)) {
            let (mut best, mut winner) = (group[0], 0);
            for (at, &value) in group.iter().enumerate().skip(1) {
                winner = if value > best { at } else { winner };
                best = if value > best { value } else { best };
            }
            for (at, (&value, kept)) in values.iter().zip(kept).enumerate() {
                *kept = if at == winner { value } else { 0.0 };
            }
        }
    }
}
