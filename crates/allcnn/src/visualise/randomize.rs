//! The sanity check of Adebayo et al. 2018 ("Sanity checks for saliency maps"): what becomes of a picture when the
//! network loses what it has learned, layer by layer from the top.

use allcnn_device::Device;

use super::Error;
use crate::net::{Init, Network};
use crate::parameters::{Kind, Parameters};

/// The parameters with those from layer `from` up drawn anew, as at the start of a training with this seed; biases
/// become zero. A picture that hardly changes tells little of what the network has learned in these layers.
///
/// # Errors
/// [`Error::UnknownLayer`]; [`Error::NothingToRandomize`] when no layer from there up has weights.
pub fn randomized<D: Device>(
    device: &D,
    network: &Network,
    trained: &Parameters<D>,
    from: &str,
    init: Init,
    seed: u64,
) -> Result<Parameters<D>, Error> {
    let place = super::Target::new(network, from, vec![])?.layer();
    let convolutions = || network.layers().iter().filter(|layer| layer.kind().is_conv());
    let kept = network.layers()[..place].iter().filter(|layer| layer.kind().is_conv()).count();
    if kept == convolutions().count() {
        let last = convolutions().next_back().map_or_else(String::new, |layer| layer.name().into());
        return Err(Error::NothingToRandomize { layer: from.into(), last });
    }
    Ok(drawn(device, network, trained, kept, init, seed)?)
}

/// Keeps the parameters of the first `kept` convolutions.
fn drawn<D: Device>(
    device: &D,
    network: &Network,
    trained: &Parameters<D>,
    kept: usize,
    init: Init,
    seed: u64,
) -> Result<Parameters<D>, crate::parameters::Error> {
    let mut parameters = Parameters::initialize(device, network, init, seed)?;
    let mut tensors = trained.tensors(device, Kind::Value)?;
    let fresh = parameters.tensors(device, Kind::Value)?;
    tensors.splice(2 * kept.., fresh.into_iter().skip(2 * kept));
    parameters.load(device, Kind::Value, &tensors)?;
    Ok(parameters)
}
