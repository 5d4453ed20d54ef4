//! Networks as text: a TOML list of layers, read with the line of every mistake and written back exactly.

use std::fmt::{self, Write};

use allcnn_device::{Activation, Fractional, Grid, PoolKind, RegionSequence, Windows};
use serde::de::{Deserialize, Deserializer, Unexpected, Visitor};
use toml::Spanned;

use super::error::Error;
use super::network::{Conv, Input, LayerKind, Lrn, MOST_LAYERS, Network, Pool, names_of, too_many};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkText {
    name: String,
    input: [usize; 3],
    classes: Option<usize>,
    #[serde(default)]
    input_dropout: f32,
    layers: Vec<Spanned<LayerText>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LayerText {
    conv: Option<WordOrNumber>,
    pool: Option<String>,
    maxout: Option<usize>,
    lrn: Option<usize>,
    global_average: Option<bool>,
    kernel: Option<usize>,
    stride: Option<usize>,
    padding: Option<WordOrNumber>,
    groups: Option<usize>,
    activation: Option<String>,
    dropout: Option<f32>,
    ceil: Option<bool>,
    fractional: Option<f32>,
    sequence: Option<String>,
    overlapping: Option<bool>,
    alpha: Option<f32>,
    beta: Option<f32>,
    k: Option<f32>,
}

/// A number, or a word that stands for one.
enum WordOrNumber {
    Word(String),
    Number(usize),
}

impl<'de> Deserialize<'de> for WordOrNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = WordOrNumber;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or a word in quotes")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<WordOrNumber, E> {
                Ok(WordOrNumber::Word(word.into()))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<WordOrNumber, E> {
                usize::try_from(number)
                    .map(WordOrNumber::Number)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(number), &"0 or more"))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl fmt::Display for WordOrNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "\"{word}\""),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Network {
    /// Reads a network from a TOML list of layers, as `examples/network.toml` is one:
    ///
    /// ```toml
    /// name = "small"
    /// input = [32, 32, 3] # height, width, channels
    /// classes = 10        # where the data does not say
    /// input_dropout = 0.2
    /// layers = [
    ///   { conv = 64, kernel = 3 },
    ///   { conv = 64, kernel = 3, stride = 2, dropout = 0.5 },
    ///   { conv = "classes", kernel = 1 },
    ///   { global_average = true },
    /// ]
    /// ```
    ///
    /// A layer is one of
    ///
    /// | layer | with | default |
    /// |---|---|---|
    /// | `conv = channels` or `"classes"` | `kernel` | must be given |
    /// | | `stride` | 1 |
    /// | | `padding`: `"same"` (keeps the size at stride 1), `"valid"` (none) or a number | `"same"` |
    /// | | `groups` | 1 |
    /// | | `activation`: `"relu"`, `"leaky:SLOPE"`, `"identity"` | `"relu"` |
    /// | | `dropout` | 0 |
    /// | `pool = "max"`, `"average"` or `"norm:P"` (Equation 1) | `kernel` | must be given |
    /// | | `stride` | 1 |
    /// | | `padding`: a number | 0 |
    /// | | `ceil`: a last partial window counts | true |
    /// | | `dropout` | 0 |
    /// | `pool` over fractional windows (Graham 2015) | `fractional = alpha`, between 1 and 2 | must be given |
    /// | | `sequence`: `"pseudorandom"` or `"random"` | `"pseudorandom"` |
    /// | | `overlapping` | true |
    /// | | `dropout` | 0 |
    /// | `maxout = pieces`, the maximum over so many channels (Goodfellow et al. 2013) | `dropout` | 0 |
    /// | `lrn = size` | `alpha`, `beta`, `k` | 0.0001, 0.75, 1 |
    /// | `global_average = true` | | |
    ///
    /// One `[[layers]]` section a layer means the same.
    ///
    /// # Errors
    /// [`Error::Text`] or [`Error::Layer`] with the line, or [`Error::Network`] when the whole does not fit.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Self::read(text, None)
    }

    /// Reads a network as [`Network::from_toml`] does, for `classes` classes whatever the text says of them.
    ///
    /// # Errors
    /// As [`Network::from_toml`].
    pub fn from_toml_for(text: &str, classes: usize) -> Result<Self, Error> {
        Self::read(text, Some(classes))
    }

    fn read(text: &str, classes: Option<usize>) -> Result<Self, Error> {
        let line_of = |place: usize| 1 + text.bytes().take(place).filter(|&byte| byte == b'\n').count();
        let NetworkText { name, input: [height, width, channels], classes: own, input_dropout, layers } =
            toml::from_str(text).map_err(|error| Error::Text {
                line: line_of(error.span().map_or(0, |span| span.start)),
                problem: error.message().trim().replace('\n', " "),
            })?;
        let Some(classes) = classes.or(own) else {
            return Err(Error::Network {
                name,
                problem: "it does not say how many; expected classes = N".into(),
            });
        };
        if layers.len() > MOST_LAYERS {
            return Err(Error::Network { name, problem: too_many(layers.len()) });
        }
        let lines = lines_of(text, layers.iter().map(|layer| layer.span().start));
        let mut kinds = Vec::with_capacity(layers.len());
        for (index, layer) in layers.into_iter().enumerate() {
            let kind = layer.into_inner().layer(classes).map_err(|problem| Error::Layer {
                name: format!("number {}", index + 1),
                line: Some(lines[index]),
                problem,
            })?;
            kinds.push(kind);
        }
        let names = names_of(&kinds);
        Self::new(name, Input { height, width, channels }, classes, input_dropout, kinds).map_err(|error| {
            match error {
                Error::Layer { name, problem, .. } => {
                    let line = names.iter().position(|known| *known == name).map(|index| lines[index]);
                    Error::Layer { name, line, problem }
                }
                other => other,
            }
        })
    }

    /// The network as text that [`Network::from_toml`] reads back as exactly the same.
    pub fn to_toml(&self) -> String {
        let Input { height, width, channels } = self.input();
        let mut text = format!(
            "name = {}\ninput = [{height}, {width}, {channels}]\nclasses = {}\ninput_dropout = {}\nlayers = [\n",
            quoted(self.name()),
            self.classes(),
            self.input_dropout()
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
                LayerKind::GlobalAverage => "global_average = true".into(),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {{ {line} }},");
        }
        text + "]\n"
    }
}

