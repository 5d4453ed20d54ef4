//! The tree prior in a training: the weights of the last layer are drawn to the means of their groups in every step.

use allcnn_device::{Device, Parameter};

use super::error::TrainError;
use super::task::Task;
use crate::parameters::Parameters;

/// Draws the classes' weights to the means of their groups.
pub(super) struct GroupMeans<D: Device> {
    strength: f32,
    /// The group of each class.
    groups: D::Buffer,
    /// Scratch memory for the means.
    means: D::Buffer,
    /// The index of the weights of the last layer.
    weights: usize,
}

impl<D: Device> GroupMeans<D> {
    /// For the prior of a task's recipe; `None` without one. The prior takes the place of those weights' decay.
    ///
    /// # Errors
    /// Groups that do not fit the classes; too little memory.
    pub(super) fn of(
        device: &D,
        task: &Task<'_>,
        parameters: &mut Parameters<D>,
    ) -> Result<Option<Self>, TrainError> {
        let Some(prior) = &task.recipe.tree_prior else { return Ok(None) };
        let numbers = prior.groups_of(task.classes)?;
        let count = numbers.iter().max().map_or(0, |highest| highest + 1);
        let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
        let is_weight = |name: &String| name.ends_with(".weight");
        let weights = parameters.names()[..parameters.own()]
            .iter()
            .rposition(is_weight)
            .expect("a network ends with a convolution");
        let len = parameters.lens()[weights];
        let mut groups = device.alloc(numbers.len())?;
        device.upload(&numbers, &mut groups)?;
        let means = device.alloc(count * (len / numbers.len()))?;
        parameters.list_mut()[weights].factors.decay = 0.0;
        Ok(Some(Self { strength: prior.strength, groups, means, weights }))
    }

    /// Adds the prior's part to the gradient.
    pub(super) fn draw(&mut self, device: &D, parameters: &mut Parameters<D>) {
        let Parameter { value, gradient, .. } = &mut parameters.list_mut()[self.weights];
        device.draw_to_means(self.strength, &self.groups, &mut self.means, value, gradient);
    }
}
