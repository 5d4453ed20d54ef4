//! The cases: small shapes at every edge of every algorithm, and layers of the networks at a small batch.

use crate::{
    ConvShape, DenseShape, Fractional, Grid, LrnShape, LwtaShape, PoolKind, PoolShape, RegionSequence, Shape,
    Windows,
};

/// A named shape.
#[derive(Clone, Debug)]
pub struct Case<T> {
    /// For messages.
    pub name: String,
    /// The operation's shape.
    pub shape: T,
}

fn size(batch: usize, height: usize, width: usize, channels: usize) -> Shape {
    Shape { batch, height, width, channels }
}

/// Convolutions.
pub fn convolutions() -> Vec<Case<ConvShape>> {
    let mut cases = Vec::new();
    let mut add = |input: Shape, out_channels, kernel, stride, padding, groups| {
        let Shape { batch, height, width, channels } = input;
        let name = format!(
            "conv {batch}x{height}x{width}x{channels}->{out_channels} {kernel}x{kernel}/{stride} pad {padding} groups {groups}"
        );
        let shape = ConvShape { input, out_channels, kernel, stride, padding, groups };
        cases.push(Case { name, shape });
    };
    // Edges: one of everything, odd sizes, stride above kernel, padding above what the kernel needs.
    add(size(1, 1, 1, 1), 1, 1, 1, 0, 1);
    add(size(1, 3, 3, 1), 1, 3, 1, 1, 1);
    add(size(1, 5, 7, 2), 3, 3, 1, 1, 1);
    add(size(3, 7, 5, 5), 7, 3, 2, 1, 1);
    add(size(2, 9, 9, 4), 5, 2, 3, 0, 1);
    add(size(2, 6, 6, 9), 17, 1, 2, 0, 1);
    add(size(1, 4, 4, 3), 2, 3, 1, 3, 1);
    add(size(2, 5, 5, 3), 2, 2, 4, 1, 1);
    add(size(1, 2, 9, 33), 49, 3, 1, 1, 1);
    add(size(1, 8, 8, 1030), 6, 1, 1, 0, 1);
    add(size(5, 3, 3, 16), 48, 3, 1, 0, 1);
    // Every remainder of the register tiles: 8 and 4 rows, 16-, 8- and 4-lane panels of three vectors.
    for channels in [12, 15, 24, 31, 47, 48, 50, 64, 97] {
        add(size(1, 6, 5, channels), channels + 1, 3, 1, 1, 1);
    }
    // Every number of channels up to two vectors and one, in and out, for each kernel that some algorithm serves in its own
    // way: whatever is filled up to whole vectors, to rows of register tiles or to blocks.
    for channels in 1..=33 {
        let others = 34 - channels;
        for (kernel, stride, padding) in [(1, 1, 0), (2, 1, 0), (3, 1, 1), (5, 1, 2), (3, 2, 1), (2, 2, 0)] {
            add(size(1, 6, 7, channels), others, kernel, stride, padding, 1);
        }
        add(size(1, 5, 5, 2 * channels), 2 * others, 3, 1, 1, 2);
    }
    // Tiles of Winograd that stick out of the image, for each kernel it serves.
    for side in [4, 5, 6, 7, 8, 9, 13] {
        add(size(2, side, side + 1, 20), 24, 3, 1, 1, 1);
        add(size(2, side + 1, side, 20), 24, 3, 1, 0, 1);
        add(size(1, side + 1, side + 2, 18), 20, 5, 1, 2, 1);
        add(size(2, side, side, 17), 19, 2, 1, 0, 1);
    }
    // Strides over each remainder of the size.
    for side in [5, 6, 7, 8] {
        add(size(2, side, side, 16), 20, 3, 2, 1, 1);
        add(size(2, side, side, 16), 20, 2, 2, 0, 1);
        add(size(1, side, side, 6), 8, 5, 3, 2, 1);
    }
    // Tiles over a stride that stick out of the image, for each padding.
    for side in [7, 9, 15, 16, 17] {
        add(size(2, side, side + 1, 20), 24, 3, 2, 1, 1);
        add(size(1, side + 1, side, 18), 17, 3, 2, 0, 1);
        add(size(1, side, side + 2, 17), 19, 3, 2, 2, 1);
    }
    // Tiles and channels enough for Winograd's products in blocks of 32.
    add(size(3, 16, 16, 64), 80, 3, 1, 1, 1);
    // More than caches hold, which a device may write past them.
    add(size(9, 64, 65, 32), 32, 2, 1, 0, 1);
    // Groups.
    add(size(2, 6, 6, 8), 12, 3, 1, 1, 2);
    add(size(2, 7, 7, 6), 6, 3, 2, 1, 6);
    add(size(1, 5, 5, 96), 104, 5, 1, 2, 2);
    // The networks' layers, small in batch (and, for ImageNet's, in size).
    add(size(2, 32, 32, 3), 96, 3, 1, 1, 1);
    add(size(1, 32, 32, 3), 96, 5, 1, 2, 1);
    add(size(1, 32, 32, 96), 96, 3, 1, 1, 1);
    add(size(1, 32, 32, 96), 96, 3, 2, 1, 1);
    add(size(1, 16, 16, 96), 192, 3, 1, 1, 1);
    add(size(1, 16, 16, 96), 192, 5, 1, 2, 1);
    add(size(1, 16, 16, 192), 192, 3, 1, 1, 1);
    add(size(1, 16, 16, 192), 192, 3, 2, 1, 1);
    add(size(2, 8, 8, 192), 192, 3, 1, 0, 1);
    add(size(3, 6, 6, 192), 192, 1, 1, 0, 1);
    add(size(3, 6, 6, 192), 10, 1, 1, 0, 1);
    add(size(1, 47, 47, 3), 96, 11, 4, 1, 1);
    add(size(1, 9, 9, 256), 256, 3, 2, 1, 1);
    add(size(1, 13, 13, 320), 320, 2, 1, 0, 1);
    cases
}

