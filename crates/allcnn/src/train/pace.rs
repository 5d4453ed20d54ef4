//! The learning rate of each step, also of a training that was extended.
//!
//! Steps already done keep their learning rate. For the remaining steps: if the schedule was complete, it restarts
//! over the added steps; otherwise its remainder is stretched over all steps that are left. With the schedule's
//! factor f(step, length), the factor of step s of T (the new total) is f(L - (T - s), L), where L is the number
//! of steps left now divided by the fraction of the schedule that was left.

use crate::recipe::Recipe;
use crate::run::Lengthening;

/// What a step is done with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StepPace {
    /// The learning rate.
    pub(super) learning_rate: f32,
    /// The number of the schedule's phase.
    pub(super) phase: u32,
    /// Whether that begins with this step, after another one.
    pub(super) begins_phase: bool,
}

/// Computes the learning rate of each step.
#[derive(Clone, Debug)]
pub(super) struct Pace<'a> {
    recipe: &'a Recipe,
    lengthened: Option<Lengthening>,
}

impl<'a> Pace<'a> {
    /// The recipe's schedule, until [`Pace::lengthen`].
    pub(super) fn of(recipe: &'a Recipe) -> Self {
        Self { recipe, lengthened: None }
    }

    /// From now on follows the schedule of an extended training.
    pub(super) fn lengthen(&mut self, lengthened: &Lengthening) {
        self.lengthened = Some(lengthened.clone());
    }

    /// The learning rate of step `step` of `total` as a fraction of the highest.
    pub(super) fn factor(&self, step: u64, total: u64) -> f64 {
        let Some(Lengthening { schedule_steps: length, .. }) = self.lengthened else {
            return self.recipe.schedule.factor(step, total);
        };
        self.recipe.schedule.factor(length.saturating_sub(total - step), length)
    }

    /// What step `step` of `total` is done with.
    pub(super) fn of_step(&self, step: u64, total: u64) -> StepPace {
        let phase = |step: u64| match self.lengthened {
            Some(Lengthening { schedule_steps: length, .. }) => {
                self.recipe.schedule.phase(length.saturating_sub(total - step), length)
            }
            None => self.recipe.schedule.phase(step, total),
        };
        let (learning_rate, now) = (self.learning_rate(step, total) as f32, phase(step));
        let begins_phase = step.checked_sub(1).is_some_and(|before| phase(before) != now);
        StepPace { learning_rate, phase: now as u32, begins_phase }
    }

    /// The learning rate of step `step` of `total`.
    pub(super) fn learning_rate(&self, step: u64, total: u64) -> f64 {
        let highest =
            self.lengthened.as_ref().map_or(self.recipe.learning_rate, |longer| longer.learning_rate);
        highest * self.factor(step, total)
    }
}

/// The length of a schedule with `left` steps left, if `before` of `of` steps were left before the extension.
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
        // Half of it was done: the fall from 0.625 to 0 in 50 steps now takes 150.
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
