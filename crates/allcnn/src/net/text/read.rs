//! Reading a network from TOML, with line numbers for errors.

use std::mem;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::layer::{self, LayerProblem};
use crate::net::error::NetError;
use crate::net::layer::LayerKind;
use crate::net::network::{Input, MAX_LAYERS, Network, names_of, too_many};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkText {
    name: String,
    input: [usize; 3],
    classes: Option<usize>,
    #[serde(default)]
    input_dropout: f32,
    #[serde(default)]
    sparse: bool,
    /// Must be present; the layers are parsed separately.
    #[serde(rename = "layers")]
    _layers: Vec<IgnoredAny>,
}

impl Network {
    /// Reads a network from a TOML list of layers, as in `examples/network.toml`:
    ///
    /// ```toml
    /// name = "small"
    /// input = [32, 32, 3] # height, width, channels
    /// classes = 10        # where the data does not say
    /// input_dropout = 0.2
    /// sparse = false      # or true: where a picture is smaller than the input, nothing is computed twice of what surrounds it
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
    /// | | `dropout`, or `channel_dropout` (whole channels, drawn once for a batch: Graham et al. 2015) | 0 |
    /// | | `drop_connect`: the rate at which each weight is dropped for each image, in a fully connected layer (Wan et al. 2013) | 0 |
    /// | `local = channels`, a convolution whose filters differ from place to place | as `conv`, without `groups` and the like | |
    /// | `pool = "max"`, `"average"`, `"stochastic"` (Zeiler and Fergus 2013), `"learned-norm"` (Gulcehre et al. 2014) or `"norm:P"` (Equation 1) | `kernel` | must be given |
    /// | | `stride` | 1 |
    /// | | `padding`: a number | 0 |
    /// | | `ceil`: a last partial window counts | true |
    /// | | `dropout` | 0 |
    /// | `pool` over fractional windows (Graham 2015) | `fractional = alpha`, between 1 and 2 | must be given |
    /// | | `sequence`: `"pseudorandom"` or `"random"` | `"pseudorandom"` |
    /// | | `overlapping` | true |
    /// | | `dropout` | 0 |
    /// | `maxout = pieces`, the maximum over that number of channels (Goodfellow et al. 2013) | `dropout` | 0 |
    /// | `probout = pieces`, one of that number of channels, drawn (Springenberg and Riedmiller 2013) | `lambda` | 1 |
    /// | | `dropout` | 0 |
    /// | `lrn = size` | `alpha`, `beta`, `k` | 0.0001, 0.75, 1 |
    /// | `lwta = size`, of each `size` neighboring channels the largest stays (Srivastava et al. 2013) | `dropout` | 0 |
    /// | `global_average = true` | | |
    ///
    /// One `[[layers]]` section per layer is equivalent.
    ///
    /// # Errors
    /// [`NetError::Text`] or [`NetError::Layer`] with the line, or [`NetError::Network`] if the network as a whole is
    /// invalid.
    pub fn from_toml(text: &str) -> Result<Self, NetError> {
        Self::read(text, None)
    }

    /// Like [`Network::from_toml`], but with `classes` classes, overriding the text.
    ///
    /// # Errors
    /// As [`Network::from_toml`].
    pub fn from_toml_for(text: &str, classes: usize) -> Result<Self, NetError> {
        Self::read(text, Some(classes))
    }

    fn read(text: &str, classes: Option<usize>) -> Result<Self, NetError> {
        let (text_of, layers) = parse(text).map_err(|error| text_error(text, &error))?;
        let NetworkText {
            name, input: [height, width, channels], classes: own, input_dropout, sparse, ..
        } = text_of;
        let Some(classes) = classes.or(own) else {
            return Err(NetError::Network {
                name,
                problem: "it does not say how many; expected classes = N".into(),
            });
        };
        if layers.len() > MAX_LAYERS {
            return Err(NetError::Network { name, problem: too_many(layers.len()) });
        }
        let lines = lines_of(text, layers.iter().map(|layer| layer.span().start));
        let mut kinds: Vec<LayerKind> = Vec::with_capacity(layers.len());
        for (index, layer) in layers.into_iter().enumerate() {
            let kind = layer::read(layer, classes).map_err(|mistake| match mistake {
                LayerProblem::Text(error) => text_error(text, &error),
                LayerProblem::Layer(problem) => NetError::Layer {
                    name: format!("number {}", index + 1),
                    line: Some(lines[index]),
                    problem,
                },
            })?;
            kinds.push(kind);
        }
        let names = names_of(&kinds);
        let network = Self::new(name, Input { height, width, channels }, classes, input_dropout, kinds);
        network.map(|network| network.with_sparse(sparse)).map_err(|error| match error {
            NetError::Layer { name, problem, .. } => {
                let line = names.iter().position(|known| *known == name).map(|index| lines[index]);
                NetError::Layer { name, line, problem }
            }
            other => other,
        })
    }
}

/// Parses the text without its layers, and the layers as a list.
fn parse(text: &str) -> Result<(NetworkText, DeArray<'_>), toml::de::Error> {
    let mut document = DeTable::parse(text)?;
    let layers = match document.get_mut().get_mut("layers").map(Spanned::get_mut) {
        Some(DeValue::Array(layers)) => mem::replace(layers, DeArray::new()),
        _ => DeArray::new(), // rejected below
    };
    Ok((NetworkText::deserialize(toml::Deserializer::from(document))?, layers))
}

fn text_error(text: &str, error: &toml::de::Error) -> NetError {
    let start = error.span().map_or(0, |span| span.start);
    NetError::Text {
        line: 1 + text.bytes().take(start).filter(|&byte| byte == b'\n').count(),
        problem: error.message().trim().replace('\n', " "),
    }
}

/// The line numbers of ascending byte offsets.
fn lines_of(text: &str, offsets: impl Iterator<Item = usize>) -> Vec<usize> {
    let (mut line, mut seen) = (1, 0);
    let line_of = |offset: usize| {
        let between = text.as_bytes().get(seen..offset).unwrap_or_default();
        line += between.iter().filter(|&&byte| byte == b'\n').count();
        seen = seen.max(offset);
        line
    };
    offsets.map(line_of).collect()
}
