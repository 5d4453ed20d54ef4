//! Groups the tensors of a PyTorch state dict into layers, without other entries and the names' common prefix.

use std::collections::BTreeMap;

use super::layer::Layer;
use super::note::{Note, NoteKind, check_name, counted, list};
use super::stored::{Element, Stored};
use crate::parameters::Tensor;

const EXPECTED: &str = "expected conv1.weight, conv1.bias, ..., or 0.weight, ... of an nn.Sequential, \
                        or features.0.weight, ..., classifier.1.weight, ... as torchvision's AlexNet has them";

/// Returns the layers by name, and the centers and rhos of learned norms. The tensors may have at most `most` values in total:
/// tensors may share storage, so the file's size does not limit that.
pub(super) fn layers(
    tensors: Vec<Stored<'_>>,
    most: usize,
    notes: &mut Vec<Note>,
) -> Result<(Vec<Layer>, Vec<Tensor>), String> {
    let tensors = without_leftovers(tensors, notes)?;
    if tensors.is_empty() {
        return Err(format!("it holds no weights; {EXPECTED}"));
    }
    let (mut total, mut norms) = (0usize, vec![]);
    let mut parts: BTreeMap<String, [Option<Tensor>; 2]> = BTreeMap::new();
    for stored in &tensors {
        total = total.saturating_add(stored.len()?);
        if total > most {
            return Err("its tensors have more values than the file has bytes".into());
        }
        if stored.name.ends_with(".center") || stored.name.ends_with(".rho") {
            norms.push(stored.values()?);
            continue;
        }
        let (layer, part) = split(&stored.name)?;
        let twice = parts.entry(layer.into()).or_default()[part].replace(stored.values()?);
        if twice.is_some() {
            return Err(format!("it has two tensors {}", stored.name));
        }
    }
    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
    let prefix = shared_prefix(&names).to_owned();
    if !prefix.is_empty() {
        notes
            .push(Note::new(NoteKind::Prefix, format!("dropped {prefix} from the names: all begin with it")));
    }
    for norm in &mut norms {
        norm.name = norm.name.strip_prefix(&prefix).unwrap_or(&norm.name).to_owned();
    }
    let layers = parts
        .into_iter()
        .map(|(name, [weight, bias])| {
            let lacks = || format!("it has no {name}.weight; expected a weight for each layer");
            Ok(Layer { name: name[prefix.len()..].into(), weight: weight.ok_or_else(lacks)?, bias })
        })
        .collect::<Result<_, String>>()?;
    Ok((layers, norms))
}

/// Splits a tensor's name into the layer and 0 for the weight or 1 for the bias.
fn split(name: &str) -> Result<(&str, usize), String> {
    match name.rsplit_once('.') {
        Some((layer, "weight")) => Ok((layer, 0)),
        Some((layer, "bias")) => Ok((layer, 1)),
        Some((_, "running_mean" | "running_var")) => Err(format!(
            "its tensor {name} is neither a weight nor a bias: the networks here have no batch normalization; fold it \
             into the convolutions first (torch.nn.utils.fusion.fuse_conv_bn_eval)"
        )),
        _ => Err(format!("its tensor {name} is neither a weight nor a bias; {EXPECTED}")),
    }
}

/// Removes the training state besides the weights, with a note.
fn without_leftovers<'a>(tensors: Vec<Stored<'a>>, notes: &mut Vec<Note>) -> Result<Vec<Stored<'a>>, String> {
    let mut left_out: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut kept = Vec::new();
    for tensor in tensors {
        check_name(&tensor.name)?;
        match leftover(&tensor) {
            Some(reason) => left_out.entry(reason).or_default().push(tensor.name),
            None => kept.push(tensor),
        }
    }
    notes.extend(left_out.into_iter().map(|(reason, mut names)| {
        names.sort();
        let count = counted(names.len(), "tensor");
        Note::new(NoteKind::LeftOut, format!("left out {count}, {reason}: {}", list(names)))
    }));
    Ok(kept)
}

