//! NumPy's file format for an array of f32 (format version 1.0): a header as text, then the values. Written here, because the
//! header is a single line and the crates for it bring array types of their own.

use std::io;
use std::path::Path;

use allcnn::atomic_file::write_atomically_with;

/// The header is padded so that the values begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// Writes an array in row-major order. Panics when the number of values is not that of `shape`.
pub(crate) fn write<'a>(
    path: &Path,
    shape: &[usize],
    parts: impl Iterator<Item = &'a [f32]>,
) -> io::Result<()> {
    write_atomically_with(path, |file| {
        file.write_all(&header(shape))?;
        let mut written = 0;
        for part in parts {
            let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
            file.write_all(&bytes)?;
            written += part.len();
        }
        assert_eq!(written, shape.iter().product::<usize>(), "values of an array of shape {shape:?}");
        Ok(())
    })
}

fn header(shape: &[usize]) -> Vec<u8> {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut words = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    let before = MAGIC.len() + size_of::<u16>();
    let padded = (before + words.len() + 1).next_multiple_of(ALIGNMENT) - before;
    words += &" ".repeat(padded - words.len() - 1);
    words.push('\n');
    let length = u16::try_from(words.len()).unwrap_or_else(|_| panic!("{} dimensions", shape.len()));
    [MAGIC, &length.to_le_bytes(), words.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_the_shape_and_ends_at_a_multiple_of_64() {
        for shape in [&[4, 5, 3][..], &[1234, 32, 32, 3], &[7]] {
            let header = header(shape);
            assert_eq!(header.len() % 64, 0);
            assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])), header.len() - 10);
        }
        let text = String::from_utf8_lossy(&header(&[4, 5, 3])[10..]).into_owned();
        assert_eq!(text.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 5, 3,), }");
    }

    #[test]
    fn values_follow_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write(&path, &[2, 1, 2], [[1.0f32, -2.0].as_slice(), &[0.5, 3.0]].into_iter()).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let values: Vec<f32> =
            bytes[128..].chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect();
        assert_eq!(values, [1.0, -2.0, 0.5, 3.0]);
    }
}
