//! Tensors as stored in a file.

use half::{bf16, f16};

use crate::parameters::Tensor;

/// The most dimensions accepted, more than any layer has.
const MAX_DIMENSIONS: usize = 8;

/// The element type of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F64,
    F16,
    Bf16,
    /// Integers or booleans; the type's name in the file.
    Whole(String),
    /// Any other type; its name in the file.
    Other(String),
}

/// A tensor in a file.
#[derive(Clone, Debug)]
pub(super) struct Stored<'a> {
    pub name: String,
    pub element: Element,
    pub shape: Vec<usize>,
    /// Strides in elements, for each dimension.
    pub strides: Vec<usize>,
    /// The bytes from the first value on.
    pub bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    /// A tensor in C order (last dimension contiguous).
    pub(super) fn row_major(name: &str, element: Element, shape: &[usize], bytes: &'a [u8]) -> Self {
        Self { name: name.into(), element, shape: shape.into(), strides: row_major(shape), bytes }
    }

    /// The number of values.
    pub(super) fn len(&self) -> Result<usize, String> {
        volume(&self.shape).map_err(|problem| format!("its tensor {} {problem}", self.name))
    }

    /// Reads the values in C order (last dimension contiguous).
    pub(super) fn values(&self) -> Result<Tensor, String> {
        let (width, decode): (usize, fn(&[u8]) -> f32) = match &self.element {
            Element::F32 => (4, |bytes| f32::from_le_bytes(array(bytes))),
            Element::F64 => (8, |bytes| f64::from_le_bytes(array(bytes)) as f32),
            Element::F16 => (2, |bytes| f16::from_le_bytes(array(bytes)).into()),
            Element::Bf16 => (2, |bytes| bf16::from_le_bytes(array(bytes)).into()),
            Element::Whole(other) | Element::Other(other) => {
                return Err(format!(
                    "its tensor {} is of type {other}; expected F32, F64, F16 or BF16",
                    self.name
                ));
            }
        };
        let len = self.len()?;
        self.extent()
            .and_then(|extent| self.bytes.get(..extent.checked_mul(width)?))
            .ok_or_else(|| format!("its tensor {} reaches beyond the values that are there", self.name))?;
        let values = if self.strides == row_major(&self.shape) {
            self.bytes[..len * width].chunks_exact(width).map(decode).collect()
        } else {
            self.offsets(len).map(|offset| decode(&self.bytes[offset * width..][..width])).collect()
        };
        Ok(Tensor { name: self.name.clone(), shape: self.shape.clone(), values })
    }

    /// The number of elements from the first value to the last, inclusive.
    fn extent(&self) -> Option<usize> {
        let mut extent = 1usize;
        for (&side, &stride) in self.shape.iter().zip(&self.strides) {
            extent = extent.checked_add((side - 1).checked_mul(stride)?)?;
        }
        (self.shape.len() == self.strides.len()).then_some(extent)
    }

    /// The offsets of the values, in elements. Requires [`Stored::extent`] to be valid.
    fn offsets(&self, len: usize) -> impl Iterator<Item = usize> {
        // The stride of a dimension of size 1 is meaningless and may be anything.
        let sides = self.shape.iter().zip(&self.strides);
        let sides: Vec<_> =
            sides.map(|(&side, &stride)| (side, if side == 1 { 0 } else { stride })).collect();
        let mut index = vec![0; sides.len()];
        let mut offset = 0;
        (0..len).map(move |_| {
            let this = offset;
            for (index, &(side, stride)) in index.iter_mut().zip(&sides).rev() {
                *index += 1;
                offset += stride;
                if *index < side {
                    break;
                }
                offset -= side * stride;
                *index = 0;
            }
            this
        })
    }
}

/// The strides of a tensor in C order.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for dimension in (1..shape.len()).rev() {
        strides[dimension - 1] = shape[dimension].saturating_mul(strides[dimension]);
    }
    strides
}

/// The number of values of a shape; zero or too many is an error.
pub(super) fn volume(shape: &[usize]) -> Result<usize, String> {
    if shape.len() > MAX_DIMENSIONS {
        return Err(format!("has {} dimensions; expected at most {MAX_DIMENSIONS}", shape.len()));
    }
    if shape.contains(&0) {
        return Err(format!("has shape {shape:?}, which holds no values"));
    }
    let volume = shape.iter().try_fold(1usize, |volume, &side| volume.checked_mul(side));
    volume.ok_or_else(|| format!("has shape {shape:?}, which no memory holds"))
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(shape: &[usize], strides: &[usize], bytes: &[u8]) -> Result<Vec<f32>, String> {
        let (shape, strides) = (shape.to_vec(), strides.to_vec());
        let stored = Stored { name: "x".into(), element: Element::F32, shape, strides, bytes };
        stored.values().map(|tensor| tensor.values)
    }

    fn counting(len: usize) -> Vec<u8> {
        (0..len).flat_map(|value| (value as f32).to_le_bytes()).collect()
    }

    #[test]
    fn every_float_type_becomes_f32() {
        for (element, bytes) in [
            (Element::F64, (-1.5f64).to_le_bytes().to_vec()),
            (Element::F16, f16::from_f32(-1.5).to_le_bytes().to_vec()),
            (Element::Bf16, bf16::from_f32(-1.5).to_le_bytes().to_vec()),
        ] {
            assert_eq!(Stored::row_major("x", element, &[1], &bytes).values().unwrap().values, [-1.5]);
        }
        let whole = Stored::row_major("x", Element::Whole("I8".into()), &[1], &[0]);
        assert!(whole.values().unwrap_err().contains("x is of type I8; expected F32"));
    }

    #[test]
    fn strides_say_where_a_value_lies() {
        let six = counting(6);
        assert_eq!(stored(&[2, 3], &[3, 1], &six).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(stored(&[2, 3], &[1, 2], &six).unwrap(), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(stored(&[1, 3, 1], &[usize::MAX, 2, 9], &six).unwrap(), [0.0, 2.0, 4.0]);
        assert_eq!(stored(&[3], &[0], &six).unwrap(), [0.0; 3]);
        assert_eq!(stored(&[], &[], &six).unwrap(), [0.0]);
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        let six = counting(6);
        for (shape, strides) in
            [(&[2, 3][..], &[4, 1][..]), (&[7], &[1]), (&[2], &[usize::MAX]), (&[3, 3], &[usize::MAX / 2, 1])]
        {
            assert!(stored(shape, strides, &six).unwrap_err().contains("reaches beyond"), "{shape:?}");
        }
        assert!(stored(&[2], &[], &six).is_err());
        assert!(stored(&[2, 0], &[1, 1], &six).unwrap_err().contains("holds no values"));
        assert!(stored(&[usize::MAX, 2], &[0, 0], &six).unwrap_err().contains("no memory"));
        assert!(stored(&[1; 9], &[1; 9], &six).unwrap_err().contains("9 dimensions"));
    }

    proptest! {
        #[test]
        fn a_strided_tensor_is_its_copy(
            sides in proptest::collection::vec((1usize..4, 0usize..5), 1..4)
        ) {
            let (shape, strides): (Vec<_>, Vec<_>) = sides.into_iter().unzip();
            let bytes = counting(64);
            let expected = (0..shape.iter().product::<usize>()).map(|number| {
                let (mut rest, mut offset) = (number, 0);
                for (side, stride) in shape.iter().zip(&strides).rev() {
                    offset += rest % side * stride;
                    rest /= side;
                }
                offset as f32
            });
            prop_assert_eq!(stored(&shape, &strides, &bytes).unwrap(), expected.collect::<Vec<_>>());
        }
    }
}
