//! Local winner-take-all.

use super::length::assert_len;
use crate::LwtaShape;

/// The index of the largest value, the first of equals.
fn winner(group: &[f32]) -> usize {
    (1..group.len()).fold(0, |best, at| if group[at] > group[best] { at } else { best })
}

pub(super) fn forward(shape: &LwtaShape, input: &[f32], output: &mut [f32]) {
    assert_len(input, shape.input.len(), "input");
    assert_len(output, shape.input.len(), "output");
    keep_winners(shape, input, input, output);
}

pub(super) fn backward(shape: &LwtaShape, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    assert_len(input, shape.input.len(), "input");
    assert_len(d_output, shape.input.len(), "d_output");
    assert_len(d_input, shape.input.len(), "d_input");
    keep_winners(shape, input, d_output, d_input);
}

/// Of each group of `values` the one whose input won, and zeros.
fn keep_winners(shape: &LwtaShape, input: &[f32], values: &[f32], kept: &mut [f32]) {
    kept.fill(0.0);
    for (number, group) in input.chunks(shape.size).enumerate() {
        let at = number * shape.size + winner(group);
        kept[at] = values[at];
    }
}

#[cfg(test)]
mod tests {
    use super::{backward, forward};
    use crate::{LwtaShape, Shape};

    #[test]
    fn the_first_of_equal_winners_keeps_its_value_and_gets_the_signal() {
        let input = Shape { batch: 1, height: 1, width: 2, channels: 3 };
        let shape = LwtaShape { input, size: 3 }.checked().unwrap();
        let (x, mut y, mut d) = ([2.0, 5.0, 5.0, -3.0, -1.0, -2.0], [9.0; 6], [9.0; 6]);
        forward(&shape, &x, &mut y);
        assert_eq!(y, [0.0, 5.0, 0.0, 0.0, -1.0, 0.0]);
        backward(&shape, &x, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut d);
        assert_eq!(d, [0.0, 2.0, 0.0, 0.0, 5.0, 0.0]);
    }

    #[test]
    fn groups_that_do_not_fill_the_channels_are_refused_with_the_numbers() {
        for size in [0, 2, 6] {
            let input = Shape { batch: 1, height: 1, width: 2, channels: 3 };
            let message = LwtaShape { input, size }.checked().unwrap_err().to_string();
            let expected =
                format!("groups of {size} of 3 channels; expected a size of at least 1 that divides");
            assert!(message.contains(&expected), "{message}");
        }
    }
}
