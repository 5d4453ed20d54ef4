//! A network planned for batches of several sizes, so that one image is not computed in a batch for many, and nothing is planned
//! twice.

use allcnn_device::{Algorithm, Device, Error};

use crate::net::Network;
use crate::parameters::Parameters;
use crate::plan::{Plan, PlanPurpose};

/// Each batch size is that part of the next.
const STEP: usize = 4;

/// A network that is ready to compute any number of images with weights that stay: a plan for the largest batch, a quarter of it,
/// and so on down to one image, each made when it is first needed. The buffers of all together take about 4/3 of the largest
/// plan's; transformed weights are held once a plan.
pub struct Plans<'d, D: Device> {
    device: &'d D,
    network: Network,
    purpose: PlanPurpose,
    /// The batch sizes, the largest first, each with its plan.
    sizes: Vec<(usize, Option<Plan<'d, D>>)>,
}

impl<'d, D: Device> Plans<'d, D> {
    /// Prepares batches of up to `most` images; nothing is planned yet. Panics for training, whose weights change, and for batches of
    /// no images.
    pub fn new(device: &'d D, network: &Network, most: usize, purpose: PlanPurpose) -> Self {
        assert_ne!(purpose, PlanPurpose::Training, "the purpose of plans whose weights stay");
        assert!(most > 0, "batches of no images");
        let smaller = |&size: &usize| (size > 1).then(|| size.div_ceil(STEP));
        let sizes = std::iter::successors(Some(most), smaller).map(|size| (size, None)).collect();
        Self { device, network: network.clone(), purpose, sizes }
    }

    /// Plans the largest batch now.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with_largest(mut self) -> Result<Self, Error> {
        self.planned(0)?;
        Ok(self)
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The images of the largest batch.
    pub fn most(&self) -> usize {
        self.sizes[0].0
    }

    /// The algorithms of each convolution in the largest batch that is planned: forward, backward-data, backward-weights.
    pub fn algorithms(&self) -> Vec<(&str, [Algorithm; 3])> {
        self.sizes.iter().find_map(|(_, plan)| plan.as_ref()).map(Plan::algorithms).unwrap_or_default()
    }

    /// The plan that does the next of `images` images, or all of them: that of the largest batch that they fill to three quarters. Its
    /// weights are `parameters`.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn next(&mut self, images: usize, parameters: &Parameters<D>) -> Result<&mut Plan<'d, D>, Error> {
        let filled = |(size, _): &(usize, _)| 4 * images >= 3 * size;
        let smallest = self.sizes.len() - 1;
        let plan = self.planned(self.sizes.iter().position(filled).unwrap_or(smallest))?;
        plan.fix_weights(parameters)?;
        Ok(plan)
    }

    /// The plan of a size, made if there is none.
    fn planned(&mut self, index: usize) -> Result<&mut Plan<'d, D>, Error> {
        let (size, plan) = &mut self.sizes[index];
        match plan {
            Some(plan) => Ok(plan),
            none => Ok(none.insert(Plan::new(self.device, &self.network, *size, self.purpose)?)),
        }
    }
}
