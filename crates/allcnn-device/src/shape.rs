//! Checked shapes of the operations. Activations are NHWC: [batch, height, width, channels].

use crate::Error;

/// The size of an activation buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Images in a batch.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Shape {
    /// How many values the buffer holds.
    pub fn len(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    /// True when there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A convolution with square kernel, equal stride in both directions and zero padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// The input.
    pub input: Shape,
    /// Filters.
    pub out_channels: usize,
    /// Height and width of a filter.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Rows and columns of zeros on each side.
    pub padding: usize,
    /// Groups: filters of group g see input channels of group g only.
    pub groups: usize,
}

impl ConvShape {
    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] when a size is zero, the kernel is larger than the padded input or the groups do not
    /// divide the channels.
    pub fn checked(self) -> Result<Self, Error> {
        let refuse =
            |given: String, expected| Err(Error::InvalidShape { what: "convolution", given, expected });
        let Self { input, out_channels, kernel, stride, padding, groups } = self;
        if input.is_empty() || out_channels == 0 || kernel == 0 || stride == 0 || groups == 0 {
            return refuse(format!("{self:?}"), "every size to be at least 1");
        }
        if input.height.min(input.width) + 2 * padding < kernel {
            return refuse(
                format!(
                    "a {kernel}x{kernel} kernel on {}x{} with padding {padding}",
                    input.height, input.width
                ),
                "a kernel no larger than the padded input",
            );
        }
        if !input.channels.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
            return refuse(
                format!("{groups} groups of {} -> {out_channels} channels", input.channels),
                "groups that divide both channel counts",
            );
        }
        Ok(self)
    }

    /// The output: (size + 2 padding - kernel) / stride + 1, rounded down.
    pub fn output(&self) -> Shape {
        let side = |size: usize| (size + 2 * self.padding - self.kernel) / self.stride + 1;
        Shape {
            batch: self.input.batch,
            height: side(self.input.height),
            width: side(self.input.width),
            channels: self.out_channels,
        }
    }

    /// Input channels that one filter sees.
    pub fn group_in_channels(&self) -> usize {
        self.input.channels / self.groups
    }

    /// Filters of one group.
    pub fn group_out_channels(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Number of weights: [out_channels, kernel, kernel, in_channels / groups].
    pub fn weights_len(&self) -> usize {
        self.out_channels * self.kernel * self.kernel * self.group_in_channels()
    }

    /// Number of values of all windows, each with its padding.
    pub fn windows_len(&self) -> usize {
        let output = self.output();
        output.batch * output.height * output.width * self.kernel * self.kernel * self.input.channels
    }

    /// The convolution of the windows side by side, each by filters of its own: one pixel whose channels are those of all
    /// windows, in as many groups. Its output has the layout of this one's.
    pub fn unshared(&self) -> Self {
        let (batch, output) = (self.input.batch, self.output());
        let places = output.height * output.width;
        let input = Shape { batch, height: 1, width: 1, channels: self.windows_len() / batch };
        Self {
            input,
            out_channels: places * self.out_channels,
            kernel: 1,
            stride: 1,
            padding: 0,
            groups: places,
        }
    }

    /// Multiply-adds of one pass, as the plain convolution does them (padding counted).
    pub fn multiply_adds(&self) -> usize {
        self.output().len() * self.kernel * self.kernel * self.group_in_channels()
    }
}

/// Local response normalization across channels (Krizhevsky et al. 2012, as Caffe and PyTorch scale it):
/// y = x / (k + alpha / size * sum of x^2 over the `size` channels around)^beta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrnShape {
    /// The input and the output.
    pub input: Shape,
    /// Channels in a neighbourhood; odd.
    pub size: usize,
    /// Weight of the neighbourhood.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Constant in the base.
    pub k: f32,
}

impl LrnShape {
    /// Checks that the neighbourhood is odd and the constants are usable.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] otherwise.
    pub fn checked(self) -> Result<Self, Error> {
        let sound = self.k > 0.0 && self.alpha >= 0.0 && self.beta.is_finite();
        if self.input.is_empty() || self.size.is_multiple_of(2) || !sound {
            return Err(Error::InvalidShape {
                what: "local response normalization",
                given: format!("size {}, alpha {}, beta {}, k {}", self.size, self.alpha, self.beta, self.k),
                expected: "an odd size, k > 0, alpha >= 0 and a finite beta",
            });
        }
        Ok(self)
    }

    /// The channels around channel `at`.
    pub fn neighbourhood(&self, at: usize) -> std::ops::Range<usize> {
        at.saturating_sub(self.size / 2)..(at + self.size / 2 + 1).min(self.input.channels)
    }
}

/// Local winner-take-all (Srivastava et al. 2013): of each `size` neighboring channels of a pixel the largest value stays as it
/// is, the first of equals; the others become 0. There is no other activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LwtaShape {
    /// The input and the output.
    pub input: Shape,
    /// Channels that compete; divides the input's.
    pub size: usize,
}

impl LwtaShape {
    /// Checks that groups of `size` fill the channels.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] otherwise.
    pub fn checked(self) -> Result<Self, Error> {
        let Self { input, size } = self;
        if input.is_empty() || size == 0 || !input.channels.is_multiple_of(size) {
            return Err(Error::InvalidShape {
                what: "local winner-take-all",
                given: format!("groups of {size} of {} channels", input.channels),
                expected: "a size of at least 1 that divides the channels",
            });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(size: usize) -> Shape {
        Shape { batch: 1, height: size, width: size, channels: 4 }
    }

    fn conv(size: usize, kernel: usize, stride: usize, padding: usize) -> ConvShape {
        ConvShape { input: square(size), out_channels: 8, kernel, stride, padding, groups: 1 }
    }

    #[test]
    fn convolution_sizes_round_down() {
        assert_eq!(conv(32, 3, 2, 1).output().height, 16);
        assert_eq!(conv(224, 11, 4, 1).output().height, 54);
        assert_eq!(conv(27, 5, 1, 0).output().height, 23);
        assert_eq!(conv(5, 2, 5, 0).output().height, 1);
    }

    #[test]
    fn bad_shapes_are_refused_with_the_numbers() {
        let message = conv(2, 5, 1, 1).checked().unwrap_err().to_string();
        assert!(message.contains("5x5 kernel on 2x2 with padding 1"), "{message}");
        assert!(ConvShape { groups: 3, ..conv(8, 3, 1, 1) }.checked().is_err());
        assert!(conv(8, 3, 0, 1).checked().is_err());
    }
}
