//! A layer whose filters are visualized, and the part of the network that it needs.

use std::ops::Range;

use allcnn_device::{Grid, PoolKind, Windows};

use super::VisualiseError;
use crate::net::{LayerKind, Lwta, Network, Pool, ReceptiveField, Rectangle};

/// Filters of a layer: output channels.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterChoice {
    network: Network,
    layer: usize,
    filters: Range<usize>,
    of_classes: bool,
}

impl FilterChoice {
    /// Selects `filters` of the layer called `layer`, by default all.
    ///
    /// # Errors
    /// [`VisualiseError::UnknownLayer`], [`VisualiseError::NoFilters`], [`VisualiseError::NoSuchFilters`].
    pub fn new(
        network: &Network,
        layer: &str,
        filters: Option<Range<usize>>,
    ) -> Result<Self, VisualiseError> {
        let Some(index) = network.layer_index(layer) else {
            let known = network.layers().iter().map(|layer| layer.name().to_owned()).collect();
            return Err(match layer {
                "softmax" => VisualiseError::NoFilters { known },
                _ => VisualiseError::UnknownLayer {
                    given: layer.into(),
                    network: network.name().into(),
                    known,
                },
            });
        };
        let channels = network.operations(1)[index].output().channels;
        let filters = filters.unwrap_or(0..channels);
        if filters.is_empty() || filters.end > channels {
            return Err(VisualiseError::NoSuchFilters {
                layer: layer.into(),
                given: filters,
                filters: channels,
            });
        }
        let last_conv = network.layers().iter().rposition(|layer| layer.kind().is_conv());
        let of_classes = last_conv.is_some_and(|last| index >= last) && channels == network.classes();
        Ok(Self { network: cut_after(network, index), layer: index, filters, of_classes })
    }

    /// The network up to this layer. Its parameters are the first ones of the full network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The layer's index.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The layer's name.
    pub fn name(&self) -> &str {
        self.network.layers()[self.layer].name()
    }

    /// The selected filters.
    pub fn filters(&self) -> Range<usize> {
        self.filters.clone()
    }

    /// Whether each filter is a class of the network.
    pub fn is_of_classes(&self) -> bool {
        self.of_classes
    }

    /// The receptive field of the layer's units, ignoring the image border.
    pub fn receptive_field(&self) -> ReceptiveField {
        self.network.info().layers[self.layer].receptive_field
    }

    /// Height and width of the displayed patches: the receptive field, at most the image.
    pub fn patch_size(&self) -> (usize, usize) {
        let (field, input) = (self.receptive_field(), self.network.input());
        (field.height.min(input.height), field.width.min(input.width))
    }

    /// The position at which to draw a patch in its display area, for the unit at (`row`, `column`) with receptive
    /// field `seen`: nonzero where the image border cuts off the patch.
    pub fn offset(&self, row: usize, column: usize, seen: &Rectangle) -> (usize, usize) {
        let (field, input) = (self.receptive_field(), self.network.input());
        let offset = |seen: &Range<usize>, unit: usize, field_size: usize, size: usize| {
            let start = (field.offset + unit as f64 * field.stride).round() as isize;
            let beyond = usize::try_from(seen.start as isize - start).unwrap_or(0);
            if field_size > size { seen.start } else { beyond.min(field_size - seen.len()) }
        };
        (
            offset(&seen.rows, row, field.height, input.height),
            offset(&seen.columns, column, field.width, input.width),
        )
    }

    /// The first layer on the way to the input whose backward pass depends on the input.
    pub fn layer_that_needs_an_image(&self) -> Option<&str> {
        let mut below = self.network.layers()[..=self.layer].iter();
        let needs = |kind: &LayerKind| match kind {
            LayerKind::Pool(Pool { kind, windows: Windows::Grid(Grid { kernel, .. }), .. }) => match kind {
                PoolKind::Max => *kernel > 1,
                PoolKind::Average => false,
                _ => true,
            },
            LayerKind::Pool(Pool { windows: Windows::Channels { pieces }, .. }) => *pieces > 1,
            LayerKind::Pool(Pool { windows: Windows::Fractional(_), .. }) => true,
            LayerKind::Lwta(Lwta { size, .. }) => *size > 1,
            LayerKind::Conv(conv) => conv.drop_connect > 0.0,
            _ => false,
        };
        below.find(|layer| needs(layer.kind())).map(|layer| layer.name())
    }
}

