//! One layer of a network's text: a TOML table that becomes a [`LayerKind`].

use std::fmt;

use allcnn_device::{Activation, Fractional, Grid, PoolKind, RegionSequence, Windows};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Unexpected, Visitor};
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::net::layer::{Conv, LayerKind, Lrn, Lwta, Pool};

/// What is wrong with a layer's text.
pub(super) enum LayerProblem {
    /// An unknown key or a value of the wrong type, with its position in the text.
    Text(toml::de::Error),
    /// Keys or values that do not form a valid layer.
    Layer(String),
}

impl From<toml::de::Error> for LayerProblem {
    fn from(error: toml::de::Error) -> Self {
        Self::Text(error)
    }
}

impl From<String> for LayerProblem {
    fn from(problem: String) -> Self {
        Self::Layer(problem)
    }
}

/// A kind of layer in the text format.
struct Kind {
    /// The key that determines the kind.
    key: &'static str,
    /// Its name in messages.
    word: &'static str,
    /// The other keys that it may have.
    settings: &'static [&'static str],
    read: fn(ValueDeserializer<'_>, usize) -> Result<LayerKind, LayerProblem>,
}

const KINDS: [Kind; 8] = [
    Kind {
        key: "conv",
        word: "conv",
        settings: &[
            "kernel",
            "stride",
            "padding",
            "groups",
            "activation",
            "dropout",
            "channel_dropout",
            "drop_connect",
        ],
        read: read_as::<ConvText>,
    },
    Kind {
        key: "local",
        word: "local",
        settings: &["kernel", "stride", "padding", "activation", "dropout"],
        read: read_as::<LocalText>,
    },
    Kind {
        key: "pool",
        word: "pool",
        settings: &["kernel", "stride", "padding", "ceil", "dropout"],
        read: read_as::<PoolText>,
    },
    Kind { key: "maxout", word: "maxout", settings: &["dropout"], read: read_as::<MaxoutText> },
    Kind { key: "probout", word: "probout", settings: &["lambda", "dropout"], read: read_as::<ProboutText> },
    Kind { key: "lrn", word: "lrn", settings: &["alpha", "beta", "k"], read: read_as::<LrnText> },
    Kind { key: "lwta", word: "lwta", settings: &["dropout"], read: read_as::<LwtaText> },
    Kind { key: "global_average", word: "global_average", settings: &[], read: read_as::<GlobalAverageText> },
];

/// A pool with the key `fractional`.
const FRACTIONAL_POOL: Kind = Kind {
    key: "pool",
    word: "fractional pool",
    settings: &["fractional", "sequence", "overlapping", "dropout"],
    read: read_as::<FractionalPoolText>,
};

/// Parses a layer of a network with `classes` classes.
pub(super) fn read(layer: Spanned<DeValue<'_>>, classes: usize) -> Result<LayerKind, LayerProblem> {
    let Some(table) = layer.get_ref().as_table() else {
        let found = layer.get_ref().type_str();
        return Err(
            format!("it is of type {found}; expected a table such as {{ conv = 64, kernel = 3 }}").into()
        );
    };
    let kind = kind_of(|key| table.contains_key(key))?;
    (kind.read)(ValueDeserializer::from(layer), classes)
}

/// Determines a layer's kind from its keys. Rejects settings of other kinds; unknown keys are left to the kind's
/// struct.
fn kind_of(has: impl Fn(&str) -> bool) -> Result<&'static Kind, String> {
    let mut kinds = KINDS.iter().filter(|kind| has(kind.key));
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return Err(
            "expected exactly one of conv, local, pool, maxout, probout, lrn, lwta and global_average".into(),
        );
    };
    let kind = if kind.key == "pool" && has("fractional") { &FRACTIONAL_POOL } else { kind };
    let all = KINDS.iter().chain([&FRACTIONAL_POOL]).flat_map(|kind| kind.settings);
    match all.filter(|key| has(key)).find(|key| !kind.settings.contains(key)) {
        None => Ok(kind),
        Some(key) if kind.settings.is_empty() => {
            Err(format!("{key} on a {} layer; expected no settings", kind.word))
        }
        Some(key) => {
            Err(format!("{key} on a {} layer; expected only {}", kind.word, kind.settings.join(", ")))
        }
    }
}

