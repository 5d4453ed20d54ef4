//! Checked shapes of poolings: which input values each output value sees, and what is computed from them.

use std::ops::Range;

use crate::{Error, Fractional, RegionDraw, Shape};

/// What a pooling computes from the values of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PoolKind {
    /// The largest value, the first of equals; its index (the switch) is kept for the backward pass.
    Max,
    /// The mean of the values inside the input.
    Average,
    /// (sum |x|^p)^(1/p), Equation 1 of the paper; p >= 1.
    PNorm {
        /// The order of the norm.
        p: f32,
    },
    /// In training one value of each window, drawn in proportion to the values (Zeiler and Fergus 2013; [`crate::Sampling`]); in
    /// testing the mean that is to be expected, sum x^2 / sum x. A negative value counts as 0, and a window of zeros gives 0.
    Stochastic,
    /// (mean of |x - c|^p)^(1/p) over the values inside the input, with a center c and an order p for each channel that are trained
    /// (Gulcehre et al. 2014; [`crate::learned_norm`]).
    LearnedNorm,
    /// Probabilistic maxout, over channels (Springenberg and Riedmiller 2013): in training one value z of each window, drawn with
    /// the probabilities p = softmax(lambda z) ([`crate::Sampling`], with the weights exp(lambda (z - largest z)) of [`crate::Sampling::exponential`]); in
    /// testing the mean that is to be expected, sum p z.
    Probabilistic {
        /// How sure the largest value is to be drawn; above 0.
        lambda: f32,
    },
}

impl PoolKind {
    /// Whether a value of each window is drawn in training.
    pub fn draws(self) -> bool {
        matches!(self, Self::Stochastic | Self::Probabilistic { .. })
    }
}

/// The windows of a pooling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Windows {
    /// Squares at equal steps, a channel each.
    Grid(Grid),
    /// Regions whose sizes are drawn, a channel each (Graham 2015).
    Fractional(Fractional),
    /// Neighbouring channels of one pixel: output channel c sees channels c * pieces to (c + 1) * pieces - 1. Their
    /// maximum is maxout (Goodfellow et al. 2013).
    Channels {
        /// Channels in a window; divides the input's.
        pieces: usize,
    },
}

/// Square windows at equal steps. Padding never wins a maximum, adds nothing to a norm and does not count in a mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Height and width of a window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Rows and columns around the input; at most half the kernel.
    pub padding: usize,
    /// Round the output size up, so that a last partial window counts (Caffe's way).
    pub ceil: bool,
}

impl Grid {
    /// How many windows fit along `size` rows (or columns); with `ceil`, every window still starts inside the input
    /// or its left padding (Caffe, PyTorch).
    fn count(&self, size: usize) -> usize {
        let span = size + 2 * self.padding - self.kernel;
        if !self.ceil {
            return span / self.stride + 1;
        }
        let last = span.div_ceil(self.stride);
        if last * self.stride >= size + self.padding { last } else { last + 1 }
    }

    /// The part of `size` rows (or columns) that window `at` sees.
    fn window(&self, at: usize, size: usize) -> Range<usize> {
        let start = at * self.stride;
        start.saturating_sub(self.padding)..(start + self.kernel).saturating_sub(self.padding).min(size)
    }
}

/// A pooling layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolShape {
    /// The input.
    pub input: Shape,
    /// What each output value sees.
    pub windows: Windows,
    /// What is computed from them.
    pub kind: PoolKind,
}

impl PoolShape {
    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] when a size is zero, a window is larger than the padded input, the padding exceeds
    /// half the window, alpha is not between 1 and 2 or too near to either for the input, the pieces do not divide
    /// the channels or are not pooled by their maximum, or p is below 1.
    pub fn checked(self) -> Result<Self, Error> {
        let refuse = |given: String, expected| Err(Error::InvalidShape { what: "pooling", given, expected });
        let Shape { height, width, channels, .. } = self.input;
        if let PoolKind::PNorm { p } = self.kind
            && !(p >= 1.0 && p.is_finite())
        {
            return refuse(format!("p = {p}"), "a finite p of at least 1 (use max pooling for the limit)");
        }
        if let PoolKind::Probabilistic { lambda } = self.kind
            && !(lambda > 0.0 && lambda.is_finite())
        {
            return refuse(
                format!("lambda = {lambda}"),
                "a finite lambda above 0 (use maxout for the limit)",
            );
        }
        let over_channels = matches!(self.windows, Windows::Channels { .. });
        if matches!(self.kind, PoolKind::Probabilistic { .. }) && !over_channels {
            return refuse(
                format!("{:?} over {:?}", self.kind, self.windows),
                "windows of neighboring channels",
            );
        }
        match self.windows {
            _ if self.input.is_empty() => refuse(format!("{self:?}"), "every size to be at least 1"),
            Windows::Grid(Grid { kernel, stride, padding, .. }) => {
                if kernel == 0 || stride == 0 {
                    return refuse(format!("{self:?}"), "every size to be at least 1");
                }
                if height.min(width) + 2 * padding < kernel || 2 * padding > kernel {
                    return refuse(
                        format!("a {kernel}x{kernel} window on {height}x{width} with padding {padding}"),
                        "a window no larger than the padded input and padding of at most half the window",
                    );
                }
                Ok(self)
            }
            Windows::Fractional(fractional) => fractional.checked_on(height, width).map(|()| self),
            Windows::Channels { pieces } if pieces == 0 || !channels.is_multiple_of(pieces) => refuse(
                format!("{} over {pieces} of {channels} channels", self.channel_word()),
                "pieces that divide the channels",
            ),
            Windows::Channels { .. }
                if !matches!(self.kind, PoolKind::Max | PoolKind::Probabilistic { .. }) =>
            {
                refuse(
                    format!("{:?} over channels", self.kind),
                    "their maximum (maxout), or a drawn one (probout)",
                )
            }
            Windows::Channels { .. } => Ok(self),
        }
    }

    /// What a pooling over channels is called.
    fn channel_word(&self) -> &'static str {
        if self.kind.draws() { "probout" } else { "maxout" }
    }

    /// The output.
    pub fn output(&self) -> Shape {
        let Shape { height, width, channels, .. } = self.input;
        match self.windows {
            Windows::Grid(grid) => {
                Shape { height: grid.count(height), width: grid.count(width), ..self.input }
            }
            Windows::Fractional(fractional) => {
                Shape { height: fractional.count(height), width: fractional.count(width), ..self.input }
            }
            Windows::Channels { pieces } => Shape { channels: channels / pieces, ..self.input },
        }
    }

    /// Channels in a window: 1 but for [`Windows::Channels`].
    pub fn pieces(&self) -> usize {
        if let Windows::Channels { pieces } = self.windows { pieces } else { 1 }
    }

    /// The rows and columns of the windows; those of a fractional pooling as [`RegionDraw::FIRST`] draws them.
    pub fn regions(&self) -> Regions {
        let output = self.output();
        let along = |count: usize, size: usize| -> Vec<Range<usize>> {
            match self.windows {
                Windows::Grid(grid) => (0..count).map(|at| grid.window(at, size)).collect(),
                Windows::Fractional(_) | Windows::Channels { .. } => {
                    (0..count).map(|at| at..at + 1).collect()
                }
            }
        };
        let rows = along(output.height, self.input.height);
        let columns = along(output.width, self.input.width);
        let mut regions = Regions { rows, columns };
        regions.draw(self, RegionDraw::FIRST, 0);
        regions
    }
}