/// Truncates the network after `layer`: its logits are then the means of the layer's channels. Returns the full
/// network if the truncated one is invalid.
fn cut_after(network: &Network, layer: usize) -> Network {
    let mut kinds: Vec<LayerKind> = network.layers()[..=layer].iter().map(|layer| *layer.kind()).collect();
    let output = network.operations(1)[layer].output();
    if (output.height, output.width) != (1, 1) {
        kinds.push(LayerKind::GlobalAverage);
    }
    Network::new(network.name(), network.input(), output.channels, network.input_dropout(), kinds)
        .unwrap_or_else(|_| network.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(name: &str, layer: &str) -> FilterChoice {
        FilterChoice::new(&Network::named(name, 10).unwrap(), layer, None).unwrap()
    }

    #[test]
    fn a_cut_network_ends_in_the_layer_and_sees_the_same() {
        let whole = Network::named("model-c", 10).unwrap();
        for layer in ["conv1", "pool1", "conv7", "global_pool"] {
            let cut = choice("model-c", layer);
            let index = whole.layer_index(layer).unwrap();
            assert_eq!(cut.network().layers()[..=index], whole.layers()[..=index]);
            assert!(cut.network().layers().len() <= index + 2);
            assert_eq!(cut.receptive_field(), whole.info().layers[index].receptive_field, "{layer}");
        }
        assert_eq!(choice("caffenet", "conv8").filters(), 0..10);
        assert!(
            choice("all-cnn-c", "conv9").is_of_classes() && !choice("all-cnn-c", "conv8").is_of_classes()
        );
    }

    #[test]
    fn patches_stand_where_the_border_leaves_them() {
        let conv2 = choice("all-cnn-c", "conv2"); // receptive field 5x5
        assert_eq!(conv2.patch_size(), (5, 5));
        let offset = |choice: &FilterChoice, row, column| {
            choice.offset(row, column, &choice.network().input_rectangle(choice.layer(), row, column))
        };
        assert_eq!(offset(&conv2, 0, 1), (2, 1));
        assert_eq!(offset(&conv2, 16, 31), (0, 0));
        let conv7 = choice("convpool-cnn-a", "conv7"); // receptive field 33x33, larger than the image
        assert_eq!(conv7.patch_size(), (32, 32));
        let seen = conv7.network().input_rectangle(conv7.layer(), 5, 5);
        assert_eq!(offset(&conv7, 5, 5), (seen.rows.start, seen.columns.start));
        assert!(seen.rows.start > 0);
    }

    #[test]
    fn what_the_network_lacks_is_refused() {
        let network = Network::named("all-cnn-c", 10).unwrap();
        let said = |layer, filters| FilterChoice::new(&network, layer, filters).unwrap_err().to_string();
        assert!(
            said("softmax", None).contains("what global_pool gives")
                && said("x", None).contains("conv9, global_pool")
        );
        assert_eq!(
            said("conv1", Some(90..97)),
            "conv1 has filters 0..96, given 90..97; expected a part of these"
        );
        assert!(said("conv1", Some(5..5)).contains("given 5..5"));
    }

    #[test]
    fn pools_need_an_image_on_the_way_back() {
        for (name, layer, needs) in [
            ("all-cnn-c", "global_pool", None),
            ("model-c", "conv2", None),
            ("model-c", "pool1", Some("pool1")),
            ("caffenet", "conv5", Some("pool1")),
        ] {
            assert_eq!(choice(name, layer).layer_that_needs_an_image(), needs, "{name} {layer}");
        }
    }
}
