//! Learning rate schedules: a factor on the recipe's learning rate as a pure function of the step.

use serde::{Deserialize, Serialize};

/// A learning rate schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The recipe's learning rate throughout.
    Constant,
    /// Multiplied by `factor` at each of `milestones`, which are in epochs (or any other unit) of a training of
    /// `of` epochs; for other lengths they scale in proportion. The paper's: 0.1 at 200, 250 and 300 of 350.
    Steps {
        /// The factor at each milestone.
        factor: f64,
        /// The milestones, in epochs.
        milestones: Vec<u32>,
        /// The length in epochs to which the milestones refer.
        of: u32,
    },
    /// One phase after the other, each with a constant factor and, from the second on, velocities of 0. Their epochs are those
    /// of a training of `of` epochs; for other lengths they scale in proportion.
    Phases {
        /// The phases, in order.
        phases: Vec<Phase>,
        /// The length in epochs of all of them.
        of: u32,
    },
    /// Falls by the same factor each step, from 1 to `end` over the whole training: end^(step / steps).
    Exponential {
        /// The factor after the last step.
        end: f64,
    },
    /// Rises linearly over the first `warm_up` fraction of the steps, then decays to `floor`.
    ///
    /// A network's first steps tolerate no high rate, however short the training is. So the factor rises by at
    /// most 1 / `gentle_steps` per step: if the warm-up is too short for that, it takes up to half of all steps,
    /// and the peak is as high as they allow.
    OneCycle {
        /// The share of the training that the rise takes, in [0, 1).
        warm_up: f64,
        /// The shape of the decay.
        decay: Decay,
        /// The final factor as a fraction of the peak, in [0, 1].
        #[serde(default)]
        floor: f64,
        /// The fewest steps in which the factor may rise to 1; 0 for no minimum.
        #[serde(default)]
        gentle_steps: u32,
    },
}

/// A phase of [`Schedule::Phases`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its length in epochs.
    pub epochs: u32,
    /// The factor on the learning rate.
    #[serde(default = "one")]
    pub factor: f64,
    /// Whether the recipe's companion heads are trained, too.
    #[serde(default)]
    pub companions: bool,
}

fn one() -> f64 {
    1.0
}

/// The decay of [`Schedule::OneCycle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Linear.
    Linear,
    /// Half a cosine period.
    Cosine,
}

