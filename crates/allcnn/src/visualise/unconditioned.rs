//! Visualization of single units without an image (Figure 2 of the paper): the layer's activations are set to zero
//! except one, which is propagated backward to the input, with the deconvnet rule max(g, 0) at each ReLU.
//!
//! No forward pass is needed if the backward pass does not depend on one: through convolutions, averages and local
//! response normalization (a constant factor at zero input). The backward pass of other poolings depends on the image
//! (its switches), so layers above one are rejected.

use allcnn_device::{Device, ReluRule};

use super::explainer::batch;
use super::{FilterChoice, VisualiseError};
use crate::net::Rectangle;
use crate::observer::{Observer, report_algorithms};
use crate::parameters::Parameters;
use crate::plan::{Plan, PlanPurpose};

/// The drawing of a unit in the middle of its layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The filter.
    pub filter: usize,
    /// The map of the whole input, `[height, width, channels]`, in preprocessed coordinates.
    pub map: Vec<f32>,
    /// The unit's receptive field; the rest is zero.
    pub seen: Rectangle,
}

/// Draws each filter without an image. `observer` is told the algorithms.
///
/// # Errors
/// [`VisualiseError::NeedsImage`] for a layer above a pooling; [`VisualiseError::Device`].
pub fn draw_without_image<D: Device>(
    device: &D,
    choice: &FilterChoice,
    parameters: &Parameters<D>,
    observer: &mut dyn Observer,
) -> Result<Vec<Drawing>, VisualiseError> {
    if let Some(pool) = choice.layer_that_needs_an_image() {
        let (layer, pool) = (choice.name().to_owned(), pool.to_owned());
        return Err(VisualiseError::NeedsImage { layer, pool });
    }
    let network = choice.network();
    let batch = batch(network, choice.filters().len());
    let mut plan = Plan::new(device, network, batch, PlanPurpose::Explanation)?;
    report_algorithms(&plan.algorithms(), observer);
    let shape = network.operations(batch)[choice.layer()].output();
    let length = network.input().shape(1).len();
    let mut maps = vec![0.0; batch * length];
    plan.upload(&maps, &vec![0.0; batch * network.classes()])?;
    let (row, column) = (shape.height / 2, shape.width / 2);
    let seen = network.input_rectangle(choice.layer(), row, column);
    let mut drawings = Vec::with_capacity(choice.filters().len());
    let filters: Vec<usize> = choice.filters().collect();
    for filters in filters.chunks(batch) {
        let mut signal = vec![0.0; shape.len()];
        for (index, filter) in filters.iter().enumerate() {
            signal[((index * shape.height + row) * shape.width + column) * shape.channels + filter] = 1.0;
        }
        plan.explain(parameters, choice.layer(), &signal, ReluRule::Deconvnet, &mut maps)?;
        let each = filters.iter().zip(maps.chunks_exact(length));
        drawings.extend(each.map(|(&filter, map)| Drawing { filter, map: map.to_vec(), seen: seen.clone() }));
    }
    Ok(drawings)
}

#[cfg(test)]
mod tests {
    use allcnn_device::Reference;

    use super::*;
    use crate::net::{Init, Network};
    use crate::parameters::Kind;

    #[test]
    fn the_first_layer_draws_its_filters() {
        let network = Network::from_toml(
            "name = \"n\"\ninput = [7, 7, 3]\nclasses = 2\nlayers = [{ conv = 4, kernel = 3 }, \
             { conv = \"classes\", kernel = 1 }, { global_average = true }]",
        )
        .unwrap();
        let parameters = Parameters::initialize(&Reference, &network, Init::He, 4).unwrap();
        let weights = &parameters.tensors(&Reference, Kind::Value).unwrap()[0].values; // [4, 3, 3, 3]
        let choice = FilterChoice::new(&network, "conv1", Some(1..4)).unwrap();
        let drawings = draw_without_image(&Reference, &choice, &parameters, &mut ()).unwrap();
        assert_eq!(drawings.iter().map(|drawing| drawing.filter).collect::<Vec<_>>(), [1, 2, 3]);
        for Drawing { filter, map, seen } in drawings {
            assert_eq!(seen, Rectangle { rows: 2..5, columns: 2..5 });
            for (index, value) in map.iter().enumerate() {
                let (row, column, channel) = (index / 21, index / 3 % 7, index % 3);
                let inside = seen.rows.contains(&row) && seen.columns.contains(&column);
                let weight = || weights[((filter * 3 + channel) * 3 + row - 2) * 3 + column - 2];
                assert_eq!(*value, if inside { weight() } else { 0.0 }, "{filter} {row} {column} {channel}");
            }
        }
    }

    #[test]
    fn a_relu_on_the_way_passes_positive_signals_only_whatever_the_activations() {
        let network = Network::from_toml(
            "name = \"n\"\ninput = [3, 3, 3]\nclasses = 2\nlayers = [{ conv = 2, kernel = 1 }, { lrn = 3 }, \
             { conv = \"classes\", kernel = 1 }, { global_average = true }]",
        )
        .unwrap();
        let mut parameters = Parameters::initialize(&Reference, &network, Init::He, 4).unwrap();
        let mut tensors = parameters.tensors(&Reference, Kind::Value).unwrap();
        tensors[0].values = vec![1.0, 2.0, 3.0, 10.0, 20.0, 30.0]; // conv1: two filters over RGB
        tensors[1].values = vec![-5.0, -5.0]; // with these no unit is active for images near zero
        tensors[2].values = vec![-1.0, 2.0, 0.5, -7.0]; // conv2
        parameters.load(&Reference, Kind::Value, &tensors).unwrap();
        let choice = FilterChoice::new(&network, "conv2", None).unwrap();
        let drawings = draw_without_image(&Reference, &choice, &parameters, &mut ()).unwrap();
        assert_eq!(drawings[0].map[4 * 3..][..3], [20.0, 40.0, 60.0]);
        assert_eq!(drawings[1].map[4 * 3..][..3], [0.5, 1.0, 1.5]);
    }

    #[test]
    fn above_a_pool_an_image_is_needed() {
        let network = Network::named("model-a", 10).unwrap();
        let parameters = Parameters::zeros(&Reference, &network).unwrap();
        let choice = FilterChoice::new(&network, "conv2", None).unwrap();
        let error = draw_without_image(&Reference, &choice, &parameters, &mut ()).unwrap_err().to_string();
        assert!(
            error.contains("conv2 lies above pool1") && error.contains("without --without-image"),
            "{error}"
        );
    }
}
