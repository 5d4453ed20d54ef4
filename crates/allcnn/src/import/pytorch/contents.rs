//! Locates the weights in a file: a checkpoint may contain several dictionaries.

use std::borrow::Cow;
use std::collections::HashSet;

use super::allowed::{SAVE, is_script};
use super::archive::Archive;
use super::tensor::{is_tensor, tensor};
use crate::data::pickle::{Id, Pickle, Value};
use crate::import::container::Container;
use crate::import::note::{Note, NoteKind};
use crate::import::note::{check_name, list};
use crate::import::stored::Stored;

/// The maximum nesting depth to search.
const DEEPEST: usize = 32;

/// A dictionary of weights.
struct Dictionary {
    /// The keys that lead to it, joined by dots; empty for the outermost.
    path: String,
    tensors: Vec<(String, Id)>,
}

/// A dictionary entry that is not a tensor.
struct Other {
    /// The path of the dictionary.
    path: String,
    key: String,
}

impl Other {
    /// Whether the entry is off the path to this dictionary (in one of its ancestors, but not leading to it) or
    /// inside it.
    fn is_beside(&self, path: &str) -> bool {
        let leads_to = |start: &str| {
            path.strip_prefix(start)
                .is_some_and(|rest| start.is_empty() || rest.is_empty() || rest.starts_with('.'))
        };
        leads_to(&self.path) && !leads_to(&below(&self.path, &self.key))
    }
}

/// Returns the tensors of the only dictionary of weights, or of the module.
pub(super) fn weights<'a>(
    pickle: &Pickle<'_>,
    archive: &Archive<'a>,
    notes: &mut Vec<Note>,
) -> Result<(Container, Vec<Stored<'a>>), String> {
    let mut finder = Finder { pickle, seen: HashSet::new(), tensors: vec![], found: vec![], others: vec![] };
    let root = pickle.root();
    let (container, tensors) = if attributes(pickle, root).is_some() {
        finder.module("", root, 0)?;
        (Container::TorchScript, finder.tensors)
    } else {
        finder.dictionary("", root, 0)?;
        (Container::PyTorch, only(finder.found, &finder.others, notes)?)
    };
    let tensors = tensors.into_iter().map(|(name, id)| tensor(pickle, id, name, archive));
    Ok((container, tensors.collect::<Result<_, String>>()?))
}

/// Returns the only dictionary; notes its path, and what is ignored.
fn only(
    mut found: Vec<Dictionary>,
    others: &[Other],
    notes: &mut Vec<Note>,
) -> Result<Vec<(String, Id)>, String> {
    let names = list(found.iter().map(|dictionary| match dictionary.path.as_str() {
        "" => "the outermost",
        path => path,
    }));
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(format!(
            "it holds no dictionary of weights (0.weight, conv1.weight, ...); save one with {SAVE}"
        )),
        (Some(_), false) => Err(format!(
            "it holds several dictionaries of weights: {names}; save the one that is meant, as \
             torch.save(checkpoint[\"model\"], \"weights.pt\")"
        )),
        (Some(Dictionary { path, tensors }), true) => {
            if !path.is_empty() {
                notes.push(Note::new(NoteKind::Dictionary, format!("took the weights under {path}")));
            }
            let others = others.iter().filter(|other| other.is_beside(&path)).map(|other| &other.key);
            let others: Vec<&String> = others.collect();
            if !others.is_empty() {
                let text = format!("left out beside the weights: {}", list(others));
                notes.push(Note::new(NoteKind::LeftOut, text));
            }
            Ok(tensors)
        }
    }
}

/// The attributes of an object of a TorchScript archive.
fn attributes<'p>(pickle: &'p Pickle<'_>, id: Id) -> Option<&'p [(Id, Id)]> {
    let Value::Call { function, state: Some(state), .. } = pickle.value(id) else { return None };
    match (pickle.value(function), pickle.value(state)) {
        (Value::Global(class), Value::Dict(items)) if is_script(class) => Some(items),
        _ => None,
    }
}

struct Finder<'p, 'f> {
    pickle: &'p Pickle<'f>,
    /// Visited dictionaries: one may occur several times, even within itself.
    seen: HashSet<Id>,
    tensors: Vec<(String, Id)>,
    found: Vec<Dictionary>,
    others: Vec<Other>,
}

