//! Notices a training that does not start to learn: while it runs ([`Watch`]), and from its figures ([`Health`]).
//!
//! A network of K classes that has learned nothing has the loss ln K. The rule: while the mean loss of the last
//! [`WINDOW`] steps has never been more than 1 % below ln K, the gradients are looked at, at step [`FIRST_LOOK`] and at
//! the end of each epoch. A layer whose weight gradients are all exactly zero is dead: nothing will ever change it.
//! Without a dead layer the training is called stuck once it has done [`PATIENCE`] steps at more than a tenth of its
//! highest learning rate and a whole epoch. Each is told once.

use std::collections::VecDeque;

use serde::Serialize;

use super::{EpochRow, Recipe};
use crate::parameters::Tensor;

/// Steps over which the loss is averaged.
const WINDOW: usize = 50;
/// The step at which the gradients are looked at for the first time.
const FIRST_LOOK: u64 = 100;
/// Steps at a real learning rate that a network is given to begin to learn.
const PATIENCE: u64 = 200;

/// A training of fewer steps than this may need more of them.
const FEW_STEPS: u64 = 1000;

/// A loss above this share of ln K is that of a network that has learned nothing.
const GUESSING: f64 = 0.99;

/// What the figures of a training's epochs say about it. It depends on nothing else, so a training that was killed and resumed
/// is judged as one that was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The loss is below that of guessing.
    Learns,
    /// In the latest epoch neither the training images nor those held out had a mean loss more than 1 % below ln K, or all that
    /// were held out had the same logit for every class.
    Stuck,
    /// In the latest epoch every training image had the same logit for every class, as where a last ReLU passes nothing on:
    /// all gradients are zero, and the training can be given up.
    Dead,
}

impl Health {
    /// The health of a training on `classes` classes.
    pub fn of(history: &[EpochRow], classes: usize) -> Self {
        let uniform_loss = (classes as f64).ln();
        // The loss of an image is computed in f32.
        let is_uniform =
            |loss: f64| (loss - uniform_loss).abs() <= 4.0 * f64::from(f32::EPSILON) * uniform_loss;
        let guesses = |loss: f64| loss > GUESSING * uniform_loss;
        let Some(last) = history.last() else { return Self::Learns };
        let held_out = last.validation_loss.or(last.test_loss);
        if is_uniform(last.train_loss) {
            Self::Dead
        } else if held_out.is_some_and(is_uniform) || guesses(last.train_loss) && held_out.is_none_or(guesses)
        {
            Self::Stuck
        } else {
            Self::Learns
        }
    }

    /// What a person should know of it, and try; nothing of a training that learns.
    pub fn advice(self, recipe: &Recipe, steps: u64) -> Option<String> {
        let state = match self {
            Self::Learns => return None,
            Self::Stuck => "stuck: the loss is that of guessing",
            Self::Dead => "dead: every image gets the same answer, and no gradient reaches the weights",
        };
        Some(format!("{state}. {}", remedy(recipe.learning_rate, steps)))
    }
}

/// What helps a training of so many steps that did not learn.
fn remedy(learning_rate: f64, steps: u64) -> String {
    let lower = format!("begin again with --lr {}", lowered(learning_rate));
    if steps < FEW_STEPS {
        return format!("{steps} steps are few: give more --epochs, or {lower}");
    }
    format!("Check the labels, and {lower}")
}

/// A learning rate that most networks learn at, well below one that was too high.
fn lowered(learning_rate: f64) -> f64 {
    let lower = (learning_rate / 10.0).min(Recipe::quick().learning_rate);
    (lower * 1e6).round().max(1.0) / 1e6
}

/// Watches the losses of a training.
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
    /// A watch over a training of so many steps of a network of so many classes.
    pub(super) fn new(classes: usize, recipe: &Recipe, steps: u64) -> Self {
        Self {
            uniform_loss: (classes as f64).ln(),
            remedy: remedy(recipe.learning_rate, steps),
            recent: VecDeque::with_capacity(WINDOW),
            steps: 0,
            driven_steps: 0,
            learns: false,
            told_dead: false,
            told_stuck: false,
        }
    }

    /// Takes note of a step's mean loss; `factor` is its learning rate as a share of the highest.
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

    /// Whether the gradients are due to be looked at after so many more steps.
    pub(super) fn looks_after(&self, steps: usize) -> bool {
        self.steps + steps as u64 == FIRST_LOOK
    }

    /// Whether the gradients should be looked at now.
    pub(super) fn is_due(&self, epoch_ends: bool) -> bool {
        let told = self.told_dead || self.told_stuck;
        !self.learns && !told && self.steps >= WINDOW as u64 && (epoch_ends || self.steps == FIRST_LOOK)
    }

    /// What to tell, if anything, given the gradients of the last step.
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
    fn the_health_is_read_from_the_losses_of_the_latest_epoch() {
        let row = |train_loss, test_loss| EpochRow {
            epoch: 1,
            learning_rate: 0.1,
            train_loss,
            train_error_pct: 90.0,
            test_loss,
            test_error_pct: None,
            images_per_s: 1.0,
            seconds: 1.0,
            validation_loss: None,
            validation_error_pct: None,
        };
        let of_guessing = f64::from(10f32.ln());
        for (train, test, health) in [
            (1.9, None, Health::Learns),
            (1.9, Some(3.5), Health::Learns),
            (2.6, Some(2.1), Health::Learns),
            (2.35, None, Health::Stuck),
            (1e10, Some(2.3), Health::Stuck),
            (2.1, Some(of_guessing), Health::Stuck),
            (of_guessing, Some(of_guessing), Health::Dead),
        ] {
            let history = [row(1.0, None), row(train, test)];
            assert_eq!(Health::of(&history, 10), health, "{train} {test:?}");
        }
        assert_eq!(Health::of(&[], 10), Health::Learns);
    }

    #[test]
    fn the_advice_is_a_lower_rate_and_more_steps_where_they_are_few() {
        let recipe = Recipe { learning_rate: 50.0, ..Recipe::quick() };
        assert_eq!(Health::Learns.advice(&recipe, 10), None);
        let few = Health::Stuck.advice(&recipe, 10).unwrap();
        assert!(
            few.contains("10 steps are few") && few.contains("--epochs") && few.contains("--lr 0.05"),
            "{few}"
        );
        let many = Health::Dead.advice(&recipe, 5000).unwrap();
        assert!(
            many.starts_with("dead") && many.contains("--lr 0.05") && !many.contains("--epochs"),
            "{many}"
        );
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
