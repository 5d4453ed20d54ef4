//! Operations that move values: shapes, borders, cuts, scattering.

use super::node::Node;
use super::tensor::{Numbers, Outcome, Tensor, moved, strides};

/// The same values in another shape, of which one size may be left open by -1.
pub(super) fn reshape(node: &Node<'_>) -> Outcome {
    let (input, given) = (node.input(0)?, node.input(1)?.integers()?);
    let count: usize = input.shape.iter().product();
    let known: i64 = given.iter().filter(|&&size| size != -1).product();
    let open = given.iter().filter(|&&size| size == -1).count();
    if known <= 0 || open > 1 || count as i64 % known != 0 {
        return Err(format!("shape {given:?} for {:?}", input.shape));
    }
    let size = |&size: &i64| if size == -1 { count / known as usize } else { size as usize };
    Tensor::new(given.iter().map(size).collect(), input.numbers.clone())
}

/// Two dimensions: those before the axis, and the others.
pub(super) fn flatten(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    let axis = input.axis(node.int("axis", 1))?;
    let shape = vec![input.shape[..axis].iter().product(), input.shape[axis..].iter().product()];
    Tensor::new(shape, input.numbers.clone())
}

pub(super) fn transpose(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    let order: Result<Vec<usize>, String> = node.ints("perm").iter().map(|&axis| input.axis(axis)).collect();
    let order = order?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..input.shape.len()) {
        return Err(format!("perm {order:?} of {:?}", input.shape));
    }
    let steps = strides(&input.shape);
    let shape = order.iter().map(|&axis| input.shape[axis]).collect();
    moved(input, shape, 0.0, |index| Some(index.iter().zip(&order).map(|(at, &axis)| at * steps[axis]).sum()))
}

/// A border of one value.
pub(super) fn pad(node: &Node<'_>) -> Outcome {
    let (input, pads, empty) = (node.input(0)?, node.input(1)?.integers()?, node.input(2)?.floats()?);
    let rank = input.shape.len();
    if node.word("mode") != "constant" || pads.len() != 2 * rank || pads.iter().any(|&pad| pad < 0) {
        return Err(format!("pads {pads:?} of {:?}", input.shape));
    }
    let [before, after] = [0, 1].map(|side| &pads[side * rank..][..rank]);
    let shape = (0..rank).map(|axis| input.shape[axis] + (before[axis] + after[axis]) as usize);
    let steps = strides(&input.shape);
    let empty = *empty.first().ok_or("no value to pad with")?;
    moved(input, shape.collect(), empty, |index| {
        let axes = index.iter().zip(before).zip(&input.shape).zip(&steps);
        axes.map(|(((&at, &before), &size), step)| {
            at.checked_sub(before as usize).filter(|&at| at < size).map(|at| at * step)
        })
        .sum()
    })
}

/// A part along some axes.
pub(super) fn slice(node: &Node<'_>) -> Outcome {
    let input = node.input(0)?;
    let [starts, ends, axes] = [1, 2, 3].map(|index| node.input(index).and_then(Tensor::integers));
    let (mut shape, mut first) = (input.shape.clone(), vec![0; input.shape.len()]);
    for ((&start, &end), &axis) in starts?.iter().zip(ends?).zip(axes?) {
        let axis = input.axis(axis)?;
        if start < 0 || end <= start || end > input.shape[axis] as i64 {
            return Err(format!("{start} to {end} of axis {axis} of {:?}", input.shape));
        }
        (first[axis], shape[axis]) = (start as usize, (end - start) as usize);
    }
    let steps = strides(&input.shape);
    moved(input, shape, 0.0, |index| {
        Some(index.iter().zip(&first).zip(&steps).map(|((at, first), step)| (at + first) * step).sum())
    })
}

pub(super) fn shape(node: &Node<'_>) -> Outcome {
    let sizes: Vec<i64> = node.input(0)?.shape.iter().map(|&size| size as i64).collect();
    Tensor::new(vec![sizes.len()], Numbers::Integer(sizes))
}

/// Zeros.
pub(super) fn constant_of_shape(node: &Node<'_>) -> Outcome {
    let shape: Vec<usize> = node.input(0)?.integers()?.iter().map(|&size| size as usize).collect();
    let count = shape.iter().product();
    Tensor::of_floats(shape, vec![0.0; count])
}

/// Adds updates to a list at these positions.
pub(super) fn scatter_elements(node: &Node<'_>) -> Outcome {
    let (data, places, updates) = (node.input(0)?, node.input(1)?, node.input(2)?);
    if node.word("reduction") != "add" || node.int("axis", 0) != 0 || data.shape.len() != 1 {
        return Err("expected a sum over a list".into());
    }
    let mut sums = data.floats()?.to_vec();
    if places.shape != updates.shape {
        return Err(format!("{:?} positions of {:?} updates", places.shape, updates.shape));
    }
    for (&place, update) in places.integers()?.iter().zip(updates.floats()?) {
        let sum = usize::try_from(place).ok().and_then(|place| sums.get_mut(place));
        *sum.ok_or_else(|| format!("position {place} of {:?}", data.shape))? += update;
    }
    Tensor::of_floats(data.shape.clone(), sums)
}
