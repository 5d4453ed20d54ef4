//! The losses by which a network is trained.

use std::fmt;
use std::str::FromStr;

/// What makes a loss of the scores s of an image's classes and their targets t, whose sum w is the weight of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// Softmax and cross-entropy: -sum t log p with p = softmax(s); its derivative by s is w p - t.
    #[default]
    CrossEntropy,
    /// The squared hinge of each class against all others (Lee et al. 2015, "L2-SVM"): the sum of
    /// t max(0, 1 - s)^2 + (w - t) max(0, 1 + s)^2; its derivative by s is 2 (w - t) max(0, 1 + s) - 2 t max(0, 1 - s).
    SquaredHinge,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CrossEntropy => "cross-entropy",
            Self::SquaredHinge => "squared-hinge",
        })
    }
}

impl FromStr for Loss {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        [Self::CrossEntropy, Self::SquaredHinge]
            .into_iter()
            .find(|loss| loss.to_string() == name)
            .ok_or_else(|| format!("unknown loss '{name}'; expected cross-entropy or squared-hinge"))
    }
}

impl Loss {
    /// The loss of a row of scores, and d = derivative * scale. Sums are those of f64.
    pub fn of_row(self, scores: &[f32], targets: &[f32], scale: f32, d: &mut [f32]) -> f32 {
        let weight: f64 = targets.iter().map(|&t| f64::from(t)).sum();
        let rows = scores.iter().zip(targets).map(|(&s, &t)| (f64::from(s), f64::from(t))).zip(d);
        let scale = f64::from(scale);
        let mut loss = 0.0;
        match self {
            Self::CrossEntropy => {
                let largest = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                let log_sum =
                    largest + scores.iter().map(|&s| (f64::from(s) - largest).exp()).sum::<f64>().ln();
                for ((s, t), d) in rows {
                    let log_p = s - log_sum;
                    loss -= t * log_p;
                    *d = ((log_p.exp() * weight - t) * scale) as f32;
                }
            }
            Self::SquaredHinge => {
                for ((s, t), d) in rows {
                    let (own, others) = ((1.0 - s).max(0.0), (1.0 + s).max(0.0));
                    loss += t * own * own + (weight - t) * others * others;
                    *d = (2.0 * ((weight - t) * others - t * own) * scale) as f32;
                }
            }
        }
        loss as f32
    }

    /// The lowest loss that scores can have which are the same for all images: that of a network of so many equally frequent
    /// classes that has learned nothing.
    pub fn of_guessing(self, classes: usize) -> f64 {
        let classes = classes as f64;
        match self {
            Self::CrossEntropy => classes.ln(),
            // All scores are 2 / classes - 1.
            Self::SquaredHinge => 4.0 * (classes - 1.0) / classes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hinges_count_only_what_lies_inside_of_the_margin() {
        let mut d = [0.0; 3];
        let loss = Loss::SquaredHinge.of_row(&[2.0, -0.5, -3.0], &[1.0, 0.0, 0.0], 1.0, &mut d);
        assert_eq!((loss, d), (0.25, [0.0, 1.0, 0.0]));
        let loss = Loss::SquaredHinge.of_row(&[0.5, -1.0, -1.0], &[2.0, 0.0, 0.0], 0.5, &mut d);
        assert_eq!((loss, d), (0.5, [-1.0, 0.0, 0.0]), "an image of weight 2");
        let loss = Loss::SquaredHinge.of_row(&[0.5, 0.0, 0.0], &[0.0; 3], 1.0, &mut d);
        assert_eq!((loss, d), (0.0, [0.0; 3]), "an absent image");
    }

    #[test]
    fn guessing_is_the_best_that_equal_scores_can_do() {
        for loss in [Loss::CrossEntropy, Loss::SquaredHinge] {
            let of = |score: f32| {
                let (mut targets, mut d) = ([0.0; 10], [0.0; 10]);
                targets[3] = 1.0;
                f64::from(loss.of_row(&[score; 10], &targets, 1.0, &mut d))
            };
            let lowest = (-20..=20).map(|tenth| of(0.1 * tenth as f32)).fold(f64::INFINITY, f64::min);
            assert!((lowest - loss.of_guessing(10)).abs() < 1e-6, "{loss:?}: {lowest}");
        }
    }
}