/// The lines of places, each of which is behind the one before.
fn lines_of(text: &str, places: impl Iterator<Item = usize>) -> Vec<usize> {
    let (mut line, mut seen) = (1, 0);
    let line_of = |place: usize| {
        let between = text.as_bytes().get(seen..place).unwrap_or_default();
        line += between.iter().filter(|&&byte| byte == b'\n').count();
        seen = seen.max(place);
        line
    };
    places.map(line_of).collect()
}

fn conv_text(conv: &Conv, logits: bool) -> String {
    let channels = if logits { "\"classes\"".into() } else { conv.channels.to_string() };
    let mut text = format!("conv = {channels}, kernel = {}", conv.kernel);
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
    if conv.dropout != 0.0 {
        add(format!("dropout = {:?}", conv.dropout));
    }
    text
}

fn pool_text(pool: &Pool) -> String {
    let Pool { kind, windows, dropout } = pool;
    let word = match kind {
        PoolKind::Max => "max".into(),
        PoolKind::Average => "average".into(),
        PoolKind::PNorm { p } => format!("norm:{p}"),
    };
    let mut text = match windows {
        Windows::Grid(_) | Windows::Fractional(_) => format!("pool = \"{word}\""),
        Windows::Channels { pieces } => format!("maxout = {pieces}"),
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
    add(*dropout != 0.0, format!(", dropout = {dropout:?}"));
    text
}

/// A TOML string: JSON's escapes are TOML's.
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

impl LayerText {
    fn layer(self, classes: usize) -> Result<LayerKind, String> {
        let kinds = [
            self.conv.is_some(),
            self.pool.is_some(),
            self.maxout.is_some(),
            self.lrn.is_some(),
            self.global_average.is_some(),
        ];
        if kinds.into_iter().filter(|&given| given).count() != 1 {
            return Err("expected exactly one of conv, pool, maxout, lrn and global_average".into());
        }
        self.refuse_foreign()?;
        if let Some(channels) = &self.conv {
            return self.conv(channels, classes).map(LayerKind::Conv);
        }
        if let Some(word) = &self.pool {
            return self.pool(word).map(LayerKind::Pool);
        }
        if let Some(pieces) = self.maxout {
            return Ok(Pool::maxout(pieces).dropout(self.dropout.unwrap_or(0.0)).into());
        }
        if let Some(size) = self.lrn {
            let [alpha, beta, k] = [(self.alpha, 1e-4), (self.beta, 0.75), (self.k, 1.0)]
                .map(|(given, default)| given.unwrap_or(default));
            return Ok(LayerKind::Lrn(Lrn { size, alpha, beta, k }));
        }
        if self.global_average == Some(false) {
            return Err("global_average = false; expected true, or no such layer".into());
        }
        Ok(LayerKind::GlobalAverage)
    }

    /// Refuses settings that the layer does not have.
    fn refuse_foreign(&self) -> Result<(), String> {
        let (word, own): (_, &[&str]) = if self.conv.is_some() {
            ("conv", &["kernel", "stride", "padding", "groups", "activation", "dropout"])
        } else if self.fractional.is_some() && self.pool.is_some() {
            ("fractional pool", &["fractional", "sequence", "overlapping", "dropout"])
        } else if self.pool.is_some() {
            ("pool", &["kernel", "stride", "padding", "ceil", "dropout"])
        } else if self.maxout.is_some() {
            ("maxout", &["dropout"])
        } else if self.lrn.is_some() {
            ("lrn", &["alpha", "beta", "k"])
        } else {
            ("global_average", &[])
        };
        let given = [
            ("kernel", self.kernel.is_some()),
            ("stride", self.stride.is_some()),
            ("padding", self.padding.is_some()),
            ("groups", self.groups.is_some()),
            ("activation", self.activation.is_some()),
            ("dropout", self.dropout.is_some()),
            ("ceil", self.ceil.is_some()),
            ("fractional", self.fractional.is_some()),
            ("sequence", self.sequence.is_some()),
            ("overlapping", self.overlapping.is_some()),
            ("alpha", self.alpha.is_some()),
            ("beta", self.beta.is_some()),
            ("k", self.k.is_some()),
        ];
        match given.into_iter().find(|(key, given)| *given && !own.contains(key)) {
            None => Ok(()),
            Some((key, _)) if own.is_empty() => Err(format!("{key} on a {word} layer; expected no settings")),
            Some((key, _)) => Err(format!("{key} on a {word} layer; expected only {}", own.join(", "))),
        }
    }

    fn kernel(&self) -> Result<usize, String> {
        match self.kernel {
            Some(0) => Err("kernel = 0; expected at least 1".into()),
            Some(kernel) => Ok(kernel),
            None => Err("no kernel size; expected kernel = N".into()),
        }
    }

    fn conv(&self, channels: &WordOrNumber, classes: usize) -> Result<Conv, String> {
        let kernel = self.kernel()?;
        let channels = match channels {
            WordOrNumber::Number(channels) => *channels,
            WordOrNumber::Word(word) if word == "classes" => classes,
            other => return Err(format!("conv = {other}; expected the number of channels or \"classes\"")),
        };
        let padding = match &self.padding {
            Some(WordOrNumber::Number(padding)) => *padding,
            Some(WordOrNumber::Word(word)) if word == "valid" => 0,
            Some(WordOrNumber::Word(word)) if word != "same" => {
                return Err(format!("padding = \"{word}\"; expected \"same\", \"valid\" or a number"));
            }
            _ if kernel.is_multiple_of(2) => {
                return Err(format!(
                    "padding \"same\" with a {kernel}x{kernel} kernel; expected an odd kernel, \"valid\" or a number"
                ));
            }
            _ => (kernel - 1) / 2,
        };
        Ok(Conv {
            channels,
            kernel,
            stride: self.stride.unwrap_or(1),
            padding,
            groups: self.groups.unwrap_or(1),
            activation: self.activation.as_deref().map_or(Ok(Activation::Relu), activation)?,
            dropout: self.dropout.unwrap_or(0.0),
        })
    }

    fn pool(&self, word: &str) -> Result<Pool, String> {
        let kind = match (word, word.strip_prefix("norm:").map(str::parse)) {
            ("max", _) => PoolKind::Max,
            ("average", _) => PoolKind::Average,
            (_, Some(Ok(p))) => PoolKind::PNorm { p },
            _ => {
                return Err(format!(
                    "pool = \"{word}\"; expected \"max\", \"average\" or \"norm:P\", such as \"norm:2\""
                ));
            }
        };
        let windows = match self.fractional {
            Some(alpha) => Windows::Fractional(self.fractional(alpha)?),
            None => Windows::Grid(self.grid()?),
        };
        Ok(Pool { kind, windows, dropout: self.dropout.unwrap_or(0.0) })
    }

    fn grid(&self) -> Result<Grid, String> {
        let padding = match &self.padding {
            None => 0,
            Some(WordOrNumber::Number(padding)) => *padding,
            Some(other) => return Err(format!("padding = {other} on a pool; expected a number")),
        };
        let (kernel, stride) = (self.kernel()?, self.stride.unwrap_or(1));
        Ok(Grid { kernel, stride, padding, ceil: self.ceil.unwrap_or(true) })
    }

    fn fractional(&self, alpha: f32) -> Result<Fractional, String> {
        let sequence = match self.sequence.as_deref() {
            None | Some("pseudorandom") => RegionSequence::Pseudorandom,
            Some("random") => RegionSequence::Random,
            Some(other) => {
                return Err(format!("sequence = \"{other}\"; expected \"pseudorandom\" or \"random\""));
            }
        };
        Ok(Fractional { alpha, sequence, overlapping: self.overlapping.unwrap_or(true) })
    }
}

/// An activation as a network's file has it.
pub(super) fn activation_word(activation: Activation) -> String {
    match activation {
        Activation::Relu => "relu".into(),
        Activation::Identity => "identity".into(),
        Activation::LeakyRelu { slope } => format!("leaky:{slope}"),
    }
}

fn activation(word: &str) -> Result<Activation, String> {
    match (word, word.strip_prefix("leaky:").map(str::parse)) {
        ("relu", _) => Ok(Activation::Relu),
        ("identity", _) => Ok(Activation::Identity),
        (_, Some(Ok(slope))) => Ok(Activation::LeakyRelu { slope }),
        _ => Err(format!(
            "activation = \"{word}\"; expected \"relu\", \"identity\" or \"leaky:SLOPE\", such as \"leaky:0.333\""
        )),
    }
}
