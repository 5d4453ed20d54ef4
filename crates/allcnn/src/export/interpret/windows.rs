//! Operations over windows: convolutions and poolings, as the ONNX specification has them.

use std::ops::Range;

use super::node::Node;
use super::tensor::{Numbers, Outcome, Tensor};

/// The windows of a node.
struct Windows {
    kernel: [usize; 2],
    strides: [usize; 2],
    /// Top, left, bottom, right.
    pads: [usize; 4],
}

impl Windows {
    fn of(node: &Node<'_>) -> Outcome<Self> {
        let windows = Self {
            kernel: node.sizes("kernel_shape", [0; 2])?,
            strides: node.sizes("strides", [1; 2])?,
            pads: node.sizes("pads", [0; 4])?,
        };
        let [kernel, strides] = [windows.kernel, windows.strides];
        if kernel.contains(&0) || strides.contains(&0) {
            return Err(format!("a kernel of {kernel:?} with strides {strides:?}"));
        }
        Ok(windows)
    }

    /// How many windows fit along rows and columns.
    fn count(&self, height: usize, width: usize) -> Outcome<[usize; 2]> {
        let side = |axis: usize, size: usize| {
            let padded = size + self.pads[axis] + self.pads[axis + 2];
            padded.checked_sub(self.kernel[axis]).map(|span| span / self.strides[axis] + 1)
        };
        let both = side(0, height).zip(side(1, width)).map(|(rows, columns)| [rows, columns]);
        both.ok_or_else(|| format!("a kernel of {:?} on {height}x{width}", self.kernel))
    }

    /// The row or column under a tap of a window, if it is inside.
    fn seen(&self, axis: usize, window: usize, tap: usize, size: usize) -> Option<usize> {
        (window * self.strides[axis] + tap).checked_sub(self.pads[axis]).filter(|&at| at < size)
    }

    /// The windows whose tap lies inside.
    fn inside(&self, axis: usize, tap: usize, windows: usize, size: usize) -> Range<usize> {
        let is_inside = |window: &usize| self.seen(axis, *window, tap, size).is_some();
        let start = (0..windows).find(is_inside).unwrap_or(windows);
        let count = (start..windows).take_while(is_inside).count();
        start..start + count
    }
}

/// y\[o\] = bias\[o\] + sum over the inputs i of o's group of w\[o, i\] x\[i\] under each window.
pub(super) fn conv(node: &Node<'_>) -> Outcome {
    let (input, weights) = (node.input(0)?, node.input(1)?);
    let ([batch, channels, height, width], [out, inputs, rows, columns]) = (input.four()?, weights.four()?);
    let windows = Windows::of(node)?;
    let group = usize::try_from(node.int("group", 1)).unwrap_or(0);
    if group == 0
        || inputs * group != channels
        || !out.is_multiple_of(group)
        || windows.kernel != [rows, columns]
    {
        return Err(format!("weights {:?} in {group} groups on {:?}", weights.shape, input.shape));
    }
    let [tall, wide] = windows.count(height, width)?;
    let (x, w) = (input.floats()?, weights.floats()?);
    let mut y = vec![0.0f32; batch * out * tall * wide];
    if let Some(bias) = node.inputs.get(2) {
        let bias = bias.floats()?;
        for (index, plane) in y.chunks_mut(tall * wide).enumerate() {
            plane.fill(*bias.get(index % out).ok_or("too few biases")?);
        }
    }
    for (index, plane) in y.chunks_mut(tall * wide).enumerate() {
        let (image, filter) = (index / out, index % out);
        let first = filter / (out / group) * inputs;
        for channel in 0..inputs {
            let source = &x[(image * channels + first + channel) * height * width..][..height * width];
            for tap in 0..rows * columns {
                let weight = w[(filter * inputs + channel) * rows * columns + tap];
                let inside = windows.inside(1, tap % columns, wide, width);
                for (window, line) in plane.chunks_mut(wide).enumerate() {
                    let Some(row) = windows.seen(0, window, tap / columns, height) else { continue };
                    let Some(first) = windows.seen(1, inside.start, tap % columns, width) else { continue };
                    let source = &source[row * width..][first..width];
                    let sums = &mut line[inside.clone()];
                    match windows.strides[1] {
                        1 => sums.iter_mut().zip(source).for_each(|(sum, x)| *sum += weight * x),
                        step => {
                            let source = source.iter().step_by(step);
                            sums.iter_mut().zip(source).for_each(|(sum, x)| *sum += weight * x);
                        }
                    }
                }
            }
        }
    }
    Tensor::of_floats(vec![batch, out, tall, wide], y)
}

