//! Maxout: the maximum over neighbouring channels.

use crate::whole::{pieces as pieces_of, pieces_mut as pieces_of_mut};

/// The largest of each `pieces` values; a switch tells which. The first one wins a tie, and a group of NaN.
#[inline(always)]
pub(crate) fn forward(pieces: usize, input: &[f32], output: &mut [f32], switches: &mut [u32]) {
    for ((group, largest), switch) in pieces_of(input, pieces).zip(output).zip(switches) {
        let (mut best, mut at) = (group[0], 0);
        for (piece, &value) in group.iter().enumerate().skip(1) {
            at = if value > best { piece } else { at };
            best = if value > best { value } else { best };
        }
        *largest = best;
        *switch = at as u32;
    }
}

/// Each signal goes to the piece that won; the others get 0.
#[inline(always)]
pub(crate) fn backward(pieces: usize, d_output: &[f32], switches: &[u32], d_input: &mut [f32]) {
    for ((group, &signal), &switch) in pieces_of_mut(d_input, pieces).zip(d_output).zip(switches) {
        for (piece, value) in group.iter_mut().enumerate() {
            *value = if piece == switch as usize { signal } else { 0.0 };
        }
    }
}