/// Two convolutions, of which the second one reads what the first one writes.
pub fn neighbors() -> Vec<Case<[ConvShape; 2]>> {
    let mut cases = Vec::new();
    // Channels between the two that fill whole blocks of 32, and some that do not; pictures, strides, a head.
    for (side, channels, [kernel, next_kernel], stride) in [
        (9, [3, 32, 40], [3, 3], 1),
        (8, [32, 64, 96], [3, 3], 2),
        (7, [64, 96, 10], [1, 2], 1),
        (6, [32, 48, 32], [3, 3], 1),
    ] {
        let shape = |input: Shape, out_channels, kernel, stride| ConvShape {
            input,
            out_channels,
            kernel,
            stride,
            padding: kernel / 2,
            groups: 1,
        };
        let below = shape(size(2, side, side + 1, channels[0]), channels[1], kernel, 1);
        let above = shape(below.output(), channels[2], next_kernel, stride);
        let name = format!("conv {channels:?}, kernels {kernel} and {next_kernel}, linked");
        cases.push(Case { name, shape: [below, above] });
    }
    cases
}

/// Poolings: maximum, mean, norms and stochastic pooling over windows in a grid (floor and ceil, overlapping or not) and over fractional
/// ones; maxout and probout.
pub fn poolings() -> Vec<Case<PoolShape>> {
    let kinds = [
        PoolKind::Max,
        PoolKind::Average,
        PoolKind::PNorm { p: 1.0 },
        PoolKind::PNorm { p: 2.0 },
        PoolKind::PNorm { p: 3.5 },
        PoolKind::PNorm { p: 40.0 },
        PoolKind::Stochastic,
    ];
    let grid = |kernel, stride, padding, ceil| Windows::Grid(Grid { kernel, stride, padding, ceil });
    let fractional =
        |alpha, sequence, overlapping| Windows::Fractional(Fractional { alpha, sequence, overlapping });
    let windows = [
        (size(2, 32, 32, 7), grid(3, 2, 0, true)),
        (size(1, 7, 9, 5), grid(3, 2, 0, false)),
        (size(2, 7, 6, 16), grid(2, 2, 0, true)),
        (size(1, 6, 7, 3), grid(3, 2, 1, true)),
        (size(1, 5, 5, 1), grid(2, 3, 0, true)),
        (size(3, 4, 4, 33), grid(4, 1, 2, false)),
        (size(2, 25, 17, 5), fractional(1.414, RegionSequence::Pseudorandom, true)),
        (size(1, 9, 14, 33), fractional(1.26, RegionSequence::Random, true)),
        (size(2, 3, 3, 4), fractional(1.5, RegionSequence::Pseudorandom, false)),
        (size(3, 16, 7, 6), fractional(1.9, RegionSequence::Random, false)),
    ];
    let mut cases = Vec::new();
    let mut add = |input, windows, kind| {
        let shape = PoolShape { input, windows, kind };
        cases.push(Case { name: format!("pool {shape:?}"), shape });
    };
    for kind in kinds {
        for (input, windows) in windows {
            add(input, windows, kind);
        }
    }
    for (input, pieces) in
        [(size(2, 5, 7, 64), 2), (size(1, 1, 1, 35), 5), (size(3, 4, 3, 6), 6), (size(2, 3, 5, 7), 1)]
    {
        add(input, Windows::Channels { pieces }, PoolKind::Max);
        for lambda in [0.7, 5.0] {
            add(input, Windows::Channels { pieces }, PoolKind::Probabilistic { lambda });
        }
    }
    cases
}

