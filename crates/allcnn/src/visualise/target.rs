//! The start of a signal: a layer, and a unit at a position in it.

use allcnn_device::Shape;
use unicode_normalization::UnicodeNormalization;

use super::VisualiseError;
use crate::net::{Network, nearest};

/// A unit of a layer: one of its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// This channel.
    Channel(usize),
    /// The channel with this rank by activation in the image; 0 is the most active one.
    Ranked(usize),
    /// This channel, at this place.
    Place {
        /// The channel.
        channel: usize,
        /// The row.
        row: usize,
        /// The column.
        column: usize,
    },
}

impl From<Found> for Unit {
    fn from(Found { channel, row, column, .. }: Found) -> Self {
        Self::Place { channel, row, column }
    }
}

impl Unit {
    /// The most active channel.
    pub const STRONGEST: Self = Self::Ranked(0);
}

/// A position in a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// The position of the channel's maximum in the image; the first of ties.
    #[default]
    Maximum,
    /// A fixed position.
    At {
        /// The row.
        row: usize,
        /// The column.
        column: usize,
    },
}

/// A unit at a position, as found in an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The channel.
    pub channel: usize,
    /// The row.
    pub row: usize,
    /// The column.
    pub column: usize,
    /// The unit's output.
    pub activation: f32,
}

/// The layer in which signals start, and the units to explain in each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    layer: usize,
    softmax: bool,
    shape: Shape,
    name: String,
    units: Vec<Unit>,
    position: Position,
}

impl Target {
    /// Units of the layer called `layer`: `conv1`, ..., `pool1`, ..., `global_pool` or `softmax`. The map of a
    /// softmax unit is the gradient of a probability, that of the layer before it the gradient of a logit. Ranked
    /// units beyond the number of channels are dropped.
    ///
    /// # Errors
    /// [`VisualiseError::UnknownLayer`], [`VisualiseError::NoSuchUnit`].
    pub fn new(network: &Network, layer: &str, units: Vec<Unit>) -> Result<Self, VisualiseError> {
        let softmax = layer == "softmax";
        let index = if softmax { Some(network.layers().len() - 1) } else { network.layer_index(layer) };
        let Some(index) = index else {
            let known = network.layers().iter().map(|layer| layer.name().to_owned());
            return Err(VisualiseError::UnknownLayer {
                given: layer.into(),
                network: network.name().into(),
                known: known.chain(["softmax".into()]).collect(),
            });
        };
        let shape = network.operations(1)[index].output();
        let (name, channels) = (layer.to_owned(), shape.channels);
        let mut target = Self { layer: index, softmax, shape, name, units, position: Position::Maximum };
        for unit in &target.units {
            if let Unit::Channel(given) = *unit
                && given >= channels
            {
                return Err(VisualiseError::NoSuchUnit { layer: target.name, given, units: channels });
            }
        }
        target.units.retain(|unit| !matches!(unit, Unit::Ranked(rank) if *rank >= channels));
        Ok(target)
    }

    /// Units of the layer before the softmax, that is, logits of classes.
    ///
    /// # Errors
    /// [`VisualiseError::NoSuchUnit`].
    pub fn of_classes(network: &Network, units: Vec<Unit>) -> Result<Self, VisualiseError> {
        Self::new(network, network.layers()[network.layers().len() - 1].name(), units)
    }

    /// Returns the target with the units at another position.
    ///
    /// # Errors
    /// [`VisualiseError::NoSuchPosition`].
    pub fn at(self, position: Position) -> Result<Self, VisualiseError> {
        let Shape { height, width, .. } = self.shape;
        match position {
            Position::At { row, column } if row >= height || column >= width => {
                Err(VisualiseError::NoSuchPosition { layer: self.name, row, column, height, width })
            }
            position => Ok(Self { position, ..self }),
        }
    }

    /// Returns the target for another network, in which layer `layers[i]` is the counterpart of layer i here.
    pub(super) fn moved(&self, layers: &[usize]) -> Self {
        Self { layer: layers[self.layer], ..self.clone() }
    }

