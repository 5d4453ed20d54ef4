//! The sanity check of Adebayo et al. 2018 ("Sanity checks for saliency maps"): how explanations change when the
//! network's weights are re-initialized layer by layer, from the top.

use allcnn_device::Device;

use super::VisualiseError;
use crate::net::{Init, Network};
use crate::parameters::{Kind, Parameters, ParametersError};

/// Returns the parameters with those from layer `from` up re-initialized, as for a training with this seed; biases
/// become zero. An explanation that hardly changes says little about what these layers have learned.
///
/// # Errors
/// [`VisualiseError::UnknownLayer`]; [`VisualiseError::NothingToRandomize`] if no layer from there up has weights.
pub fn randomized<D: Device>(
    device: &D,
    network: &Network,
    trained: &Parameters<D>,
    from: &str,
    init: Init,
    seed: u64,
) -> Result<Parameters<D>, VisualiseError> {
    let index = super::Target::new(network, from, vec![])?.layer();
    let trained_layers = || network.layers().iter().filter(|layer| layer.kind().has_parameters());
    let kept = network.layers()[..index].iter().filter(|layer| layer.kind().has_parameters()).count();
    if kept == trained_layers().count() {
        let last = trained_layers().next_back().map_or_else(String::new, |layer| layer.name().into());
        return Err(VisualiseError::NothingToRandomize { layer: from.into(), last });
    }
    Ok(drawn(device, network, trained, kept, init, seed)?)
}

/// Re-initializes all but the first `kept` layers with parameters.
fn drawn<D: Device>(
    device: &D,
    network: &Network,
    trained: &Parameters<D>,
    kept: usize,
    init: Init,
    seed: u64,
) -> Result<Parameters<D>, ParametersError> {
    let mut parameters = Parameters::initialize(device, network, init, seed)?;
    let mut tensors = trained.tensors(device, Kind::Value)?;
    let fresh = parameters.tensors(device, Kind::Value)?;
    tensors.splice(2 * kept.., fresh.into_iter().skip(2 * kept));
    parameters.load(device, Kind::Value, &tensors)?;
    Ok(parameters)
}
