//! The order of layers, as far as their names determine it.

use super::layer::Layer;
use super::naming::Naming;

/// Layers whose names differ only in numbers, ordered by these. How several chains interleave is unknown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    /// The name with `#` for each number.
    pattern: String,
    pub layers: Vec<Layer>,
}

/// Determines the naming and groups the layers into chains.
pub(super) fn arrange(layers: Vec<Layer>) -> Result<(Naming, Vec<Chain>), String> {
    let mut keyed: Vec<_> = layers.into_iter().map(|layer| (pattern(&layer.name), layer)).collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let Some(twins) = keyed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("its layers {} and {} have the same number", twins[0].1.name, twins[1].1.name));
    }
    let mut chains: Vec<Chain> = Vec::new();
    for ((pattern, _), layer) in keyed {
        match chains.last_mut() {
            Some(chain) if chain.pattern == pattern => chain.layers.push(layer),
            _ => chains.push(Chain { pattern, layers: vec![layer] }),
        }
    }
    let patterns: Vec<&str> = chains.iter().map(|chain| chain.pattern.as_str()).collect();
    let form = match patterns.as_slice() {
        ["conv#"] => Naming::Convolutions,
        ["#"] => Naming::Sequential,
        ["classifier.#", "features.#"] => {
            chains.rotate_left(1);
            return Ok((Naming::FeaturesClassifier, vec![in_a_row(chains)]));
        }
        _ => Naming::Other,
    };
    Ok((form, chains))
}

/// Concatenates the chains.
pub(super) fn in_a_row(chains: Vec<Chain>) -> Chain {
    Chain { pattern: String::new(), layers: chains.into_iter().flat_map(|chain| chain.layers).collect() }
}

/// A chain of layers in file order.
pub(super) fn as_given(layers: Vec<Layer>) -> Chain {
    Chain { pattern: String::new(), layers }
}

/// Splits a name into a pattern with `#` for each number, and the numbers.
fn pattern(name: &str) -> (String, Vec<u64>) {
    let (mut pattern, mut numbers) = (String::new(), Vec::new());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 {
            pattern.push('#');
            numbers.push(rest[..digits].parse().unwrap_or(u64::MAX));
            rest = &rest[digits..];
        } else {
            pattern.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    (pattern, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Tensor;

    fn order(names: &[&str]) -> Result<(Naming, Vec<Vec<String>>), String> {
        let layer = |name: &&str| {
            let weight = Tensor { name: format!("{name}.weight"), shape: vec![1], values: vec![0.0] };
            Layer { name: (*name).into(), weight, bias: None }
        };
        let (form, chains) = arrange(names.iter().map(layer).collect())?;
        let names = |chain: Chain| chain.layers.into_iter().map(|layer| layer.name).collect();
        Ok((form, chains.into_iter().map(names).collect()))
    }

    #[track_caller]
    fn expect(names: &[&str], form: Naming, chains: &[&[&str]]) {
        let chains = chains.iter().map(|chain| chain.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(order(names), Ok((form, chains)));
    }

    #[test]
    fn layers_are_ordered_by_number_and_not_by_letter() {
        expect(&["conv10", "conv2", "conv1"], Naming::Convolutions, &[&["conv1", "conv2", "conv10"]]);
        expect(&["0", "10", "3"], Naming::Sequential, &[&["0", "3", "10"]]);
        let torchvision = ["classifier.6", "classifier.1", "features.10", "features.3"];
        let in_order = ["features.3", "features.10", "classifier.1", "classifier.6"];
        expect(&torchvision, Naming::FeaturesClassifier, &[&in_order]);
        expect(&["1.conv0", "0.conv1", "0.conv0"], Naming::Other, &[&["0.conv0", "0.conv1", "1.conv0"]]);
    }

    #[test]
    fn names_that_say_no_order_stay_apart() {
        expect(&["conv1", "class_conv", "conv2"], Naming::Other, &[&["class_conv"], &["conv1", "conv2"]]);
        expect(&["a.0", "b.0", "a.1"], Naming::Other, &[&["a.0", "a.1"], &["b.0"]]);
        assert!(order(&["conv1", "conv01"]).unwrap_err().contains("have the same number"));
    }
}
