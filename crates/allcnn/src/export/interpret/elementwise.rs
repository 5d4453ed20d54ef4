//! Operations on each value, on pairs of values of shapes that fit, and over an axis.

use super::node::Node;
use super::tensor::{Numbers, Outcome, Tensor, strides};

/// Applies `map` to every number.
pub(super) fn each(node: &Node<'_>, map: impl Fn(f32) -> f32) -> Outcome {
    let input = node.input(0)?;
    Tensor::of_floats(input.shape.clone(), input.floats()?.iter().map(|&x| map(x)).collect())
}

pub(super) fn cast(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    match (&input.numbers, node.int("to", 0)) {
        (Numbers::Byte(values), 1) => {
            Tensor::of_floats(input.shape.clone(), values.iter().map(|&value| f32::from(value)).collect())
        }
        (_, to) => Err(format!("a cast to type {to}")),
    }
}

/// The shape that several fit into, sizes of 1 being repeated.
fn common(shapes: &[&[usize]]) -> Outcome<Vec<usize>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let size =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    let along = |axis: usize| {
        let largest = shapes.iter().map(|shape| size(shape, axis)).max().unwrap_or(1);
        let fits = shapes.iter().all(|shape| [1, largest].contains(&size(shape, axis)));
        fits.then_some(largest).ok_or_else(|| format!("shapes {shapes:?} do not fit"))
    };
    (0..rank).map(along).collect()
}

/// The position in a tensor of `shape` of each value of the larger shape `to`.
fn repeated(shape: &[usize], to: &[usize]) -> Vec<usize> {
    let (own, outer) = (strides(shape), strides(to));
    let skipped = to.len() - shape.len();
    let count = to.iter().product();
    (0..count)
        .map(|index| {
            let axes = shape.iter().enumerate();
            axes.map(|(axis, &size)| {
                let at = index / outer[axis + skipped] % to[axis + skipped];
                if size == 1 { 0 } else { at * own[axis] }
            })
            .sum()
        })
        .collect()
}

/// A pair of tensors in their common shape, combined value by value.
pub(super) fn pairs<R>(node: &Node<'_>, map: impl Fn(f32, f32) -> R) -> Outcome<(Vec<usize>, Vec<R>)> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let shape = common(&[&a.shape, &b.shape])?;
    let (x, y) = (a.floats()?, b.floats()?);
    let places = repeated(&a.shape, &shape).into_iter().zip(repeated(&b.shape, &shape));
    Ok((shape, places.map(|(i, j)| map(x[i], y[j])).collect()))
}

/// As [`pairs`], giving numbers.
pub(super) fn arithmetic(node: &Node<'_>, map: impl Fn(f32, f32) -> f32) -> Outcome {
    let (shape, values) = pairs(node, map)?;
    Tensor::of_floats(shape, values)
}

/// As [`pairs`], giving truth values.
pub(super) fn comparison(node: &Node<'_>, map: impl Fn(f32, f32) -> bool) -> Outcome {
    let (shape, values) = pairs(node, map)?;
    Tensor::new(shape, Numbers::Truth(values))
}

/// Whether two integers are equal.
pub(super) fn equal(node: &Node<'_>) -> Outcome {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let shape = common(&[&a.shape, &b.shape])?;
    let (x, y) = (a.integers()?, b.integers()?);
    let places = repeated(&a.shape, &shape).into_iter().zip(repeated(&b.shape, &shape));
    let truths = places.map(|(i, j)| x[i] == y[j]).collect();
    Tensor::new(shape, Numbers::Truth(truths))
}

/// The first value where true, the second elsewhere.
pub(super) fn choose(node: &Node<'_>) -> Outcome {
    let (which, a, b) = (node.input(0)?, node.input(1)?, node.input(2)?);
    let shape = common(&[&which.shape, &a.shape, &b.shape])?;
    let [first, second, third] = [which, a, b].map(|tensor| repeated(&tensor.shape, &shape));
    let (truths, x, y) = (which.truths()?, a.floats()?, b.floats()?);
    let chosen = |index: usize| if truths[first[index]] { x[second[index]] } else { y[third[index]] };
    let values = (0..first.len()).map(chosen).collect();
    Tensor::of_floats(shape, values)
}

/// Reduces one axis, which stays with size 1 where `keepdims` says so.
pub(super) fn reduce(node: &Node<'_>, axes: &[i64], over: impl Fn(&[f32]) -> f32) -> Outcome {
    let input = node.input(0)?;
    let [axis] = axes else { return Err(format!("axes {axes:?}; expected one")) };
    let axis = input.axis(*axis)?;
    let values = along(input, axis)?.iter().map(|values| over(values)).collect();
    Tensor::of_floats(reduced(node, input, axis), values)
}

/// The values along an axis, for every position beside it.
fn along(input: &Tensor, axis: usize) -> Outcome<Vec<Vec<f32>>> {
    let ([before, size, behind], x) = (input.around(axis), input.floats()?);
    let line =
        |outer: usize, inner: usize| (0..size).map(|at| x[(outer * size + at) * behind + inner]).collect();
    Ok((0..before).flat_map(|outer| (0..behind).map(move |inner| line(outer, inner))).collect())
}

fn reduced(node: &Node<'_>, input: &Tensor, axis: usize) -> Vec<usize> {
    let mut shape = input.shape.clone();
    if node.int("keepdims", 1) == 1 {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    shape
}

/// The position of the largest value along an axis; the first of equals, or the last where that is asked for.
pub(super) fn arg_max(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    let axis = input.axis(node.int("axis", 0))?;
    let last = node.int("select_last_index", 0) == 1;
    let best = |values: &Vec<f32>| {
        let mut best = 0;
        for (at, &value) in values.iter().enumerate() {
            if value > values[best] || last && value == values[best] {
                best = at;
            }
        }
        best as i64
    };
    let indices = along(input, axis)?.iter().map(best).collect();
    Tensor::new(reduced(node, input, axis), Numbers::Integer(indices))
}

/// exp(x) / sum of exp(x) along an axis.
pub(super) fn softmax(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    let axis = input.axis(node.int("axis", -1))?;
    let [_, size, behind] = input.around(axis);
    let mut y = vec![0.0; input.floats()?.len()];
    for (position, values) in along(input, axis)?.iter().enumerate() {
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = values.iter().map(|&x| (f64::from(x) - f64::from(largest)).exp()).collect();
        let total: f64 = powers.iter().sum();
        for (at, power) in powers.iter().enumerate() {
            y[(position / behind * size + at) * behind + position % behind] = (power / total) as f32;
        }
    }
    Tensor::of_floats(input.shape.clone(), y)
}

/// The product of two matrices.
pub(super) fn mat_mul(node: &Node<'_>) -> Outcome {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (&[rows, depth], &[inner, columns]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return Err(format!("{:?} times {:?}", a.shape, b.shape));
    };
    if depth != inner {
        return Err(format!("{:?} times {:?}", a.shape, b.shape));
    }
    let (x, y) = (a.floats()?, b.floats()?);
    let mut product = vec![0.0; rows * columns];
    for (row, sums) in product.chunks_mut(columns).enumerate() {
        for (x, y) in x[row * depth..][..depth].iter().zip(y.chunks(columns)) {
            sums.iter_mut().zip(y).for_each(|(sum, y)| *sum += x * y);
        }
    }
    Tensor::of_floats(vec![rows, columns], product)
}