/// Why a tensor is not a weight, if so.
fn leftover(tensor: &Stored<'_>) -> Option<&'static str> {
    let name = tensor.name.as_str();
    if name.starts_with("velocity.") || name.starts_with("optimizer.") {
        return Some("the state of an optimizer");
    }
    match name.rsplit('.').next() {
        Some("num_batches_tracked" | "n_averaged") => Some("counters of a training"),
        Some("weight" | "bias") => None,
        _ if matches!(tensor.element, Element::Whole(_)) => Some("whole numbers and neither weight nor bias"),
        _ => None,
    }
}

/// The longest common prefix that ends in a dot and leaves a rest of each name.
fn shared_prefix<'a>(names: &[&'a str]) -> &'a str {
    let Some((first, rest)) = names.split_first() else { return "" };
    let shared = |end: usize| rest.iter().all(|name| name.starts_with(&first[..end]));
    let ends = first.match_indices('.').map(|(position, _)| position + 1).take_while(|&end| shared(end));
    &first[..ends.last().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [u8; 64] = [0; 64];

    fn read(tensors: &[(&str, Element)]) -> Result<(Vec<String>, Vec<String>), String> {
        let stored =
            |(name, element): &(&str, Element)| Stored::row_major(name, element.clone(), &[2], &VALUES[..]);
        let mut notes = Vec::new();
        let (layers, _) = layers(tensors.iter().map(stored).collect(), 100, &mut notes)?;
        Ok((
            layers.into_iter().map(|layer| layer.name).collect(),
            notes.into_iter().map(|note| note.text).collect(),
        ))
    }

    fn floats(names: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        read(&names.iter().map(|&name| (name, Element::F32)).collect::<Vec<_>>())
    }

    #[test]
    fn a_prefix_of_all_names_is_dropped_however_long() {
        for (names, prefix, left) in [
            (&["conv1.weight", "conv2.weight"][..], "", &["conv1", "conv2"][..]),
            (&["module.conv1.weight", "module.conv2.weight"], "module.", &["conv1", "conv2"]),
            (&["a.b.0.weight", "a.b.0.bias", "a.b.3.weight"], "a.b.", &["0", "3"]),
            (&["net.features.0.weight", "net.fc.weight"], "net.", &["fc", "features.0"]),
            (&["module.fc.weight"], "module.", &["fc"]),
            (&["net1.a.weight", "net10.b.weight"], "", &["net1.a", "net10.b"]),
        ] {
            let (given, notes) = floats(names).unwrap();
            assert_eq!(given, left);
            assert_eq!(notes.is_empty(), prefix.is_empty(), "{notes:?}");
            assert!(notes.iter().all(|note| note.contains(&format!("dropped {prefix} "))), "{notes:?}");
        }
    }

    #[test]
    fn leftovers_of_a_training_are_counted_and_hide_no_prefix() {
        let whole = Element::Whole("I64".into());
        let (given, notes) = read(&[
            ("m.conv1.weight", Element::F32),
            ("n_averaged", whole.clone()),
            ("m.bn.num_batches_tracked", whole.clone()),
            ("m.seen", whole.clone()),
            ("velocity.conv1.weight", Element::F32),
        ])
        .unwrap();
        assert_eq!(given, ["conv1"]);
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert!(notes[0].contains("2 tensors, counters of a training: m.bn.num_batches_tracked, n_averaged"));
        assert!(read(&[("conv1.weight", whole)]).unwrap_err().contains("conv1.weight is of type I64"));
    }

    #[test]
    fn what_is_neither_weight_nor_leftover_is_named() {
        assert!(floats(&["a.weight", "1.running_mean"]).unwrap_err().contains("no batch normalization"));
        assert!(floats(&["a.weight", "a.scale"]).unwrap_err().contains("a.scale is neither"));
        assert!(floats(&["a.weight", "b.bias"]).unwrap_err().contains("no b.weight"));
        assert!(floats(&["a.weight", "a.weight"]).unwrap_err().contains("two tensors a.weight"));
        assert!(floats(&["a\u{1b}[2J.weight"]).unwrap_err().contains("control characters"));
        assert!(floats(&[]).unwrap_err().contains("no weights"));
    }

    #[test]
    fn tensors_over_one_another_take_no_more_memory_than_the_file() {
        let strides = vec![0];
        let wide = Stored {
            name: "a.weight".into(),
            element: Element::F32,
            shape: vec![1 << 40],
            strides,
            bytes: &VALUES,
        };
        assert!(
            layers(vec![wide], 64, &mut vec![]).unwrap_err().contains("more values than the file has bytes")
        );
    }
}
