//! Safetensors files whose bytes are determined by their contents.

use std::collections::{BTreeMap, HashMap};

use safetensors::View;

/// The length of the header size field.
const LENGTH: usize = size_of::<u64>();

/// Serializes tensors and metadata texts with sorted keys; the `safetensors` crate writes the metadata in
/// arbitrary order.
///
/// # Errors
/// Contents that the format cannot represent, described in a sentence.
pub(crate) fn to_bytes<S: AsRef<str> + Ord + std::fmt::Display, V: View>(
    tensors: impl IntoIterator<Item = (S, V)>,
    texts: HashMap<String, String>,
) -> Result<Vec<u8>, String> {
    let mut bytes = safetensors::serialize(tensors, Some(texts)).map_err(|error| error.to_string())?;
    let header = bytes.first_chunk().map(|length: &[u8; LENGTH]| u64::from_le_bytes(*length) as usize);
    let header = header.and_then(|length| bytes.get_mut(LENGTH..LENGTH + length));
    let header = header.ok_or("a header that is longer than the file")?;
    let entries: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let mut sorted = serde_json::to_vec(&entries).map_err(|error| error.to_string())?;
    sorted.resize(header.len(), b' '); // a permutation of the entries, so the length is unchanged
    header.copy_from_slice(&sorted);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;
    use safetensors::tensor::{Dtype, TensorView};

    #[test]
    fn equal_contents_make_equal_bytes_that_hold_them() {
        let values = [1f32, -2.0].map(f32::to_le_bytes).concat();
        let tensor = || TensorView::new(Dtype::F32, vec![2], &values).unwrap();
        // Each `HashMap` of the standard library has its own order.
        let texts =
            || (0..20).map(|n| (format!("text {n}"), format!("\"{n}\"\n\u{e9}"))).collect::<HashMap<_, _>>();
        let file = || to_bytes([("b", tensor()), ("a", tensor())], texts()).unwrap();
        let first = file();
        assert!((0..10).all(|_| file() == first));
        let (_, header) = SafeTensors::read_metadata(&first).unwrap();
        assert_eq!(header.metadata().as_ref(), Some(&texts()));
        let read = SafeTensors::deserialize(&first).unwrap();
        assert!(["a", "b"].iter().all(|name| read.tensor(name).unwrap().data() == values));
    }
}