/// The keys of a kind of layer with their types.
trait LayerText: DeserializeOwned {
    /// Converts to the layer, in a network with `classes` classes.
    fn layer(self, classes: usize) -> Result<LayerKind, String>;
}

fn read_as<T: LayerText>(text: ValueDeserializer<'_>, classes: usize) -> Result<LayerKind, LayerProblem> {
    Ok(T::deserialize(text)?.layer(classes)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConvText {
    conv: WordOrNumber,
    kernel: Option<usize>,
    #[serde(default = "one")]
    stride: usize,
    padding: Option<WordOrNumber>,
    #[serde(default = "one")]
    groups: usize,
    activation: Option<String>,
    dropout: Option<f32>,
    channel_dropout: Option<f32>,
    #[serde(default)]
    drop_connect: f32,
}

impl LayerText for ConvText {
    fn layer(self, classes: usize) -> Result<LayerKind, String> {
        let kernel = checked_kernel(self.kernel)?;
        let channels = match self.conv {
            WordOrNumber::Number(channels) => channels,
            WordOrNumber::Word(word) if word == "classes" => classes,
            other => return Err(format!("conv = {other}; expected the number of channels or \"classes\"")),
        };
        let padding = match self.padding {
            Some(WordOrNumber::Number(padding)) => padding,
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
        let activation = self.activation.as_deref().map_or(Ok(Activation::Relu), activation)?;
        if self.dropout.is_some() && self.channel_dropout.is_some() {
            return Err("dropout and channel_dropout; expected one of them".into());
        }
        let drops_channels = self.channel_dropout.is_some_and(|rate| rate > 0.0);
        let dropout = self.channel_dropout.or(self.dropout).unwrap_or(0.0);
        let Self { stride, groups, drop_connect, .. } = self;
        let unshared = false;
        Ok(Conv {
            channels,
            kernel,
            stride,
            padding,
            groups,
            activation,
            dropout,
            drops_channels,
            unshared,
            drop_connect,
        }
        .into())
    }
}

/// A locally connected layer: the settings of a convolution that make sense there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalText {
    local: usize,
    kernel: Option<usize>,
    #[serde(default = "one")]
    stride: usize,
    padding: Option<WordOrNumber>,
    activation: Option<String>,
    dropout: Option<f32>,
}

impl LayerText for LocalText {
    fn layer(self, classes: usize) -> Result<LayerKind, String> {
        let Self { local, kernel, stride, padding, activation, dropout } = self;
        let conv = WordOrNumber::Number(local);
        let (groups, channel_dropout, drop_connect) = (1, None, 0.0);
        let shared = ConvText {
            conv,
            kernel,
            stride,
            padding,
            groups,
            activation,
            dropout,
            channel_dropout,
            drop_connect,
        };
        Ok(match shared.layer(classes)? {
            LayerKind::Conv(conv) => Conv { unshared: true, ..conv }.into(),
            other => other,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolText {
    pool: String,
    kernel: Option<usize>,
    #[serde(default = "one")]
    stride: usize,
    padding: Option<WordOrNumber>,
    #[serde(default = "yes")]
    ceil: bool,
    #[serde(default)]
    dropout: f32,
}

impl LayerText for PoolText {
    fn layer(self, _: usize) -> Result<LayerKind, String> {
        let kind = pool_kind(&self.pool)?;
        let padding = match self.padding {
            None => 0,
            Some(WordOrNumber::Number(padding)) => padding,
            Some(other) => return Err(format!("padding = {other} on a pool; expected a number")),
        };
        let Self { stride, ceil, dropout, .. } = self;
        let windows = Windows::Grid(Grid { kernel: checked_kernel(self.kernel)?, stride, padding, ceil });
        Ok(Pool { kind, windows, dropout }.into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FractionalPoolText {
    pool: String,
    #[serde(rename = "fractional")]
    alpha: f32,
    sequence: Option<String>,
    #[serde(default = "yes")]
    overlapping: bool,
    #[serde(default)]
    dropout: f32,
}

impl LayerText for FractionalPoolText {
    fn layer(self, _: usize) -> Result<LayerKind, String> {
        let kind = pool_kind(&self.pool)?;
        let sequence = match self.sequence.as_deref() {
            None | Some("pseudorandom") => RegionSequence::Pseudorandom,
            Some("random") => RegionSequence::Random,
            Some(other) => {
                return Err(format!("sequence = \"{other}\"; expected \"pseudorandom\" or \"random\""));
            }
        };
        let Self { alpha, overlapping, dropout, .. } = self;
        let windows = Windows::Fractional(Fractional { alpha, sequence, overlapping });
        Ok(Pool { kind, windows, dropout }.into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaxoutText {
    #[serde(rename = "maxout")]
    pieces: usize,
    #[serde(default)]
    dropout: f32,
}

impl LayerText for MaxoutText {
    fn layer(self, _: usize) -> Result<LayerKind, String> {
        Ok(Pool::maxout(self.pieces).dropout(self.dropout).into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProboutText {
    #[serde(rename = "probout")]
    pieces: usize,
    lambda: Option<f32>,
    #[serde(default)]
    dropout: f32,
}

impl LayerText for ProboutText {
    fn layer(self, _: usize) -> Result<LayerKind, String> {
        Ok(Pool::probout(self.pieces, self.lambda.unwrap_or(1.0)).dropout(self.dropout).into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LrnText {
    #[serde(rename = "lrn")]
    size: usize,
    alpha: Option<f32>,
    beta: Option<f32>,
    k: Option<f32>,
}

impl LayerText for LrnText {
    fn layer(self, _: usize) -> Result<LayerKind, String> {
        Ok(LayerKind::Lrn(Lrn {
            size: self.size,
            alpha: self.alpha.unwrap_or(1e-4),
            beta: self.beta.unwrap_or(0.75),
            k: self.k.unwrap_or(1.0),
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LwtaText {
    #[serde(rename = "lwta")]
    size: usize,
    #[serde(default)]
    dropout: f32,
}

impl LayerText for LwtaText {
    fn layer(self, _: usize) -> Result<LayerKind, String> {
        Ok(Lwta { size: self.size, dropout: self.dropout }.into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GlobalAverageText {
    global_average: bool,
}

impl LayerText for GlobalAverageText {
    fn layer(self, _: usize) -> Result<LayerKind, String> {
        if self.global_average {
            Ok(LayerKind::GlobalAverage)
        } else {
            Err("global_average = false; expected true, or no such layer".into())
        }
    }
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

/// A number, or a word for one.
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

fn checked_kernel(kernel: Option<usize>) -> Result<usize, String> {
    match kernel {
        Some(0) => Err("kernel = 0; expected at least 1".into()),
        Some(kernel) => Ok(kernel),
        None => Err("no kernel size; expected kernel = N".into()),
    }
}

fn pool_kind(word: &str) -> Result<PoolKind, String> {
    match (word, word.strip_prefix("norm:").map(str::parse)) {
        ("max", _) => Ok(PoolKind::Max),
        ("average", _) => Ok(PoolKind::Average),
        ("stochastic", _) => Ok(PoolKind::Stochastic),
        ("learned-norm", _) => Ok(PoolKind::LearnedNorm),
        (_, Some(Ok(p))) => Ok(PoolKind::PNorm { p }),
        _ => Err(format!(
            "pool = \"{word}\"; expected \"max\", \"average\", \"stochastic\", \"learned-norm\" or \"norm:P\", such as \"norm:2\""
        )),
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
