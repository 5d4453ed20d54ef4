//! The comparisons of a run of the suite.

use std::fmt;

/// What one operation did in one case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Case, operation and what was compared.
    pub name: String,
    /// Largest difference from what was expected, over the largest expected value.
    pub error: f64,
    /// The largest error allowed.
    pub tolerance: f64,
}

impl Outcome {
    /// The error as a share of its tolerance. Above 1, or NaN: it failed.
    pub fn share(&self) -> f64 {
        if self.error == 0.0 { 0.0 } else { self.error / self.tolerance }
    }

    fn failed(&self) -> bool {
        self.share().is_nan() || self.share() > 1.0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: error {:.2e}, allowed {:.0e}", self.name, self.error, self.tolerance)
    }
}

/// All outcomes of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry per comparison.
    pub outcomes: Vec<Outcome>,
    /// A digest of the bits of every result: equal for two runs that agree to the last bit.
    pub digest: u64,
}

impl Report {
    /// A line for each comparison that failed.
    pub fn failures(&self) -> Vec<String> {
        self.outcomes.iter().filter(|outcome| outcome.failed()).map(Outcome::to_string).collect()
    }

    /// The comparison that comes nearest to its tolerance, among those whose names begin with `operation`.
    pub fn worst(&self, operation: &str) -> Option<&Outcome> {
        let outcomes = self.outcomes.iter().filter(|outcome| outcome.name.starts_with(operation));
        outcomes.max_by(|a, b| a.share().total_cmp(&b.share()))
    }

    /// Adds the comparison of a result with what was expected.
    pub(super) fn compare(&mut self, name: String, actual: &[f32], expected: &[f32], tolerance: f64) {
        assert_eq!(actual.len(), expected.len(), "{name}");
        let largest = expected.iter().fold(f64::MIN_POSITIVE, |largest, &x| largest.max(f64::from(x).abs()));
        let pairs = actual.iter().zip(expected);
        // NaN must not vanish in a maximum.
        let error = pairs
            .map(|(&a, &e)| (f64::from(a) - f64::from(e)).abs() / largest)
            .fold(0.0, |worst, error| if error.is_nan() || error > worst { error } else { worst });
        for value in actual {
            self.digest = (self.digest ^ u64::from(value.to_bits())).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.outcomes.push(Outcome { name, error, tolerance });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[(&str, f64, f64)]) -> Report {
        let outcome =
            |&(name, error, tolerance): &(&str, f64, f64)| Outcome { name: name.into(), error, tolerance };
        Report { outcomes: outcomes.iter().map(outcome).collect(), digest: 0 }
    }

    #[test]
    fn the_worst_comparison_is_the_one_nearest_to_its_tolerance() {
        let passed = [("exact", 0.0, 0.0), ("near", 8e-6, 1e-5), ("coarse", 1e-3, 1e-2)];
        let worst = |outcomes: &[_]| report(outcomes).worst("").map(|worst| worst.name.clone());
        assert_eq!(worst(&passed).as_deref(), Some("near"));
        assert_eq!(report(&passed).worst("coa").map(|worst| worst.name.as_str()), Some("coarse"));
        assert_eq!(report(&passed).failures(), [""; 0]);
        for failure in [("exact", 1e-30, 0.0), ("over", 2e-5, 1e-5), ("NaN", f64::NAN, 1.0)] {
            let outcomes = [passed[0], passed[1], failure, passed[2]];
            assert_eq!(worst(&outcomes).as_deref(), Some(failure.0));
            assert_eq!(report(&outcomes).failures().len(), 1, "{failure:?}");
        }
    }
}
