//! Tensors as described in a pickle: a storage with offset, shape and strides.

use super::archive::Archive;
use crate::data::pickle::{Id, Pickle, Value};
use crate::import::stored::{Element, Stored};

/// The most dimensions of a shape and characters of a storage key; longer ones would cost time for each of many
/// tensors.
const LONGEST: usize = 64;

/// Whether a value is a tensor or an `nn.Parameter`.
pub(super) fn is_tensor(pickle: &Pickle<'_>, id: Id) -> bool {
    rebuilt(pickle, id).is_some()
}

/// The arguments of the rebuild call: storage, offset, shape, strides, ...
fn rebuilt<'p>(pickle: &'p Pickle<'_>, mut id: Id) -> Option<&'p [Id]> {
    loop {
        let Value::Call { function, arguments, .. } = pickle.value(id) else { return None };
        let (Value::Global(name), Value::Sequence(arguments)) =
            (pickle.value(function), pickle.value(arguments))
        else {
            return None;
        };
        match name {
            "torch._utils._rebuild_tensor_v2" => return Some(arguments),
            // The arguments of a call are older than the call, so this terminates.
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                id = *arguments.first()?;
            }
            _ => return None,
        }
    }
}

/// Reads the tensor called `name`.
pub(super) fn tensor<'a>(
    pickle: &Pickle<'_>,
    id: Id,
    name: String,
    archive: &Archive<'a>,
) -> Result<Stored<'a>, String> {
    match rebuilt(pickle, id) {
        Some(&[storage, offset, shape, strides, ..]) => {
            let storage = Storage::read(pickle, storage, archive)
                .ok_or_else(|| format!("its tensor {name} has no storage"))?;
            let (shape, strides) = (sizes(pickle, shape), sizes(pickle, strides));
            let (Some(shape), Some(strides), Some(offset)) = (shape, strides, size(pickle, offset)) else {
                return Err(format!("its tensor {name} has a shape that is none"));
            };
            let bytes = storage
                .from(offset)
                .ok_or_else(|| format!("its tensor {name} reaches beyond the values that are there"))?;
            Ok(Stored { name, element: storage.element, shape, strides, bytes })
        }
        _ => Err(format!("its tensor {name} is made in an unknown way")),
    }
}

/// A record of values.
struct Storage<'a> {
    element: Element,
    width: usize,
    bytes: &'a [u8],
}

impl<'a> Storage<'a> {
    /// Resolves `("storage", torch.FloatStorage, key, device, length)`.
    fn read(pickle: &Pickle<'_>, id: Id, archive: &Archive<'a>) -> Option<Self> {
        let Value::Persistent(id) = pickle.value(id) else { return None };
        let Value::Sequence(&[_, kind, key, _, len]) = pickle.value(id) else { return None };
        let Value::Global(kind) = pickle.value(kind) else { return None };
        let (element, width) = element(kind.strip_prefix("torch.")?.strip_suffix("Storage")?);
        let key = pickle.bytes(key).filter(|key| key.len() <= LONGEST)?;
        let record = archive.records.get(std::str::from_utf8(key).ok()?)?;
        let bytes = record.get(..size(pickle, len)?.checked_mul(width)?)?;
        Some(Self { element, width, bytes })
    }

    /// The bytes from element `offset` on.
    fn from(&self, offset: usize) -> Option<&'a [u8]> {
        self.bytes.get(offset.checked_mul(self.width)?..)
    }
}

/// The element type of a storage and its size in bytes; for unsupported types a lower bound.
fn element(storage: &str) -> (Element, usize) {
    match storage {
        "Float" => (Element::F32, 4),
        "Double" => (Element::F64, 8),
        "Half" => (Element::F16, 2),
        "BFloat16" => (Element::Bf16, 2),
        "Byte" | "Char" | "Short" | "Int" | "Long" | "Bool" => (Element::Whole(storage.into()), 1),
        other => (Element::Other(other.into()), 1),
    }
}

fn sizes(pickle: &Pickle<'_>, id: Id) -> Option<Vec<usize>> {
    let Value::Sequence(items) = pickle.value(id) else { return None };
    if items.len() > LONGEST {
        return None;
    }
    items.iter().map(|&item| size(pickle, item)).collect()
}

fn size(pickle: &Pickle<'_>, id: Id) -> Option<usize> {
    match pickle.value(id) {
        Value::Int(value) => usize::try_from(value).ok(),
        _ => None,
    }
}