impl Schedule {
    /// The learning rate factor in step `step` (from 0) of `total`.
    ///
    /// Panics unless `step < total`.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        assert!(step < total, "step {step} must be below the {total} steps of the training");
        match self {
            Schedule::Constant => 1.0,
            Schedule::Steps { factor, milestones, of } => {
                let passed =
                    |epoch: u32| u128::from(step) * u128::from(*of) >= u128::from(epoch) * u128::from(total);
                let count = milestones.iter().filter(|&&epoch| passed(epoch)).count();
                factor.powi(count as i32)
            }
            Schedule::Phases { phases, .. } => phases[self.phase(step, total)].factor,
            Schedule::Exponential { end } => end.powf(step as f64 / total as f64),
            Schedule::OneCycle { warm_up, decay, floor, gentle_steps } => {
                let (step, total, gentle) = (step as f64, total as f64, f64::from(*gentle_steps));
                let (peak, highest) = rise(*warm_up, gentle, total);
                if step + 1.0 < peak {
                    return highest * (step + 1.0) / peak;
                }
                let gone = ((step - peak).max(0.0) / (total - peak).max(1.0)).min(1.0);
                let left = match decay {
                    Decay::Linear => 1.0 - gone,
                    Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * gone).cos()),
                };
                highest * (floor + (1.0 - floor) * left)
            }
        }
    }

    /// The number of the phase, from 0, that step `step` (from 0) of `total` belongs to; 0 for the other schedules.
    pub fn phase(&self, step: u64, total: u64) -> usize {
        let Schedule::Phases { phases, of } = self else { return 0 };
        let mut epochs = 0;
        let ends = phases.iter().map(|phase| {
            epochs += u64::from(phase.epochs);
            epochs
        });
        let passed = |end: u64| u128::from(step) * u128::from(*of) >= u128::from(end) * u128::from(total);
        ends.filter(|&end| passed(end)).count().min(phases.len() - 1)
    }

    /// Whether a phase trains companion heads.
    pub(super) fn has_companions(&self) -> bool {
        matches!(self, Schedule::Phases { phases, .. } if phases.iter().any(|phase| phase.companions))
    }

    /// Whether companion heads are trained in a phase: where there are no phases, always.
    pub fn trains_companions(&self, phase: usize) -> bool {
        match self {
            Schedule::Phases { phases, .. } => phases[phase].companions,
            _ => true,
        }
    }

    /// The highest factor reached in a training of `total` steps.
    pub fn highest(&self, total: u64) -> f64 {
        match self {
            Schedule::OneCycle { warm_up, gentle_steps, .. } => {
                let (total, gentle) = (total as f64, f64::from(*gentle_steps));
                rise(*warm_up, gentle, total).1
            }
            Schedule::Phases { phases, .. } => phases.iter().map(|phase| phase.factor).fold(0.0, f64::max),
            Schedule::Constant | Schedule::Steps { .. } | Schedule::Exponential { .. } => 1.0,
        }
    }

    /// Describes what is wrong with the numbers, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Schedule::Constant => None,
            Schedule::Steps { factor, milestones, of } => {
                if !(*factor > 0.0 && *factor <= 1.0) {
                    return Some(format!("schedule.factor is {factor}, expected above 0 and at most 1"));
                }
                let late = milestones.iter().find(|&epoch| epoch >= of)?;
                Some(format!("schedule.milestones has {late}, expected epochs below schedule.of = {of}"))
            }
            Schedule::Phases { phases, of } => {
                let epochs: u64 = phases.iter().map(|phase| u64::from(phase.epochs)).sum();
                let wrong = phases.iter().find(|phase| !(phase.factor > 0.0 && phase.factor <= 1.0));
                if let Some(Phase { factor, .. }) = wrong {
                    return Some(format!(
                        "schedule.phases has a factor of {factor}, expected above 0 and at most 1"
                    ));
                }
                if phases.iter().any(|phase| phase.epochs == 0) {
                    return Some("schedule.phases has a phase of 0 epochs, expected 1 or more".into());
                }
                (epochs == 0 || epochs != u64::from(*of)).then(|| {
                    format!(
                        "schedule.phases has {epochs} epochs together, expected schedule.of = {of}, the sum"
                    )
                })
            }
            Schedule::Exponential { end } => (!(*end > 0.0 && *end <= 1.0))
                .then(|| format!("schedule.end is {end}, expected above 0 and at most 1")),
            Schedule::OneCycle { warm_up, floor, .. } => {
                if !(0.0..1.0).contains(warm_up) {
                    return Some(format!(
                        "schedule.warm_up is {warm_up}, expected a share from 0 to below 1"
                    ));
                }
                (!(0.0..=1.0).contains(floor))
                    .then(|| format!("schedule.floor is {floor}, expected a factor from 0 to 1"))
            }
        }
    }
}