/// The transpose of [`conv`] as a linear map: each input value is spread by its filter.
pub(super) fn conv_transpose(node: &Node<'_>) -> Outcome {
    let (input, weights) = (node.input(0)?, node.input(1)?);
    let ([batch, channels, height, width], [ins, outs, rows, columns]) = (input.four()?, weights.four()?);
    let windows = Windows::of(node)?;
    let group = usize::try_from(node.int("group", 1)).unwrap_or(0);
    if group == 0 || ins != channels || !channels.is_multiple_of(group) || windows.kernel != [rows, columns] {
        return Err(format!("weights {:?} in {group} groups on {:?}", weights.shape, input.shape));
    }
    let more = node.sizes("output_padding", [0; 2])?;
    let side = |axis: usize, size: usize| {
        let reach = (size - 1) * windows.strides[axis] + windows.kernel[axis] + more[axis];
        reach.checked_sub(windows.pads[axis] + windows.pads[axis + 2])
    };
    let (tall, wide) = side(0, height).zip(side(1, width)).ok_or("pads larger than the output")?;
    let (x, w) = (input.floats()?, weights.floats()?);
    let mut y = vec![0.0f32; batch * outs * group * tall * wide];
    for (index, source) in x.chunks(height * width).enumerate() {
        let (image, channel) = (index / channels, index % channels);
        let first = channel / (channels / group) * outs;
        for out in 0..outs {
            let target = &mut y[(image * outs * group + first + out) * tall * wide..][..tall * wide];
            for tap in 0..rows * columns {
                let weight = w[(channel * outs + out) * rows * columns + tap];
                let inside = windows.inside(1, tap % columns, width, wide);
                for (window, line) in source.chunks(width).enumerate() {
                    let Some(row) = windows.seen(0, window, tap / columns, tall) else { continue };
                    let Some(first) = windows.seen(1, inside.start, tap % columns, wide) else { continue };
                    let sums = &mut target[row * wide..][first..wide];
                    let values = &line[inside.clone()];
                    match windows.strides[1] {
                        1 => sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += weight * x),
                        step => {
                            let sums = sums.iter_mut().step_by(step);
                            sums.zip(values).for_each(|(sum, x)| *sum += weight * x);
                        }
                    }
                }
            }
        }
    }
    Tensor::of_floats(vec![batch, outs * group, tall, wide], y)
}

/// The largest value of each window and its position in the whole tensor: the first of equals.
pub(super) fn max_pool(node: &Node<'_>) -> Outcome<[Tensor; 2]> {
    let input = node.input(0)?;
    let [batch, channels, height, width] = input.four()?;
    let windows = Windows::of(node)?;
    let [tall, wide] = windows.count(height, width)?;
    let x = input.floats()?;
    let (mut largest, mut indices) = (vec![], vec![]);
    for plane in 0..batch * channels {
        for window in 0..tall * wide {
            let mut best: Option<usize> = None;
            for tap in 0..windows.kernel[0] * windows.kernel[1] {
                let row = windows.seen(0, window / wide, tap / windows.kernel[1], height);
                let column = windows.seen(1, window % wide, tap % windows.kernel[1], width);
                let Some((row, column)) = row.zip(column) else { continue };
                let at = (plane * height + row) * width + column;
                if best.is_none_or(|best| x[at] > x[best]) {
                    best = Some(at);
                }
            }
            let best = best.ok_or("a window outside of the input")?;
            largest.push(x[best]);
            indices.push(best as i64);
        }
    }
    let shape = vec![batch, channels, tall, wide];
    Ok([Tensor::of_floats(shape.clone(), largest)?, Tensor::new(shape, Numbers::Integer(indices))?])
}

/// The mean of the values of each window that lie inside.
pub(super) fn average_pool(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    let [batch, channels, height, width] = input.four()?;
    let windows = Windows::of(node)?;
    let [tall, wide] = windows.count(height, width)?;
    let x = input.floats()?;
    let mut means = vec![];
    for plane in 0..batch * channels {
        for window in 0..tall * wide {
            let (mut sum, mut values) = (0.0f64, 0);
            for tap in 0..windows.kernel[0] * windows.kernel[1] {
                let row = windows.seen(0, window / wide, tap / windows.kernel[1], height);
                let column = windows.seen(1, window % wide, tap % windows.kernel[1], width);
                let Some((row, column)) = row.zip(column) else { continue };
                sum += f64::from(x[(plane * height + row) * width + column]);
                values += 1;
            }
            means.push((sum / f64::from(values)) as f32);
        }
    }
    Tensor::of_floats(vec![batch, channels, tall, wide], means)
}

/// The mean over rows and columns.
pub(super) fn global_average(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    let [batch, channels, height, width] = input.four()?;
    let area = height * width;
    let mean = |plane: &[f32]| (plane.iter().map(|&x| f64::from(x)).sum::<f64>() / area as f64) as f32;
    Tensor::of_floats(vec![batch, channels, 1, 1], input.floats()?.chunks(area).map(mean).collect())
}

/// x / (bias + alpha / size * sum of x^2 over the `size` channels around)^beta
pub(super) fn lrn(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    let [_, channels, height, width] = input.four()?;
    let size = usize::try_from(node.int("size", 0)).ok().filter(|&size| size > 0).ok_or("no size")?;
    let [alpha, beta, bias] = [("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)]
        .map(|(name, default)| f64::from(node.float(name, default)));
    let (x, area) = (input.floats()?, height * width);
    let normalized = (0..x.len()).map(|at| {
        let (channel, plane) = (at / area % channels, at % area + at / (area * channels) * area * channels);
        let near = channel.saturating_sub((size - 1) / 2)..(channel + size / 2 + 1).min(channels);
        let squares: f64 = near.map(|channel| f64::from(x[plane + channel * area]).powi(2)).sum();
        (f64::from(x[at]) / (bias + alpha / size as f64 * squares).powf(beta)) as f32
    });
    Tensor::of_floats(input.shape.clone(), normalized.collect())
}
