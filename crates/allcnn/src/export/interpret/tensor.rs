//! Values of a graph: numbers in C order with a shape.

/// The numbers of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::export) enum Numbers {
    Float(Vec<f32>),
    Byte(Vec<u8>),
    Integer(Vec<i64>),
    Truth(Vec<bool>),
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::export) struct Tensor {
    pub(in crate::export) shape: Vec<usize>,
    pub(in crate::export) numbers: Numbers,
}

/// What an operation gives, or what is wrong.
pub(super) type Outcome<T = Tensor> = Result<T, String>;

impl Tensor {
    /// A tensor, if the numbers fill the shape.
    pub(in crate::export) fn new(shape: Vec<usize>, numbers: Numbers) -> Outcome {
        let count = match &numbers {
            Numbers::Float(values) => values.len(),
            Numbers::Byte(values) => values.len(),
            Numbers::Integer(values) => values.len(),
            Numbers::Truth(values) => values.len(),
        };
        let expected = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if expected != Some(count) {
            return Err(format!("{count} values in shape {shape:?}"));
        }
        Ok(Self { shape, numbers })
    }

    pub(super) fn of_floats(shape: Vec<usize>, values: Vec<f32>) -> Outcome {
        Self::new(shape, Numbers::Float(values))
    }

    pub(in crate::export) fn floats(&self) -> Outcome<&[f32]> {
        match &self.numbers {
            Numbers::Float(values) => Ok(values),
            _ => Err("expected numbers of f32".into()),
        }
    }

    pub(super) fn integers(&self) -> Outcome<&[i64]> {
        match &self.numbers {
            Numbers::Integer(values) => Ok(values),
            _ => Err("expected integers".into()),
        }
    }

    pub(super) fn truths(&self) -> Outcome<&[bool]> {
        match &self.numbers {
            Numbers::Truth(values) => Ok(values),
            _ => Err("expected truth values".into()),
        }
    }

    /// The four sizes of `[N, C, H, W]`.
    pub(super) fn four(&self) -> Outcome<[usize; 4]> {
        self.shape.as_slice().try_into().map_err(|_| format!("shape {:?}; expected four sizes", self.shape))
    }

    /// The axis counted from the front.
    pub(super) fn axis(&self, axis: i64) -> Outcome<usize> {
        let rank = self.shape.len() as i64;
        let from_front = if axis < 0 { axis + rank } else { axis };
        let axis = usize::try_from(from_front).ok().filter(|&axis| axis < self.shape.len());
        axis.ok_or_else(|| format!("axis {from_front} of shape {:?}", self.shape))
    }

    /// The sizes before, at and behind an axis.
    pub(super) fn around(&self, axis: usize) -> [usize; 3] {
        let product = |sizes: &[usize]| sizes.iter().product();
        [product(&self.shape[..axis]), self.shape[axis], product(&self.shape[axis + 1..])]
    }
}

/// Moves values: `source(index)` says which old value the new one at an index is, or none for `empty`.
pub(super) fn moved(
    tensor: &Tensor,
    shape: Vec<usize>,
    empty: f32,
    mut source: impl FnMut(&[usize]) -> Option<usize>,
) -> Outcome {
    let mut index = vec![0; shape.len()];
    let count = shape.iter().product();
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        places.push(source(&index));
        for (at, &size) in index.iter_mut().zip(&shape).rev() {
            *at += 1;
            if *at < size {
                break;
            }
            *at = 0;
        }
    }
    let numbers = match &tensor.numbers {
        Numbers::Float(values) => {
            Numbers::Float(places.iter().map(|place| place.map_or(empty, |place| values[place])).collect())
        }
        Numbers::Integer(values) => Numbers::Integer(
            places.iter().map(|place| place.map_or(empty as i64, |place| values[place])).collect(),
        ),
        _ => return Err("expected numbers".into()),
    };
    Tensor::new(shape, numbers)
}

/// The distance between neighbors along each axis.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
}
