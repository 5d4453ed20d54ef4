//! Detects a training that does not start to learn, while it runs.
//!
//! A network with K classes that has learned nothing has a loss of ln K (or that of [`Loss::of_guessing`]). The rule: as long as the
//! mean loss over the last [`WINDOW`] steps was never more than 1 % below that, the gradients are checked, at step [`FIRST_LOOK`]
//! and at the end of each epoch. A layer whose weight gradients are all exactly zero is dead: no update will ever
//! change it. Without a dead layer the training counts as stuck after [`PATIENCE`] steps at more than a tenth of
//! the highest learning rate and one whole epoch. Each is reported once.

use std::collections::VecDeque;

use crate::parameters::Tensor;
use crate::recipe::Recipe;
use crate::run::health::{GUESSING, remedy};

/// Steps over which the loss is averaged.
const WINDOW: usize = 50;
/// The step of the first gradient check.
const FIRST_LOOK: u64 = 100;
/// Steps at a substantial learning rate that a network has to start learning.
const PATIENCE: u64 = 200;

/// Monitors the losses of a training.
#[derive(Debug)]
pub(super) struct Watch {
    uniform_loss: f64,
    remedy: String,
    recent: VecDeque<f64>,
    steps: u64,
    driven_steps: u64,
    learns: bool,
    told_dead: bool,
    told_stuck: bool,
}

impl Watch {
    /// Monitors a training of `steps` steps of a network with `classes` classes.
    pub(super) fn new(classes: usize, recipe: &Recipe, steps: u64) -> Self {
        Self {
            uniform_loss: recipe.loss.of_guessing(classes),
            remedy: remedy(recipe.learning_rate, steps),
            recent: VecDeque::with_capacity(WINDOW),
            steps: 0,
            driven_steps: 0,
            learns: false,
            told_dead: false,
            told_stuck: false,
        }
    }

    /// Records a step's mean loss; `factor` is its learning rate as a fraction of the highest.
    pub(super) fn note(&mut self, loss: f64, factor: f64) {
        self.steps += 1;
        self.driven_steps += u64::from(factor > 0.1);
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(loss);
        let mean = self.recent.iter().sum::<f64>() / self.recent.len() as f64;
        self.learns |= self.recent.len() == WINDOW && mean < GUESSING * self.uniform_loss;
    }

    /// Whether a gradient check is due after `steps` more steps.
    pub(super) fn is_due_after(&self, steps: usize) -> bool {
        self.steps + steps as u64 == FIRST_LOOK
    }

    /// Whether a gradient check is due now.
    pub(super) fn is_due(&self, epoch_ends: bool) -> bool {
        let told = self.told_dead || self.told_stuck;
        !self.learns && !told && self.steps >= WINDOW as u64 && (epoch_ends || self.steps == FIRST_LOOK)
    }

    /// Returns the warning to print, if any, given the gradients of the last step.
    pub(super) fn verdict(&mut self, gradients: &[Tensor], epoch_ends: bool) -> Option<String> {
        let is_dead = |tensor: &&Tensor| {
            tensor.name.ends_with(".weight") && tensor.values.iter().all(|&gradient| gradient == 0.0)
        };
        let dead: Vec<&str> =
            gradients.iter().filter(is_dead).map(|tensor| tensor.name.trim_end_matches(".weight")).collect();
        let at =
            format!("the loss is still {:.3}, that of guessing, after {} steps", self.mean(), self.steps);
        if !dead.is_empty() {
            self.told_dead = true;
            return Some(format!(
                "this training is dead: {at}, and no gradient reaches {}.\n{}",
                dead.join(", "),
                self.remedy
            ));
        }
        if epoch_ends && self.driven_steps >= PATIENCE {
            self.told_stuck = true;
            return Some(format!("this training does not start to learn: {at}.\n{}", self.remedy));
        }
        None
    }

    fn mean(&self) -> f64 {
        self.recent.iter().sum::<f64>() / self.recent.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradients(first: f32) -> Vec<Tensor> {
        let tensor =
            |name: &str, value| Tensor { name: name.into(), shape: vec![2], values: vec![0.0, value] };
        vec![tensor("conv1.weight", first), tensor("conv1.bias", 0.0), tensor("conv2.weight", 0.1)]
    }

    fn watched(steps: u64, loss: f64, factor: f64) -> Watch {
        let mut watch = Watch::new(10, &Recipe::quick(), 5000);
        (0..steps).for_each(|_| watch.note(loss, factor));
        watch
    }

    #[test]
    fn dead_gradients_are_told_once_with_the_layer() {
        let mut watch = watched(FIRST_LOOK, 10f64.ln(), 0.01);
        assert!(watch.is_due(false));
        let told = watch.verdict(&gradients(0.0), false).unwrap();
        assert!(told.contains("no gradient reaches conv1.") && told.contains("--lr 0.005"), "{told}");
        assert!(!watch.is_due(true));
    }

    #[test]
    fn a_warm_up_is_waited_for() {
        let mut watch = watched(1000, 10f64.ln(), 0.01);
        assert!(watch.is_due(true));
        assert_eq!(watch.verdict(&gradients(0.1), true), None);
        (0..PATIENCE).for_each(|_| watch.note(10f64.ln(), 1.0));
        assert!(watch.verdict(&gradients(0.1), true).unwrap().contains("does not start to learn"));
    }

    #[test]
    fn a_training_that_learned_once_is_left_alone() {
        let mut watch = watched(60, 0.98 * 10f64.ln(), 1.0);
        (0..1000).for_each(|_| watch.note(10f64.ln(), 1.0));
        assert!(!watch.is_due(true));
    }

    #[test]
    fn nothing_is_said_before_there_is_a_window() {
        assert!(!watched(WINDOW as u64 - 1, 10f64.ln(), 1.0).is_due(true));
        assert!(watched(WINDOW as u64, 10f64.ln(), 1.0).is_due(true));
    }
}
