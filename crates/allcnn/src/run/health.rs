//! Whether a training learned, judged from the metrics of its epochs.
//!
//! A network with K classes that has learned nothing has a cross-entropy of ln K.

use allcnn_device::Loss;
use serde::Serialize;

use super::epoch_row::EpochRow;
use crate::net::Init;
use crate::recipe::Recipe;

/// A training with fewer steps than this may just be too short.
const FEW_STEPS: u64 = 1000;

/// A loss above this fraction of ln K counts as no better than guessing.
pub(crate) const GUESSING: f64 = 0.99;

/// Whether a training learned. It depends only on the metrics of the epochs, so killing and resuming a training
/// does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The loss is below that of guessing.
    Learns,
    /// In the latest epoch both training and held-out images had a mean loss above 0.99 ln K, or the held-out
    /// images had equal logits for all classes.
    Stuck,
    /// In the latest epoch every training image had equal logits for all classes, as when a last ReLU outputs only
    /// zeros: all gradients are zero, and training further is useless.
    Dead,
}

impl Health {
    /// Judges a training on `classes` classes by this loss; held-out images have the cross-entropy.
    pub fn of(history: &[EpochRow], classes: usize, loss: Loss) -> Self {
        let of_guessing = |loss: Loss| loss.of_guessing(classes);
        // Losses are computed in f32.
        let is = |loss: f64, guess: f64| (loss - guess).abs() <= 4.0 * f64::from(f32::EPSILON) * guess;
        let is_uniform = |held_out: f64| is(held_out, of_guessing(Loss::CrossEntropy));
        let guesses = |held_out: f64| held_out > GUESSING * of_guessing(Loss::CrossEntropy);
        let Some(last) = history.last() else { return Self::Learns };
        let held_out = last.validation_loss.or(last.test_loss);
        if is(last.train_loss, of_guessing(loss)) {
            Self::Dead
        } else if held_out.is_some_and(is_uniform)
            || last.train_loss > GUESSING * of_guessing(loss) && held_out.is_none_or(guesses)
        {
            Self::Stuck
        } else {
            Self::Learns
        }
    }

    /// A message with a remedy for the user; `None` if the training learns and there are no classes that it never predicts
    /// though evaluated images show them.
    pub fn advice(self, recipe: &Recipe, steps: u64, never_predicted: &[&str]) -> Option<String> {
        let state = match self {
            Self::Learns if never_predicted.is_empty() => return None,
            Self::Learns => blind_to(never_predicted),
            Self::Stuck => "stuck: the loss is that of guessing".into(),
            Self::Dead => {
                "dead: every image gets the same answer, and no gradient reaches the weights".into()
            }
        };
        let init = if recipe.init == Init::Data { "" } else { ", or with --init data" };
        Some(format!("{state}. {}{init}", remedy(recipe.learning_rate, steps)))
    }
}

/// Names the classes that are never predicted, at most four of them.
fn blind_to(classes: &[&str]) -> String {
    let (named, more) = classes.split_at(classes.len().min(4));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let classes = if classes.len() == 1 { "a class" } else { &format!("{} classes", classes.len()) };
    format!("blind to {classes}: no image is taken for {}{more}", named.join(", "))
}

/// The remedy for a training of `steps` steps that did not learn.
pub(crate) fn remedy(learning_rate: f64, steps: u64) -> String {
    let lower = format!("begin again with --lr {}", lowered(learning_rate));
    if steps < FEW_STEPS {
        let are = if steps == 1 { "step is" } else { "steps are" };
        return format!("{steps} {are} few: give more --epochs, or {lower}");
    }
    format!("Check the labels, and {lower}")
}

/// A learning rate at which most networks learn, well below one that was too high.
fn lowered(learning_rate: f64) -> f64 {
    let lower = (learning_rate / 10.0).min(Recipe::quick().learning_rate);
    (lower * 1e6).round().max(1.0) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Health::of(&history, 10, Loss::CrossEntropy), health, "{train} {test:?}");
        }
        let hinged = |train, test| Health::of(&[row(train, Some(test))], 10, Loss::SquaredHinge);
        assert_eq!((hinged(3.0, 2.4), hinged(3.59, 2.4)), (Health::Learns, Health::Stuck));
        assert_eq!(Health::of(&[], 10, Loss::CrossEntropy), Health::Learns);
    }

    #[test]
    fn the_advice_is_a_lower_rate_and_more_steps_where_they_are_few() {
        let recipe = Recipe { learning_rate: 50.0, ..Recipe::quick() };
        assert_eq!(Health::Learns.advice(&recipe, 10, &[]), None);
        let few = Health::Stuck.advice(&recipe, 10, &[]).unwrap();
        assert!(
            few.contains("10 steps are few") && few.contains("--epochs") && few.contains("--lr 0.05"),
            "{few}"
        );
        assert!(!few.contains("--init"), "it is the recipe's: {few}");
        let drawn = Recipe { init: Init::He, ..recipe.clone() };
        assert_eq!(Health::Stuck.advice(&drawn, 10, &[]), Some(few + ", or with --init data"));
        let blind = Health::Learns.advice(&recipe, 10, &["a", "b", "c", "d", "e"]).unwrap();
        assert!(
            blind.starts_with("blind to 5 classes: no image is taken for a, b, c, d and 1 more. 10 steps"),
            "{blind}"
        );
        let many = Health::Dead.advice(&recipe, 5000, &[]).unwrap();
        assert!(
            many.starts_with("dead") && many.contains("--lr 0.05") && !many.contains("--epochs"),
            "{many}"
        );
    }
}