impl Finder<'_, '_> {
    /// Collects the dictionaries of weights in this one and below.
    fn dictionary(&mut self, path: &str, id: Id, depth: usize) -> Result<(), String> {
        let Value::Dict(items) = self.pickle.value(id) else { return Ok(()) };
        if depth > DEEPEST || !self.seen.insert(id) {
            return Ok(());
        }
        let index = self.found.len();
        let mut tensors = vec![];
        for &(key, value) in items {
            let Some(key) = text(self.pickle, key) else { continue };
            if is_tensor(self.pickle, value) {
                check_name(&key)?;
                tensors.push((key.into_owned(), value));
            } else {
                let within = below(path, &key);
                let shown = check_name(&within).is_ok();
                let key = if shown { key.into_owned() } else { "(a name that cannot be shown)".into() };
                self.others.push(Other { path: path.into(), key });
                if shown {
                    self.dictionary(&within, value, depth + 1)?;
                }
            }
        }
        if tensors.iter().any(|(name, _)| name.ends_with(".weight")) {
            self.found.insert(index, Dictionary { path: path.into(), tensors });
        }
        Ok(())
    }

    /// Collects the tensors of a module and its submodules.
    fn module(&mut self, path: &str, id: Id, depth: usize) -> Result<(), String> {
        let Some(items) = attributes(self.pickle, id) else { return Ok(()) };
        if depth > DEEPEST || !self.seen.insert(id) {
            return Ok(());
        }
        for &(key, value) in items {
            let Some(key) = text(self.pickle, key) else { continue };
            let name = below(path, &key);
            check_name(&name)?;
            if is_tensor(self.pickle, value) {
                self.tensors.push((name, value));
            } else {
                self.module(&name, value, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// A key, truncated for safety: keys longer than this are too long for a name ([`check_name`]) anyway.
fn text<'p>(pickle: &'p Pickle<'_>, id: Id) -> Option<Cow<'p, str>> {
    let bytes = pickle.bytes(id)?;
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(256)]))
}

/// The dotted path of an entry.
fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::pickle::Names;
    use crate::import::pytorch::is_allowed;
    use crate::import::state_dict::layers;

    /// The pickle opcodes for a text.
    fn text(text: &str) -> Vec<u8> {
        [&[b'X'][..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
    }

    fn numbers(values: &[i64]) -> Vec<u8> {
        let each = values.iter().flat_map(|value| [&[0x8a, 8][..], &value.to_le_bytes()].concat());
        [&b"("[..], &each.collect::<Vec<u8>>(), b"t"].concat()
    }

    /// A tensor in storage 0, which has 16 bytes.
    fn tensor_of(kind: &str, len: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
        let storage = format!("ctorch\n{kind}Storage\n");
        let int = |value: i64| [&[0x8a, 8][..], &value.to_le_bytes()].concat();
        [
            &b"ctorch._utils\n_rebuild_tensor_v2\n(("[..],
            &text("storage"),
            storage.as_bytes(),
            &text("0"),
            &text("cpu"),
            &int(len),
            b"tQ",
            &int(offset),
            &numbers(shape),
            &numbers(strides),
            b"\x89tR",
        ]
        .concat()
    }

    fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let entries = entries.iter().flat_map(|(key, value)| [&text(key)[..], value, b"s"].concat());
        [&b"}"[..], &entries.collect::<Vec<u8>>()].concat()
    }

    /// Names and weights of the layers, and the notes.
    type Read = (Vec<(String, Vec<f32>)>, Vec<Note>);

    fn read(value: Vec<u8>) -> Result<Read, String> {
        let file = [&b"\x80\x02"[..], &value, b"."].concat();
        let pickle = Pickle::read_with(&file, Names::These(is_allowed)).map_err(|error| error.to_string())?;
        let bytes: Vec<u8> = [0.0f32, 1.0, 2.0, 3.0].into_iter().flat_map(f32::to_le_bytes).collect();
        let archive = Archive { pickle: &[], records: [("0".to_owned(), bytes.as_slice())].into() };
        let mut notes = Vec::new();
        let (_, tensors) = weights(&pickle, &archive, &mut notes)?;
        let (layers, _) = layers(tensors, 1000, &mut notes)?;
        Ok((layers.into_iter().map(|layer| (layer.name, layer.weight.values)).collect(), notes))
    }

    fn weight() -> Vec<u8> {
        dict(&[("a.weight", tensor_of("Float", 4, 0, &[2, 2], &[2, 1]))])
    }

    #[test]
    fn shape_strides_and_offset_say_which_values() {
        let one = |tensor| read(dict(&[("a.weight", tensor)])).map(|(layers, _)| layers[0].1.clone());
        assert_eq!(one(tensor_of("Float", 4, 0, &[2, 2], &[1, 2])).unwrap(), [0.0, 2.0, 1.0, 3.0]);
        assert_eq!(one(tensor_of("Float", 4, 1, &[3], &[1])).unwrap(), [1.0, 2.0, 3.0]);
        assert_eq!(one(tensor_of("Float", 2, 1, &[1], &[7])).unwrap(), [1.0]);
        for (tensor, said) in [
            (tensor_of("Float", 4, 2, &[3], &[1]), "beyond"),
            (tensor_of("Float", 2, 1, &[2], &[1]), "beyond"),
            (tensor_of("Float", 5, 0, &[2], &[1]), "no storage"),
            (tensor_of("Double", 4, 0, &[2], &[1]), "no storage"),
            (tensor_of("Float", i64::MAX, 0, &[2], &[1]), "no storage"),
            (tensor_of("Float", 4, i64::MAX, &[2], &[1]), "beyond"),
            (tensor_of("Float", 4, -1, &[2], &[1]), "shape that is none"),
            (tensor_of("Float", 4, 3, &[2], &[-1]), "shape that is none"),
            (tensor_of("Float", 4, 0, &[i64::MAX, i64::MAX], &[0, 0]), "no memory"),
            (tensor_of("Float", 4, 0, &[1 << 40], &[0]), "more values than the file"),
            (tensor_of("Float", 4, 0, &[0], &[1]), "no values"),
            (tensor_of("Float", 4, 0, &[1; 99], &[1; 99]), "shape that is none"),
            (tensor_of("Int", 4, 0, &[4], &[1]), "type Int; expected F32"),
        ] {
            let problem = one(tensor).unwrap_err();
            assert!(problem.contains(said), "expected {said}: {problem}");
        }
    }

    #[test]
    fn the_only_dictionary_is_taken_and_several_are_named() {
        let (layers, notes) = read(dict(&[("net", weight()), ("epoch", b"K\x03".to_vec())])).unwrap();
        assert_eq!((layers[0].0.as_str(), notes.len()), ("a", 2));
        assert!(notes[0].text.contains("under net") && notes[1].text.contains("epoch"), "{notes:?}");
        let deep = read(dict(&[("run", dict(&[("model_state_dict", weight())]))])).unwrap();
        assert!(deep.1[0].text.contains("under run.model_state_dict"), "{deep:?}");
        let two = read(dict(&[("model", weight()), ("ema", weight())])).unwrap_err();
        assert!(two.contains("several dictionaries of weights: model, ema"), "{two}");
        let mixed = dict(&[("a.weight", tensor_of("Float", 4, 0, &[4], &[1])), ("ema", weight())]);
        assert!(read(mixed).unwrap_err().contains("the outermost, ema"));
        // The same dictionary referenced twice counts once.
        let same = [&b"}"[..], &text("model"), &weight(), b"q\x01s", &text("net"), b"h\x01s"].concat();
        assert!(read(same).unwrap().1[0].text.contains("under model"));
    }

    proptest! {
        #[test]
        fn a_changed_byte_makes_no_panic(position in 0usize..1000, byte: u8) {
            let mut value = dict(&[("net", weight()), ("other", tensor_of("Half", 8, 1, &[1, 2], &[1, 3]))]);
            let end = value.len();
            value[position % end] = byte;
            let _ = read(value);
        }
    }

    #[test]
    fn what_holds_no_weights_is_told() {
        for value in [
            dict(&[("epoch", b"K\x03".to_vec())]),
            b"]".to_vec(),
            b"K\x01".to_vec(),
            tensor_of("Float", 4, 0, &[4], &[1]),
        ] {
            assert!(read(value).unwrap_err().contains("no dictionary of weights"));
        }
        let long = dict(&[(&"k".repeat(300), tensor_of("Float", 4, 0, &[4], &[1]))]);
        assert!(read(long).unwrap_err().contains("at most 200 letters"));
        // A dictionary that contains itself.
        assert!(
            read([&b"}q\x01"[..], &text("me"), b"h\x01s"].concat()).unwrap_err().contains("no dictionary")
        );
        assert!(read(b"cos\nsystem\n)R".to_vec()).unwrap_err().contains("os.system"));
        assert!(read(b"ctorch.nn\nLinear\n)R".to_vec()).unwrap_err().contains("torch.nn.Linear"));
    }
}
