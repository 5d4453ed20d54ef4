//! The learning rate of every step, of a training that may have been made longer.
//!
//! What was trained stays as it is. The learning rate of the steps from then on: where all steps of the schedule were done it
//! begins anew for those that are added; else what was left of it is stretched over all that are left now. In numbers, with the
//! schedule's factor f(step, length), in step s of a training that now has T steps: f(L - (T - s), L). L is the number of steps
//! left now, divided by the share of the schedule that was left.

use crate::recipe::Recipe;
use crate::run::Lengthening;

/// The learning rate of every step.
#[derive(Clone, Debug)]
pub(super) struct Pace<'a> {
    recipe: &'a Recipe,
    lengthened: Option<Lengthening>,
}

impl<'a> Pace<'a> {
    /// The recipe's, until the training is made longer.
    pub(super) fn of(recipe: &'a Recipe) -> Self {
        Self { recipe, lengthened: None }
    }

    /// From now on that of a longer training.
    pub(super) fn lengthen(&mut self, lengthened: &Lengthening) {
        self.lengthened = Some(lengthened.clone());
    }

    /// The share of the highest learning rate in step `step` of `total`.
    pub(super) fn factor(&self, step: u64, total: u64) -> f64 {
        let Some(Lengthening { schedule_steps: length, .. }) = self.lengthened else {
            return self.recipe.schedule.factor(step, total);
        };
        self.recipe.schedule.factor(length.saturating_sub(total - step), length)
    }

    /// The learning rate in step `step` of `total`.
    pub(super) fn learning_rate(&self, step: u64, total: u64) -> f64 {
        let highest =
            self.lengthened.as_ref().map_or(self.recipe.learning_rate, |longer| longer.learning_rate);
        highest * self.factor(step, total)
    }
}

/// The length of a schedule of which `left` steps are left now, where `before` steps of `of` were left.
pub(super) fn schedule_steps(left: u64, before: u64, of: u64) -> u64 {
    match before {
        0 => left,
        before => (u128::from(left) * u128::from(of) / u128::from(before)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Decay, Schedule};

    fn cycle() -> Recipe {
        let schedule = Schedule::OneCycle { warm_up: 0.2, decay: Decay::Linear, floor: 0.0, gentle_steps: 0 };
        Recipe { learning_rate: 1.0, schedule, ..Recipe::quick() }
    }

    fn rates(longer: &Lengthening, steps: std::ops::Range<u64>) -> Vec<f64> {
        let recipe = cycle();
        let mut pace = Pace::of(&recipe);
        pace.lengthen(longer);
        let total = steps.end;
        steps.map(|step| pace.learning_rate(step, total)).collect()
    }

    #[test]
    fn a_finished_schedule_begins_anew() {
        let longer = Lengthening {
            from_step: 100,
            steps_before: 100,
            schedule_steps: schedule_steps(50, 0, 100),
            learning_rate: 0.5,
        };
        let (recipe, rates) = (cycle(), rates(&longer, 100..150));
        let fresh: Vec<f64> = (0..50).map(|step| 0.5 * recipe.schedule.factor(step, 50)).collect();
        assert_eq!(rates, fresh);
        assert!(longer.is_anew());
    }

    #[test]
    fn what_was_left_of_a_schedule_is_stretched() {
        // Half of it was done: where it fell from 0.625 to 0 in 50 steps it does so in 150.
        let steps = schedule_steps(150, 50, 100);
        let longer =
            Lengthening { from_step: 50, steps_before: 100, schedule_steps: steps, learning_rate: 1.0 };
        let (recipe, rates) = (cycle(), rates(&longer, 50..200));
        assert_eq!(steps, 300);
        assert!((rates[0] - recipe.schedule.factor(50, 100)).abs() < 1e-12, "{}", rates[0]);
        assert!((rates[75] - recipe.schedule.factor(75, 100)).abs() < 1e-12, "{}", rates[75]);
        assert!(rates.windows(2).all(|pair| pair[0] > pair[1]));
    }
}