    /// The layer's index in the network; for the softmax, that of the logits.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The layer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The units.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// The shape of the layer's output for one image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether each channel is a class of the network.
    pub fn is_of_classes(&self, network: &Network) -> bool {
        let layers = network.layers();
        let last_conv = layers.iter().rposition(|layer| layer.kind().is_conv());
        last_conv.is_some_and(|last| self.layer >= last) && self.shape.channels == network.classes()
    }

    /// Returns the target with the unit of the class called `given`, compared after Unicode normalization.
    ///
    /// # Errors
    /// [`VisualiseError::NotOfClasses`], [`VisualiseError::UnknownClass`].
    pub fn of_class(
        self,
        network: &Network,
        classes: &[String],
        given: &str,
    ) -> Result<Self, VisualiseError> {
        if !self.is_of_classes(network) {
            let names = network.layers().iter().map(|layer| layer.name()).chain(["softmax"]);
            let of_classes = |name: &&str| {
                Self::new(network, name, vec![]).is_ok_and(|layer| layer.is_of_classes(network))
            };
            let others = names.filter(of_classes).map(str::to_owned).collect();
            let units = self.shape.channels;
            return Err(VisualiseError::NotOfClasses {
                layer: self.name,
                given: given.into(),
                units,
                others,
            });
        }
        let alike = |class: &String| class.nfc().eq(given.nfc());
        let index = classes.iter().position(|class| class == given);
        let Some(index) = index.or_else(|| classes.iter().position(alike)) else {
            let nearest = nearest(given, classes);
            return Err(VisualiseError::UnknownClass {
                given: given.into(),
                nearest,
                known: classes.to_vec(),
            });
        };
        Ok(Self { units: vec![Unit::Channel(index)], ..self })
    }

    /// Locates a unit in the layer's output for one image, `[height, width, channels]`.
    pub(super) fn find(&self, unit: Unit, output: &[f32], probabilities: &[f32]) -> Found {
        let output = if self.softmax { probabilities } else { output };
        let channels = self.shape.channels;
        let pixel = |row: usize, column: usize| (row * self.shape.width + column) * channels;
        let here = |channel: usize| match self.position {
            Position::At { row, column } => {
                Found { channel, row, column, activation: output[pixel(row, column) + channel] }
            }
            Position::Maximum => {
                let values = output[channel..].iter().step_by(channels).enumerate();
                let best = values.reduce(|best, next| if next.1 > best.1 { next } else { best });
                let (index, &activation) = best.unwrap_or((0, &0.0));
                Found { channel, row: index / self.shape.width, column: index % self.shape.width, activation }
            }
        };
        match unit {
            Unit::Channel(channel) => here(channel),
            Unit::Place { channel, row, column } => {
                Found { channel, row, column, activation: output[pixel(row, column) + channel] }
            }
            Unit::Ranked(rank) => {
                let mut all: Vec<Found> = (0..channels).map(here).collect();
                all.sort_by(|a, b| b.activation.total_cmp(&a.activation)); // stable
                all[rank]
            }
        }
    }

