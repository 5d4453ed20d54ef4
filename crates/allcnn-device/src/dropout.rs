//! Dropout masks from the counter-based generator.

use crate::random::{Purpose, Stream};

/// Inverted dropout (Hinton et al. 2012): a value is kept with probability 1 - rate and then divided by it. Whole channels may
/// be dropped, drawn once for all images and places of a batch (Graham et al. 2015, "batchwise dropout").
///
/// The mask is a pure function of (seed, step, layer, index in the NHWC buffer, or channel): the same on every device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The probability of dropping a value, in [0, 1).
    pub rate: f32,
    /// The seed of the training.
    pub seed: u64,
    /// Which dropout of the network this is.
    pub layer: u32,
    /// The number of channels, where each is kept or dropped as a whole.
    pub channels: Option<usize>,
}

impl Dropout {
    /// The numbers that decide about the values of one training step.
    pub fn stream(&self, step: u64) -> Stream {
        Stream::new(self.seed, Purpose::Dropout, step, self.layer)
    }

    /// A value is dropped when its random number is below this.
    pub fn threshold(&self) -> u32 {
        assert!((0.0..1.0).contains(&self.rate), "dropout rate {} must be in [0, 1)", self.rate);
        (f64::from(self.rate) * 4_294_967_296.0) as u32
    }

    /// What a kept value is multiplied with.
    pub fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }

    /// The factor on value `index`: 0 or [`Dropout::scale`].
    pub fn factor(&self, stream: &Stream, index: usize) -> f32 {
        let draw = self.channels.map_or(index, |channels| index % channels);
        if stream.at(draw as u64) < self.threshold() { 0.0 } else { self.scale() }
    }
}