/// The windows of a pooling along the input's height and width: the window of output row y and column x sees
/// `rows[y]` and `columns[x]`. No window is empty, and neither starts nor ends go back from one to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// The input rows of each output row.
    pub rows: Vec<Range<usize>>,
    /// The input columns of each output column.
    pub columns: Vec<Range<usize>>,
}

impl Regions {
    /// Draws the regions of a fractional pooling at the step with this number, rows and columns separately, the same
    /// for all images and channels. Fixed windows stay. Allocates nothing.
    pub fn draw(&mut self, shape: &PoolShape, draw: RegionDraw, step: u64) {
        if let Windows::Fractional(fractional) = shape.windows {
            let [mut rows, mut columns] = [0, 1].map(|side| draw.stream(step, side).sequence());
            fractional.draw(shape.input.height, &mut rows, &mut self.rows);
            fractional.draw(shape.input.width, &mut columns, &mut self.columns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(size: usize, windows: Windows) -> PoolShape {
        let input = Shape { batch: 1, height: size, width: size, channels: 4 };
        PoolShape { input, windows, kind: PoolKind::Max }
    }

    #[test]
    fn ceil_mode_pools_give_the_papers_sizes() {
        let height = |size, kernel, stride, padding, ceil| {
            pool(size, Windows::Grid(Grid { kernel, stride, padding, ceil })).output().height
        };
        assert_eq!(height(32, 3, 2, 0, true), 16);
        assert_eq!(height(16, 3, 2, 0, true), 8);
        assert_eq!(height(32, 3, 2, 0, false), 15);
        // A window that would start in the right padding does not count.
        assert_eq!(height(3, 2, 2, 1, true), 2);
        assert_eq!(height(5, 1, 3, 0, true), 2);
    }

    #[test]
    fn pieces_join_channels() {
        let shape = pool(3, Windows::Channels { pieces: 2 }).checked().unwrap();
        assert_eq!(shape.output(), Shape { channels: 2, ..shape.input });
        assert_eq!(shape.regions().rows, [0..1, 1..2, 2..3]);
    }

    #[test]
    fn bad_shapes_are_refused_with_the_numbers() {
        let message = |shape: PoolShape| shape.checked().unwrap_err().to_string();
        let square = Windows::Grid(Grid { kernel: 2, stride: 2, padding: 0, ceil: true });
        let p = PoolShape { kind: PoolKind::PNorm { p: 0.5 }, ..pool(8, square) };
        assert!(message(p).contains("p = 0.5"));
        for pieces in [0, 3, 8] {
            let refused = message(pool(8, Windows::Channels { pieces }));
            assert!(
                refused.contains(&format!("maxout over {pieces} of 4 channels; expected pieces that divide"))
            );
        }
        for lambda in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let kind = PoolKind::Probabilistic { lambda };
            let refused = message(PoolShape { kind, ..pool(8, Windows::Channels { pieces: 2 }) });
            assert!(refused.contains(&format!("lambda = {lambda}; expected a finite lambda above 0")));
        }
        let kind = PoolKind::Probabilistic { lambda: 1.0 };
        assert!(
            message(PoolShape { kind, ..pool(8, square) })
                .contains("expected windows of neighboring channels")
        );
        assert!(
            message(PoolShape { kind, ..pool(8, Windows::Channels { pieces: 3 }) })
                .contains("probout over 3 of 4")
        );
        let mean = PoolShape { kind: PoolKind::Average, ..pool(8, Windows::Channels { pieces: 2 }) };
        assert!(message(mean).contains("Average over channels"));
    }
}
