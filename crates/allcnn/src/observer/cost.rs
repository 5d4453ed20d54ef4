//! Estimates how many steps fit into a time limit.

use std::time::Duration;

/// The measured durations of a training's parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// One step.
    pub step: Duration,
    /// One evaluation of the images that select the best epoch.
    pub evaluation: Duration,
    /// One evaluation of the test images at the end.
    pub test: Duration,
}

impl Cost {
    /// The duration of a training of `steps` steps, evaluations included.
    pub fn of(&self, steps: u64, epoch_steps: u64) -> Duration {
        let evaluations = steps.div_ceil(epoch_steps.max(1)) as f64;
        self.step.mul_f64(steps as f64) + self.evaluation.mul_f64(evaluations)
    }

    /// The largest number of steps that fits into `budget`, with an evaluation after each epoch and one after a
    /// final partial epoch; at least 1.
    pub fn steps_within(&self, budget: Duration, epoch_steps: u64) -> u64 {
        let step = self.step.as_secs_f64().max(1e-9);
        let evaluation = self.evaluation.as_secs_f64();
        let epoch = step * epoch_steps as f64 + evaluation;
        let budget = budget.as_secs_f64();
        let epochs = (budget / epoch).floor();
        let partial = ((budget - epochs * epoch - evaluation) / step).floor().max(0.0);
        ((epochs as u64).saturating_mul(epoch_steps).saturating_add(partial as u64)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_epochs_then_a_partial_one_fill_the_budget() {
        let evaluation = Duration::from_secs(2);
        let cost = Cost { step: Duration::from_millis(100), evaluation, test: evaluation };
        let steps = |seconds: f64| cost.steps_within(Duration::from_secs_f64(seconds), 100);
        assert_eq!(steps(12.01), 100); // one epoch
        assert_eq!(steps(36.01), 300);
        assert_eq!(steps(36.01 + 2.0 + 5.0), 350); // three, half of a fourth and its evaluation
        assert_eq!(steps(36.01 + 1.9), 300); // no time to evaluate another step
        assert_eq!(steps(5.05), 30);
        assert_eq!(steps(0.0), 1);
        assert_eq!(cost.of(350, 100), Duration::from_secs(35 + 4 * 2));
    }
}
