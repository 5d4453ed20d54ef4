//! Convolution: an ordered list of algorithms for each pass; the first that accepts a shape does the work.
//!
//! Forward and backward-data are one kind of pass (a source and the weights make a destination, which is then finished in
//! the cache), so they share their algorithms; backward-weights has its own.
//!
//! | file | concept |
//! |---|---|
//! | `pass` | what an algorithm for a pass does |
//! | `prepared` | a convolution whose algorithms are chosen |
//! | `geometry` | which source pixels a destination pixel sees |
//! | `bf16`, `winograd` | the fast algorithms |
//! | `indirect`, `direct` | the algorithms for every shape |
//! | `patches` | pictures, whose windows these two copy |
//! | `destination` | where finished f32 values go |
//! | `blocks_out` | where blocks of 32 values go, in f32 or as pairs of bf16 |

pub(crate) mod bf16;
mod blocks_out;
mod destination;
mod direct;
mod geometry;
mod indirect;
mod pass;
mod patches;
mod prepared;
mod winograd;

pub use prepared::Conv;

use allcnn_device::{ConvShape, Error, Precision};
use pass::{DataPass, Declined, Direction, WeightsPass};

use crate::engine::{Choice, Engine};
use crate::isa::Isa;

/// Prepares an algorithm for a shape, or declines it.
type ChooseData = fn(ConvShape, Direction, &Engine) -> Result<Box<dyn DataPass>, Declined>;
/// Prepares an algorithm for a shape, or declines it.
type ChooseWeights = fn(ConvShape, &Engine) -> Result<Box<dyn WeightsPass>, Declined>;

/// Fastest first; the last takes every shape.
const DATA_PASSES: [ChooseData; 4] =
    [winograd_first, bf16::Bf16::choose, winograd::Winograd::choose, indirect::Indirect::choose];
/// Fastest first; the last takes every shape.
const WEIGHTS_PASSES: [ChooseWeights; 4] = [
    winograd_weights_first,
    bf16::Bf16Weights::choose,
    winograd::WinogradWeights::choose,
    direct::Direct::choose,
];

/// Chooses the algorithms of a convolution.
///
/// # Errors
/// [`Error::OutOfMemory`] where there is no room for their workspace.
pub(crate) fn prepare(shape: ConvShape, engine: &Engine) -> Result<Conv, Error> {
    let data = |direction| first_to_accept(engine, &DATA_PASSES, |choose| choose(shape, direction, engine));
    let backward_weights = first_to_accept(engine, &WEIGHTS_PASSES, |choose| choose(shape, engine));
    Conv::new(shape, data(Direction::Forward), data(Direction::Backward), backward_weights, engine)
}

/// Output pixels of a small batch, which do not pay for reading Winograd's weights, of which there are four for each of the kernel's.
const FEW_PIXELS: usize = 1024;
/// Values that second-level caches hold.
const MANY_WEIGHTS: usize = 1 << 20;

/// Whether tiles of two-term factors do the few pixels of a small batch faster.
fn reads_weights_most(shape: &ConvShape, engine: &Engine) -> bool {
    let pixels = shape.output().len() / shape.out_channels;
    engine.isa() == Isa::Amx && pixels <= FEW_PIXELS && 4 * shape.weights_len() > MANY_WEIGHTS
}

/// Whether Winograd takes less time than products of bf16 of the pixels themselves. In f32 it does for 3x3 with stride 1,
/// where it saves most, and is more exact than products of two terms. In bf16 it does wherever dot products multiply: it
/// has fewer of the same.
fn winograd_saves_most(shape: &ConvShape, engine: &Engine) -> bool {
    match engine.precision() {
        Precision::F32 => shape.kernel == 3 && shape.stride == 1,
        Precision::Bf16 => winograd::multiplies_pairs(shape, engine),
    }
}

fn winograd_first(
    shape: ConvShape,
    direction: Direction,
    engine: &Engine,
) -> Result<Box<dyn DataPass>, Declined> {
    if !winograd_saves_most(&shape, engine) {
        return Err("no convolution that Winograd saves most in");
    }
    if reads_weights_most(&shape, engine) {
        return Err("too few pixels for so many weights");
    }
    winograd::Winograd::choose(shape, direction, engine)
}

fn winograd_weights_first(shape: ConvShape, engine: &Engine) -> Result<Box<dyn WeightsPass>, Declined> {
    if !winograd_saves_most(&shape, engine) {
        return Err("no convolution that Winograd saves most in");
    }
    winograd::WinogradWeights::choose(shape, engine)
}

