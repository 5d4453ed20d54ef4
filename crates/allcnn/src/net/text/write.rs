//! Writing a network as TOML.

use std::fmt::Write;

use allcnn_device::{Activation, Fractional, Grid, PoolKind, RegionSequence, Windows};

use crate::net::layer::{Conv, LayerKind, Lrn, Lwta, Pool};
use crate::net::network::{Input, Network};

impl Network {
    /// Returns the network as text from which [`Network::from_toml`] reads an equal network.
    pub fn to_toml(&self) -> String {
        let Input { height, width, channels } = self.input();
        let mut text = format!(
            "name = {}\ninput = [{height}, {width}, {channels}]\nclasses = {}\ninput_dropout = {}\n{}layers = [\n",
            quoted(self.name()),
            self.classes(),
            self.input_dropout(),
            if self.is_sparse() { "sparse = true\n" } else { "" }
        );
        let last = self.layers().iter().rposition(|layer| layer.kind().is_conv());
        for (index, layer) in self.layers().iter().enumerate() {
            let line = match layer.kind() {
                LayerKind::Conv(conv) => {
                    conv_text(conv, last == Some(index) && conv.channels == self.classes())
                }
                LayerKind::Pool(pool) => pool_text(pool),
                LayerKind::Lrn(Lrn { size, alpha, beta, k }) => {
                    format!("lrn = {size}, alpha = {alpha:?}, beta = {beta:?}, k = {k:?}")
                }
                LayerKind::Lwta(Lwta { size, dropout }) => format!("lwta = {size}{}", dropout_text(*dropout)),
                LayerKind::GlobalAverage => "global_average = true".into(),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {{ {line} }},");
        }
        text + "]\n"
    }
}

fn conv_text(conv: &Conv, logits: bool) -> String {
    let channels = if logits { "\"classes\"".into() } else { conv.channels.to_string() };
    let word = if conv.unshared { "local" } else { "conv" };
    let mut text = format!("{word} = {channels}, kernel = {}", conv.kernel);
    let mut add = |part: String| text += &format!(", {part}");
    if conv.stride != 1 {
        add(format!("stride = {}", conv.stride));
    }
    if conv.kernel.is_multiple_of(2) || conv.padding != (conv.kernel - 1) / 2 {
        add(format!("padding = {}", conv.padding));
    }
    if conv.groups != 1 {
        add(format!("groups = {}", conv.groups));
    }
    if conv.activation != Activation::Relu {
        add(format!("activation = \"{}\"", activation_word(conv.activation)));
    }
    if conv.drop_connect > 0.0 {
        add(format!("drop_connect = {:?}", conv.drop_connect));
    }
    let dropout = dropout_text(conv.dropout);
    text + &if conv.drops_channels { dropout.replace("dropout", "channel_dropout") } else { dropout }
}

/// The setting of a dropout; nothing for none.
fn dropout_text(rate: f32) -> String {
    if rate == 0.0 { String::new() } else { format!(", dropout = {rate:?}") }
}

fn pool_text(pool: &Pool) -> String {
    let Pool { kind, windows, dropout } = pool;
    let word = match kind {
        PoolKind::Max => "max".into(),
        PoolKind::Average => "average".into(),
        PoolKind::PNorm { p } => format!("norm:{p}"),
        PoolKind::Stochastic => "stochastic".into(),
        PoolKind::LearnedNorm => "learned-norm".into(),
        PoolKind::Probabilistic { .. } => String::new(), // its windows are channels, which have no word for the kind
    };
    let mut text = match windows {
        Windows::Grid(_) | Windows::Fractional(_) => format!("pool = \"{word}\""),
        Windows::Channels { pieces } => match kind {
            PoolKind::Probabilistic { lambda } => format!("probout = {pieces}, lambda = {lambda:?}"),
            _ => format!("maxout = {pieces}"),
        },
    };
    let mut add = |given: bool, part: String| text += &if given { part } else { String::new() };
    match *windows {
        Windows::Grid(Grid { kernel, stride, padding, ceil }) => {
            add(true, format!(", kernel = {kernel}, stride = {stride}"));
            add(padding != 0, format!(", padding = {padding}"));
            add(!ceil, ", ceil = false".into());
        }
        Windows::Fractional(Fractional { alpha, sequence, overlapping }) => {
            add(true, format!(", fractional = {alpha:?}"));
            add(sequence == RegionSequence::Random, ", sequence = \"random\"".into());
            add(!overlapping, ", overlapping = false".into());
        }
        Windows::Channels { .. } => {}
    }
    text + &dropout_text(*dropout)
}

/// Quotes a TOML string; the escapes of JSON are valid in TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => out += &format!("\\u{:04X}", letter as u32),
            letter => out.push(letter),
        }
    }
    out + "\""
}

/// An activation as written in network files.
pub(in crate::net) fn activation_word(activation: Activation) -> String {
    match activation {
        Activation::Relu => "relu".into(),
        Activation::Identity => "identity".into(),
        Activation::LeakyRelu { slope } => format!("leaky:{slope}"),
    }
}