    /// Writes the start signal of one image into `signal`, `[height, width, channels]`, initially zero: 1 at the
    /// unit; for the softmax the derivative of p_c with respect to logit j, p_c ([j = c] - p_j).
    pub(super) fn begin(&self, found: Found, probabilities: &[f32], signal: &mut [f32]) {
        if self.softmax {
            let own = probabilities[found.channel];
            for (class, (signal, probability)) in signal.iter_mut().zip(probabilities).enumerate() {
                *signal = own * (f32::from(class == found.channel) - probability);
            }
        } else {
            signal[(found.row * self.shape.width + found.column) * self.shape.channels + found.channel] = 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network::from_toml(
            r#"
            name = "small"
            input = [4, 4, 3]
            classes = 2
            layers = [{ conv = 3, kernel = 3 }, { pool = "max", kernel = 2, stride = 2 }, { conv = "classes", kernel = 1 }, { global_average = true }]
            "#,
        )
        .unwrap()
    }

    fn target(layer: &str) -> Target {
        Target::new(&network(), layer, vec![Unit::STRONGEST]).unwrap()
    }

    /// The output of pool1, `[2, 2, 3]`.
    const POOLED: [f32; 12] = [0.0, 1.0, 5.0, 2.0, 7.0, 5.0, 0.0, 1.0, 4.0, 2.0, 3.0, 0.0];

    #[test]
    fn the_most_active_unit_and_place_are_found_and_the_first_of_equals() {
        let pool = target("pool1");
        let found = |unit| {
            let Found { channel, row, column, activation } = pool.find(unit, &POOLED, &[]);
            (channel, row, column, activation)
        };
        assert_eq!(found(Unit::STRONGEST), (1, 0, 1, 7.0));
        assert_eq!(found(Unit::Ranked(1)), (2, 0, 0, 5.0));
        assert_eq!(found(Unit::Ranked(2)), (0, 0, 1, 2.0));
        assert_eq!(found(Unit::Channel(0)), (0, 0, 1, 2.0));
        let corner = pool.at(Position::At { row: 1, column: 1 }).unwrap();
        assert_eq!(corner.find(Unit::STRONGEST, &POOLED, &[]).channel, 1);
        assert_eq!(corner.find(Unit::Channel(2), &POOLED, &[]).activation, 0.0);
    }

    #[test]
    fn a_signal_starts_at_one_unit_or_at_all_logits_of_a_softmax() {
        let mut signal = [0.0; 12];
        let pool = target("pool1");
        pool.begin(pool.find(Unit::STRONGEST, &POOLED, &[]), &[], &mut signal);
        assert_eq!(signal.iter().position(|&value| value == 1.0), Some(4));
        assert_eq!(signal.iter().sum::<f32>(), 1.0);
        let (softmax, probabilities) = (target("softmax"), [0.75, 0.25]);
        let found = softmax.find(Unit::STRONGEST, &[9.0, 9.0], &probabilities);
        assert_eq!((found.channel, found.activation), (0, 0.75));
        let mut signal = [0.0; 2];
        softmax.begin(found, &probabilities, &mut signal);
        assert_eq!(signal, [0.75 * 0.25, -0.75 * 0.25]);
    }

    #[test]
    fn what_the_network_lacks_is_refused_with_what_it_has() {
        let said = |layer, unit| Target::new(&network(), layer, vec![unit]).unwrap_err().to_string();
        let unknown = said("conv9", Unit::STRONGEST);
        assert!(
            unknown.contains("\"conv9\"") && unknown.contains("conv1, pool1, conv2, global_pool, softmax")
        );
        assert_eq!(
            said("pool1", Unit::Channel(3)),
            "pool1 has no unit 3; expected 0 to 2, or max for the most active one"
        );
        let outside = target("pool1").at(Position::At { row: 1, column: 2 }).unwrap_err().to_string();
        assert!(outside.contains("column 2") && outside.contains("a column from 0 to 1"), "{outside}");
        let many = (0..5).map(Unit::Ranked).collect();
        assert_eq!(Target::new(&network(), "global_pool", many).unwrap().units().len(), 2);
    }

    #[test]
    fn a_class_is_a_unit_where_the_layer_has_one_for_each() {
        let classes = ["cat".to_owned(), "bl\u{fc}".to_owned()];
        let of = |layer: &str, class| target(layer).of_class(&network(), &classes, class);
        for layer in ["conv2", "global_pool", "softmax"] {
            assert_eq!(of(layer, "cat").unwrap().units(), [Unit::Channel(0)]);
            assert_eq!(of(layer, "blu\u{308}").unwrap().units(), [Unit::Channel(1)]);
        }
        let said = |layer, class| of(layer, class).unwrap_err().to_string();
        let unknown = said("conv2", "cats");
        assert!(
            unknown.contains("\"cats\"; did you mean \"cat\"?") && unknown.contains("cat, bl"),
            "{unknown}"
        );
        let not = said("conv1", "cat");
        assert!(not.contains("0 to 2, or max") && not.contains("conv2, global_pool, softmax"), "{not}");
    }

    #[test]
    fn classes_are_the_units_from_the_last_convolution_on() {
        let of_classes = ["conv1", "pool1", "conv2", "global_pool", "softmax"]
            .map(|layer| target(layer).is_of_classes(&network()));
        assert_eq!(of_classes, [false, false, true, true, true]);
    }
}