/// Learned-norm poolings: windows that overlap or do not, with a border, and fractional ones.
pub fn learned_norms() -> Vec<Case<PoolShape>> {
    let grid = |kernel, stride, padding| Windows::Grid(Grid { kernel, stride, padding, ceil: true });
    let fractional = Windows::Fractional(Fractional {
        alpha: 1.414,
        sequence: RegionSequence::Pseudorandom,
        overlapping: true,
    });
    let windows = [
        (size(2, 9, 8, 7), grid(3, 2, 0)),
        (size(1, 6, 7, 33), grid(3, 2, 1)),
        (size(3, 4, 4, 16), grid(2, 2, 0)),
        (size(1, 2, 2, 1), grid(2, 1, 0)),
        (size(2, 11, 9, 5), fractional),
    ];
    let case = |(input, windows)| {
        let shape = PoolShape { input, windows, kind: PoolKind::LearnedNorm };
        Case { name: format!("pool {shape:?}"), shape }
    };
    windows.map(case).into()
}

/// Local response normalizations.
pub fn normalizations() -> Vec<LrnShape> {
    let lrn = |input, size| LrnShape { input, size, alpha: 0.1, beta: 0.75, k: 1.0 };
    vec![lrn(size(2, 3, 4, 16), 5), lrn(size(1, 1, 1, 3), 5), lrn(size(2, 2, 2, 1), 1)]
}

/// Local winner-take-alls.
pub fn competitions() -> Vec<LwtaShape> {
    let lwta = |input, size| LwtaShape { input, size };
    vec![
        lwta(size(2, 5, 7, 64), 2),
        lwta(size(1, 1, 1, 35), 5),
        lwta(size(3, 4, 3, 6), 6),
        lwta(size(2, 3, 5, 7), 1),
    ]
}

/// Fully connected layers: numbers of inputs that fill whole blocks of random numbers with the bias, and that do not.
pub(super) fn dense() -> Vec<DenseShape> {
    let dense = |batch, inputs, outputs| DenseShape { batch, inputs, outputs };
    vec![dense(3, 70, 5), dense(2, 63, 4), dense(1, 1, 1), dense(4, 130, 3)]
}
