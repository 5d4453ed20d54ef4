//! The suite that every device must pass: each operation over one list of cases, compared with [`crate::Reference`]
//! and, for the gradients, with finite differences of the device's own forward pass.
//!
//! ```
//! let report = allcnn_device::conformance::Suite::within(10_000).run(&allcnn_device::Reference);
//! assert!(report.failures().is_empty(), "{}", report.failures().join("\n"));
//! ```

mod arena;
pub mod cases;
mod conv;
mod linked;
mod other;

use std::fmt;

use crate::{Device, Reference};
use arena::{Arena, Results};

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
    /// What the error takes of its tolerance. Above 1, or not a number: it failed.
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
    /// One entry a comparison.
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

    fn compare(&mut self, name: String, actual: &[f32], expected: &[f32], tolerance: f64) {
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

/// The cases with what the reference makes of them.
#[derive(Debug)]
pub struct Suite {
    expected: Results,
    most_multiply_adds: usize,
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

impl Suite {
    /// Runs the reference, once for any number of devices.
    pub fn new() -> Self {
        Self::within(usize::MAX)
    }

    /// The same without convolutions of more than so many multiply-adds, for machines on which they take long.
    pub fn within(most_multiply_adds: usize) -> Self {
        Self { expected: results(&Reference, most_multiply_adds), most_multiply_adds }
    }

    /// Runs every case on a device.
    ///
    /// # Panics
    /// When the device refuses a case or has no memory for it.
    pub fn run<D: Device>(&self, device: &D) -> Report {
        self.run_within(device, conv::TOLERANCE)
    }

    /// The same with another tolerance for convolutions: that of a lower precision.
    ///
    /// # Panics
    /// As [`Suite::run`].
    pub fn run_within<D: Device>(&self, device: &D, tolerance: f64) -> Report {
        let actual = results(device, self.most_multiply_adds);
        let mut report = Report::default();
        for (actual, expected) in actual.compared.into_iter().zip(&self.expected.compared) {
            assert_eq!(actual.name, expected.name, "a case and what is expected of it");
            report.compare(actual.name, &actual.values, &expected.values, expected.tolerance);
        }
        report.outcomes.extend(actual.differences);
        for outcome in report.outcomes.iter_mut().filter(|outcome| outcome.name.starts_with("conv ")) {
            outcome.tolerance *= tolerance / conv::TOLERANCE;
        }
        report
    }
}

/// What a device makes of every case, but for convolutions of more multiply-adds.
fn results<D: Device>(device: &D, most_multiply_adds: usize) -> Results {
    let arena = Arena { device };
    let mut results = Results::default();
    let convolutions = cases::convolutions().into_iter();
    for case in convolutions.filter(|case| case.shape.multiply_adds() <= most_multiply_adds) {
        conv::run(&arena, &case, &mut results);
    }
    for case in cases::neighbors() {
        linked::run(&arena, &case, &mut results);
    }
    for case in cases::poolings() {
        other::pool(&arena, &case, &mut results);
    }
    for shape in cases::normalizations() {
        other::lrn(&arena, shape, &mut results);
    }
    other::copies(&arena, &mut results);
    other::gathering(&arena, &mut results);
    other::activations(&arena, &mut results);
    other::dropout(&arena, &mut results);
    other::head(&arena, &mut results);
    other::sgd(&arena, &mut results);
    results
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
