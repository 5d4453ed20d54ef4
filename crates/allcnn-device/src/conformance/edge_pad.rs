//! Padding by copies of the nearest pixel.

use super::arena::{Arena, Results, numbers};
use super::other::{TOLERANCE, differences};
use crate::{Device, EdgePad, Shape};

pub(super) fn compare<D: Device>(arena: &Arena<'_, D>, pad: EdgePad, results: &mut Results) {
    let (narrow, wide) = (pad.input.len(), pad.output().len());
    let (input, d_output) = (numbers(narrow, 1), numbers(wide, 2));
    let padded = |input: &[f32]| {
        let (input, mut output) = (arena.put(input), arena.output(wide));
        arena.device.edge_pad_forward(pad, &input, &mut output);
        arena.get(&output, wide)
    };
    let (signal, mut d_input) = (arena.put(&d_output), arena.output(narrow));
    arena.device.edge_pad_backward(pad, &signal, &mut d_input);
    let d_input = arena.get(&d_input, narrow);
    differences(format!("{pad:?}: differences"), padded, &input, &d_output, &d_input, results);
    results.push(format!("{pad:?}"), padded(&input), 0.0);
    results.push(format!("{pad:?}: backward"), d_input, TOLERANCE);
}

/// The cases, with one pixel, one channel, and sides that are not padded.
pub(super) fn cases() -> Vec<EdgePad> {
    let case = |(batch, height, width, channels), rows, columns| EdgePad {
        input: Shape { batch, height, width, channels },
        rows,
        columns,
    };
    vec![
        case((2, 4, 5, 3), 2, 3),
        case((1, 1, 1, 17), 3, 2),
        case((3, 2, 3, 1), 0, 4),
        case((1, 3, 2, 8), 1, 0),
        case((2, 2, 2, 5), 0, 0),
    ]
}
