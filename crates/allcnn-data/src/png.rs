//! PNG files that lack nothing but their end.
use std::borrow::Cow;

/// The chunk that ends a PNG file.
const END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// The file with its end where that is missing, or is replaced by something else: the decoder would wait for it.
/// A file that ends within an image chunk stays as it is.
pub(crate) fn ended(file: &[u8]) -> Cow<'_, [u8]> {
    let mut at = 8;
    let mut has_image = false;
    loop {
        let Some((&length, rest)) = file.get(at..).and_then(<[u8]>::split_first_chunk::<4>) else { break };
        let kind = rest.get(..4).unwrap_or_default();
        has_image |= kind == b"IDAT";
        let length = u32::from_be_bytes(length) as usize;
        let is_whole = kind.len() == 4
            && kind.iter().all(u8::is_ascii_alphabetic)
            && rest.len() - 4 >= length.saturating_add(4);
        match is_whole {
            true if kind == b"IEND" => return Cow::Borrowed(file),
            true => at += 12 + length,
            false if kind == b"IDAT" => return Cow::Borrowed(file),
            false => break,
        }
    }
    let whole = file.get(..at).filter(|_| has_image);
    whole.map_or(Cow::Borrowed(file), |whole| Cow::Owned([whole, &END].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_end_is_added() {
        let chunk = |kind: &[u8], data: &[u8]| {
            [&(data.len() as u32).to_be_bytes(), kind, data, &[1, 2, 3, 4]].concat()
        };
        let whole =
            [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &[0; 13]), chunk(b"IDAT", &[7; 9])].concat();
        let file = [whole.as_slice(), &END].concat();
        assert!(matches!(ended(&file), Cow::Borrowed(_)));
        for cut in 1..=12 {
            assert_eq!(ended(&file[..file.len() - cut]), file, "{cut}");
        }
        assert_eq!(ended(&[&whole, b"\0\x01SEFH and more than a chunk".as_slice()].concat()), file);
        for cut in 13..whole.len() {
            let torn = &file[..file.len() - cut];
            assert_eq!(ended(torn), torn, "{cut}");
        }
    }
}