/// The number of warm-up steps, and the factor they reach.
fn rise(warm_up: f64, gentle: f64, total: f64) -> (f64, f64) {
    let steps = (warm_up * total).max(gentle.min(total / 2.0));
    (steps, if steps < gentle { steps / gentle } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper() -> Schedule {
        Schedule::Steps { factor: 0.1, milestones: vec![200, 250, 300], of: 350 }
    }

    #[test]
    fn the_papers_steps_come_after_epochs_200_250_and_300() {
        let per_epoch = 391;
        let total = 350 * per_epoch;
        for (epoch, factor) in [(0, 1.0), (200, 0.1), (250, 0.01), (300, 0.001)] {
            let first = epoch * per_epoch;
            assert!((paper().factor(first, total) / factor - 1.0).abs() < 1e-12, "epoch {epoch}");
            if epoch > 0 {
                assert!((paper().factor(first - 1, total) / (10.0 * factor) - 1.0).abs() < 1e-12);
            }
        }
        assert!((paper().factor(total - 1, total) / 0.001 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_shorter_training_keeps_the_proportions() {
        let total = 7 * 10; // 7 epochs of 10 steps: milestones after epochs 4, 5 and 6
        let changes: Vec<u64> =
            (1..total).filter(|&s| paper().factor(s, total) != paper().factor(s - 1, total)).collect();
        assert_eq!(changes, [40, 50, 60]);
    }

    #[test]
    fn one_cycle_rises_to_1_and_falls_to_nearly_0() {
        let cycle = |decay, floor| Schedule::OneCycle { warm_up: 0.2, decay, floor, gentle_steps: 0 };
        let linear = cycle(Decay::Linear, 0.0);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        near(linear.factor(0, 100), 0.05);
        near(linear.factor(9, 100), 0.5);
        near(linear.factor(19, 100), 1.0);
        near(linear.factor(20, 100), 1.0);
        near(linear.factor(60, 100), 0.5);
        near(linear.factor(99, 100), 1.0 / 80.0);
        near(cycle(Decay::Cosine, 0.0).factor(40, 100), 0.5 * (1.0 + 0.5f64.sqrt()));
        near(cycle(Decay::Cosine, 0.0).factor(60, 100), 0.5);
        near(cycle(Decay::Linear, 0.1).factor(60, 100), 0.55);
    }

    #[test]
    fn an_exponential_schedule_falls_by_the_same_factor_each_step() {
        let falls = Schedule::Exponential { end: 0.01 };
        for (step, factor) in [(0, 1.0), (100, 0.1), (150, 10f64.powf(-1.5))] {
            assert!((falls.factor(step, 200) / factor - 1.0).abs() < 1e-12, "{step}");
        }
    }

    #[test]
    fn a_short_training_rises_gently() {
        let gentle = Schedule::OneCycle { warm_up: 0.1, decay: Decay::Linear, floor: 0.0, gentle_steps: 100 };
        let rates = |total| (0..total).map(|step| gentle.factor(step, total)).collect::<Vec<_>>();
        let highest = |total| rates(total).into_iter().fold(0.0, f64::max);
        let steepest = |total| rates(total).windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        for (total, expected) in [(2000, 1.0), (500, 1.0), (200, 1.0), (100, 0.5), (20, 0.1)] {
            assert!((highest(total) - expected).abs() < 1e-9, "{} of {total} steps", highest(total));
            assert!((gentle.highest(total) - expected).abs() < 1e-9);
            assert!(steepest(total) < 0.01 + 1e-9, "{} of {total} steps", steepest(total));
        }
        let plain = Schedule::OneCycle { warm_up: 0.1, decay: Decay::Linear, floor: 0.0, gentle_steps: 0 };
        assert!(
            (0..2000).all(|step| gentle.factor(step, 2000) == plain.factor(step, 2000)),
            "long ones stay"
        );
    }

    #[test]
    fn every_factor_lies_above_0_and_at_most_at_1_however_short_the_training() {
        for total in 1..40 {
            for decay in [Decay::Linear, Decay::Cosine] {
                for gentle_steps in [0, 10, 100] {
                    let cycle = Schedule::OneCycle { warm_up: 0.15, decay, floor: 0.0, gentle_steps };
                    for step in 0..total {
                        let factor = cycle.factor(step, total);
                        assert!(factor > 0.0 && factor <= 1.0, "{factor} at {step} of {total}");
                    }
                }
            }
        }
    }

    #[test]
    fn phases_follow_each_other_in_proportion() {
        let phase = |epochs, factor, companions| Phase { epochs, factor, companions };
        let three = vec![phase(100, 1.0, true), phase(240, 1.0, false), phase(60, 0.004, false)];
        let schedule = Schedule::Phases { phases: three.clone(), of: 400 };
        assert_eq!(schedule.fault(), None);
        for (step, number) in [(0, 0), (24, 0), (25, 1), (84, 1), (85, 2), (99, 2)] {
            assert_eq!(schedule.phase(step, 100), number, "step {step}");
            assert_eq!(schedule.factor(step, 100), three[number].factor);
            assert_eq!(schedule.trains_companions(number), number == 0);
        }
        assert_eq!(schedule.highest(100), 1.0);
        let told = |phases: Vec<Phase>, of| Schedule::Phases { phases, of }.fault().unwrap();
        assert!(told(three, 350).contains("400 epochs together, expected schedule.of = 350"));
        assert!(told(vec![], 0).contains("0 epochs together"));
        assert!(told(vec![phase(1, 1.5, false)], 1).contains("a factor of 1.5"));
        assert!(told(vec![phase(0, 1.0, false), phase(1, 1.0, false)], 1).contains("a phase of 0 epochs"));
    }

    #[test]
    fn wrong_numbers_are_named() {
        let late = Schedule::Steps { factor: 0.1, milestones: vec![10], of: 10 };
        assert!(late.fault().unwrap().contains("below schedule.of = 10"));
        let long = Schedule::OneCycle { warm_up: 1.0, decay: Decay::Linear, floor: 0.0, gentle_steps: 0 };
        assert!(long.fault().unwrap().contains("warm_up is 1"));
        assert_eq!(paper().fault(), None);
    }
}
