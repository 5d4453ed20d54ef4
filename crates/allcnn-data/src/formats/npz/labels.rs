//! An array of labels: whole numbers of any width, or texts.
use crate::formats::class_name::nfc;
use crate::formats::npy::Head;
use crate::names::readable_bytes;
use std::collections::HashMap;
use std::io::{self, Read};

/// No name of a class is longer.
const MAX_NAME: usize = 1 << 12;

/// The labels of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    Numbers(Vec<i64>),
    /// Different names, and which of them each image has.
    Names(Vec<String>, Vec<u32>),
}

/// How many labels an array with this head holds; the error says what is wrong and what to do.
pub(super) fn count(head: &Head) -> Result<usize, String> {
    let (values, shape) = (&head.values, &head.shape);
    let name = values.name();
    match (values.kind, values.size) {
        ('u' | 'i', 1 | 2 | 4 | 8) | ('b', 1) => {}
        ('U' | 'S', size) if size <= MAX_NAME => {}
        ('O', _) => {
            return Err(format!(
                "its values are {name}, which are never unpacked: save whole numbers, or texts by np.array(names, dtype=str)"
            ));
        }
        _ => {
            return Err(format!(
                "its values are {name}, expected whole numbers or names: save y.astype(\"int64\")"
            ));
        }
    }
    match **shape {
        [labels] | [labels, 1] => Ok(labels),
        [_, several] => Err(format!(
            "its shape is {shape:?}, {several} values an image, expected one: where one of them is 1 and the others 0, save y.argmax(axis=1); images of several classes at once cannot be read"
        )),
        _ => Err(format!("its shape is {shape:?}, expected [images]: reshape it")),
    }
}

/// Reads as many labels as [`count`] says.
pub(super) fn read(head: &Head, count: usize, reader: &mut impl Read) -> io::Result<Labels> {
    let (kind, size) = (head.values.kind, head.values.size);
    let mut value = vec![0; size];
    if matches!(kind, 'U' | 'S') {
        let (mut names, mut indices, mut labels) = (Vec::new(), HashMap::new(), Vec::new());
        labels.try_reserve_exact(count)?;
        for _ in 0..count {
            reader.read_exact(&mut value)?;
            let index = match indices.get(&value) {
                Some(&index) => index,
                None => {
                    names.push(name(&value, kind, head.values.big_endian));
                    indices.insert(value.clone(), names.len() as u32 - 1);
                    names.len() as u32 - 1
                }
            };
            labels.push(index);
        }
        return Ok(Labels::Names(names, labels));
    }
    let mut labels = Vec::new();
    labels.try_reserve_exact(count)?;
    for _ in 0..count {
        reader.read_exact(&mut value)?;
        if head.values.big_endian {
            value.reverse();
        }
        let negative = kind == 'i' && value[size - 1] >= 0x80;
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[..size].copy_from_slice(&value);
        // A number above all others is no label either.
        labels.push(i64::try_from(i128::from_le_bytes(wide)).unwrap_or(i64::MAX));
    }
    Ok(Labels::Numbers(labels))
}

/// A text without the zeros that fill it up.
fn name(value: &[u8], kind: char, big_endian: bool) -> String {
    if kind == 'S' {
        let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        return nfc(&readable_bytes(&value[..end]));
    }
    let (letters, _) = value.as_chunks::<4>();
    let letter = |&bytes: &[u8; 4]| {
        let number = if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    nfc(letters.iter().map(letter).collect::<String>().trim_end_matches('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::npy::Values;

    fn head(kind: char, size: usize, big_endian: bool, shape: &[usize]) -> Head {
        Head { values: Values { kind, size, big_endian }, fortran: false, shape: shape.to_vec(), len: 0 }
    }

    #[test]
    fn numbers_of_any_width_are_labels() {
        for size in [1, 2, 4, 8] {
            for big_endian in [false, true] {
                for kind in ['u', 'i'] {
                    let mut bytes = Vec::new();
                    for number in [0u64, 7, 100, u64::MAX] {
                        let all = number.to_le_bytes();
                        let mut own = all[..size].to_vec();
                        if big_endian {
                            own.reverse();
                        }
                        bytes.extend(own);
                    }
                    let read = read(&head(kind, size, big_endian, &[4]), 4, &mut bytes.as_slice()).unwrap();
                    let highest = match (kind, size) {
                        ('i', _) => -1,
                        (_, 8) => i64::MAX,
                        _ => (1i64 << (size * 8)) - 1,
                    };
                    assert_eq!(read, Labels::Numbers(vec![0, 7, 100, highest]), "{kind}{size} {big_endian}");
                }
            }
        }
    }

    #[test]
    fn texts_are_names_of_classes() {
        let letters =
            |text: &str| text.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect::<Vec<u8>>();
        let bytes = [letters("cat\0"), letters("e\u{301}\0\0"), letters("cat\0")].concat();
        let found = read(&head('U', 16, false, &[3]), 3, &mut bytes.as_slice()).unwrap();
        assert_eq!(found, Labels::Names(vec!["cat".into(), "\u{e9}".into()], vec![0, 1, 0]));
        let found = read(&head('S', 3, false, &[3, 1]), 3, &mut b"catdo\0cat".as_slice()).unwrap();
        assert_eq!(found, Labels::Names(vec!["cat".into(), "do".into()], vec![0, 1, 0]));
    }

    #[test]
    fn what_is_no_label_is_refused() {
        assert_eq!((count(&head('i', 8, false, &[5])), count(&head('b', 1, false, &[5, 1]))), (Ok(5), Ok(5)));
        let error = |kind, size, shape: &[usize]| count(&head(kind, size, false, shape)).unwrap_err();
        assert!(
            error('u', 1, &[5, 10]).contains("10 values an image")
                && error('u', 1, &[5, 10]).contains("argmax")
        );
        assert!(error('f', 4, &[5]).contains("float32"));
        assert!(error('O', 8, &[5]).contains("never unpacked"));
        assert!(error('i', 8, &[]).contains("[]"));
    }
}