/// The first algorithm of a list that accepts a shape; [`Choice::Last`] asks only the last one.
fn first_to_accept<C, T>(engine: &Engine, list: &[C], choose: impl Fn(&C) -> Result<T, Declined>) -> T {
    let skipped = if engine.choice() == Choice::Last { list.len() - 1 } else { 0 };
    let mut reasons = Vec::new();
    for choice in &list[skipped..] {
        match choose(choice) {
            Ok(accepted) => return accepted,
            Err(reason) => reasons.push(reason),
        }
    }
    unreachable!("the last algorithm of a list takes every shape; reasons given: {reasons:?}")
}

#[cfg(test)]
mod tests {
    use allcnn_device::conformance::Suite;
    use allcnn_device::{Device, Precision, Shape};

    use crate::{Choice, Cpu, CpuOptions, Isa};

    /// The algorithms of a convolution of 32 channels by 48 kernels of 16x16 images.
    fn names(isa: Isa, precision: Precision, kernel: usize, stride: usize) -> [&'static str; 3] {
        let input = Shape { batch: 2, height: 16, width: 16, channels: 32 };
        let padding = kernel / 2;
        let shape = super::ConvShape { input, out_channels: 48, kernel, stride, padding, groups: 1 };
        let options = CpuOptions { threads: Some(1), isa: Some(isa), precision, ..CpuOptions::default() };
        let cpu = Cpu::new(options).unwrap();
        let conv = cpu.conv(shape).unwrap();
        cpu.conv_algorithms(&conv).map(|algorithm| algorithm.name)
    }

    #[test]
    fn bf16_is_computed_in_bf16_only_where_that_is_faster() {
        for isa in Isa::available() {
            for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (5, 1)] {
                let bf16 = names(isa, Precision::Bf16, kernel, stride);
                let expected = match isa {
                    Isa::Amx => ["bf16"; 3],
                    Isa::Avx512Bf16 if kernel > 1 && stride == 1 => ["winograd-bf16"; 3],
                    Isa::Avx512Bf16 => ["bf16"; 3],
                    _ => names(isa, Precision::F32, kernel, stride),
                };
                assert_eq!(bf16, expected, "{isa}: {kernel}x{kernel} with stride {stride}");
            }
        }
    }

    /// Multiply-adds of forward, backward-data and backward-weights, by algorithm.
    fn executed(side: usize, kernel: usize, stride: usize, padding: usize) -> [(&'static str, usize); 3] {
        let input = Shape { batch: 2, height: side, width: side, channels: 32 };
        let shape = super::ConvShape { input, out_channels: 48, kernel, stride, padding, groups: 1 };
        // The widest set without tiles of bf16, which have algorithms of their own.
        let isa = Isa::available().into_iter().rfind(|&isa| isa <= Isa::Avx512);
        let cpu = Cpu::new(CpuOptions { threads: Some(1), isa, ..CpuOptions::default() }).unwrap();
        let conv = cpu.conv(shape).unwrap();
        cpu.conv_algorithms(&conv).map(|algorithm| (algorithm.name, algorithm.multiply_adds))
    }

    #[test]
    fn register_tiles_may_have_more_rows_than_vectors_have_lanes() {
        // Every number of channels with a 3x3 kernel is among these.
        let suite = Suite::within(120_000);
        for choice in [Choice::First, Choice::Last] {
            let options = CpuOptions { isa: Some(Isa::TallTile), choice, ..CpuOptions::default() };
            let report = suite.run(&Cpu::new(options).unwrap());
            assert!(report.failures().is_empty(), "{choice:?}:\n{}", report.failures().join("\n"));
        }
    }

    #[test]
    fn winograd_executes_36_products_for_each_tile() {
        // 30x30 outputs of 4x4 tiles: 8x8 tiles, those at the edges sticking out.
        let products = 2 * 8 * 8 * 36 * 32 * 48;
        assert_eq!(executed(30, 3, 1, 1), [("winograd", products); 3]);
    }

    #[test]
    fn stride_executes_no_product_with_an_inserted_zero() {
        // 9 products for each of 4x4 outputs; backward, the taps of the first row and column that point outside are
        // not there.
        let [forward, data, weights] = executed(8, 3, 2, 1);
        let pairs = 2 * 32 * 48;
        assert_eq!(forward, ("indirect", 16 * 9 * pairs));
        assert_eq!(data, ("indirect", 16 * 9 * pairs));
        assert_eq!(weights, ("direct", (3 * 4 - 1) * (3 * 4 - 1) * pairs));
    }

    #[test]
    fn a_1x1_kernel_executes_the_plain_products() {
        let products = 2 * 15 * 15 * 32 * 48;
        assert_eq!(
            executed(15, 1, 1, 0),
            [("indirect", products), ("indirect", products), ("direct", products)]
        );
    }
}
