//! The convolutions that have transforms, and which these are.

use allcnn_device::{ConvShape, Shape};

use super::super::pass::Declined;
use super::transform::Line;
use super::{small, stride1, stride2};

/// A convolution that has transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    TwoByTwo,
    ThreeByThree,
    /// 3x3 on small tiles.
    Small,
    FiveByFive,
    /// 3x3 with stride 2.
    Strided,
}

/// The transforms of a scheme, each along one dimension.
pub(super) trait Transforms: Copy + Send + Sync {
    /// G: taps to points.
    type Weights: Line;
    /// Gt: gradients at the points to those of the taps.
    type WeightsTransposed: Line;
    /// Bt: pixels of a tile to points.
    type Input: Line;
    /// A: gradients of a tile's outputs to points.
    type OutputTransposed: Line;

    /// The lengths of the lines.
    const SIZES: Sizes = Sizes {
        outputs: Self::OutputTransposed::INPUTS,
        points: Self::Weights::OUTPUTS,
        sums: Self::OutputTransposed::OUTPUTS,
    };
}

/// The lengths of a scheme's lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Outputs of a tile.
    pub(super) outputs: usize,
    /// Points of the weights and of a tile's pixels.
    pub(super) points: usize,
    /// Points that the sums of products stand at.
    pub(super) sums: usize,
}

/// Stride 1: R taps and M outputs of a tile of R + M - 1 pixels.
#[derive(Clone, Copy)]
pub(super) struct Stride1<const R: usize, const M: usize>;

impl<const R: usize, const M: usize> Transforms for Stride1<R, M> {
    type Weights = stride1::Weights<R>;
    type WeightsTransposed = stride1::WeightsTransposed<R>;
    type Input = stride1::Input;
    type OutputTransposed = stride1::OutputTransposed<M>;
}

/// 3x3 on small tiles.
#[derive(Clone, Copy)]
pub(super) struct Small;

impl Transforms for Small {
    type Weights = small::Weights;
    type WeightsTransposed = small::WeightsTransposed;
    type Input = stride2::OuterInput;
    type OutputTransposed = small::OutputTransposed;
}

/// Stride 2.
#[derive(Clone, Copy)]
pub(super) struct Stride2;

impl Transforms for Stride2 {
    type Weights = stride2::Weights;
    type WeightsTransposed = stride2::WeightsTransposed;
    type Input = stride2::Input;
    type OutputTransposed = stride2::OutputTransposed;
}

/// An expression for the transforms of a scheme, compiled for those of each.
macro_rules! with_transforms {
    ($scheme:expr, $transforms:ident => $body:expr) => {{
        use $crate::conv::winograd::scheme::{Scheme, Small, Stride1, Stride2};
        match $scheme {
            Scheme::TwoByTwo => {
                let $transforms = Stride1::<2, 5>;
                $body
            }
            Scheme::ThreeByThree => {
                let $transforms = Stride1::<3, 4>;
                $body
            }
            Scheme::Small => {
                let $transforms = Small;
                $body
            }
            Scheme::FiveByFive => {
                let $transforms = Stride1::<5, 2>;
                $body
            }
            Scheme::Strided => {
                let $transforms = Stride2;
                $body
            }
        }
    }};
}
pub(super) use with_transforms;

impl Scheme {
    /// The scheme of a convolution whose tiles lie over `destination`.
    pub(super) fn of(shape: &ConvShape, destination: Shape) -> Result<Self, Declined> {
        let products = |scheme: Self| {
            let side = scheme.sizes().outputs;
            scheme.products() * destination.height.div_ceil(side) * destination.width.div_ceil(side)
        };
        match (shape.kernel, shape.stride, shape.groups) {
            (2, 1, 1) => Ok(Self::TwoByTwo),
            (3, 1, 1) if products(Self::Small) < products(Self::ThreeByThree) => Ok(Self::Small),
            (3, 1, 1) => Ok(Self::ThreeByThree),
            (5, 1, 1) => Ok(Self::FiveByFive),
            (3, 2, 1) => Ok(Self::Strided),
            _ => Err("not a dense 2x2, 3x3 or 5x5 convolution with stride 1, nor 3x3 with stride 2"),
        }
    }

    pub(super) fn sizes(self) -> Sizes {
        fn of<T: Transforms>(_: T) -> Sizes {
            T::SIZES
        }
        with_transforms!(self, transforms => of(transforms))
    }

    /// Products for each tile and pair of channels.
    pub(super) fn products(self) -> usize {
        self.sizes().points.pow(2)
    }
}
