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
mod drop_connect;
mod edge_pad;
mod learned_norm;
mod linked;
mod other;
mod report;

use crate::{Device, Reference};
use arena::{Arena, Results};
pub use report::{Outcome, Report};

/// The cases with the reference's results.
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

    /// The suite without convolutions of more than `most_multiply_adds`, for machines on which they take long.
    pub fn within(most_multiply_adds: usize) -> Self {
        Self { expected: results(&Reference, most_multiply_adds), most_multiply_adds }
    }

    /// Compares every case on a device with the reference.
    ///
    /// # Panics
    /// When the device refuses a case or has no memory for it.
    pub fn run<D: Device>(&self, device: &D) -> Report {
        self.run_within(device, conv::TOLERANCE)
    }

    /// [`Suite::run`] with another tolerance for convolutions: that of a lower precision, as a share of the largest
    /// expected value.
    ///
    /// # Panics
    /// When the device refuses a case or has no memory for it.
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

/// A device's results in every case, without convolutions of more than `most_multiply_adds`.
fn results<D: Device>(device: &D, most_multiply_adds: usize) -> Results {
    let arena = Arena { device };
    let mut results = Results::default();
    let convolutions = cases::convolutions().into_iter();
    for case in convolutions.filter(|case| case.shape.multiply_adds() <= most_multiply_adds) {
        conv::compare(&arena, &case, &mut results);
    }
    for case in cases::neighbors() {
        linked::compare(&arena, &case, &mut results);
    }
    for case in cases::poolings() {
        other::pool(&arena, &case, &mut results);
    }
    for case in cases::learned_norms() {
        learned_norm::compare(&arena, &case, &mut results);
    }
    for shape in cases::normalizations() {
        other::lrn(&arena, shape, &mut results);
    }
    for shape in cases::competitions() {
        other::lwta(&arena, shape, &mut results);
    }
    for shape in cases::dense() {
        drop_connect::compare(&arena, shape, &mut results);
    }
    drop_connect::windows(&arena, &mut results);
    for pad in edge_pad::cases() {
        edge_pad::compare(&arena, pad, &mut results);
    }
    other::copies(&arena, &mut results);
    other::sums(&arena, &mut results);
    other::gathering(&arena, &mut results);
    other::activations(&arena, &mut results);
    other::dropout(&arena, &mut results);
    other::head(&arena, &mut results);
    other::sgd(&arena, &mut results);
    other::draw_to_means(&arena, &mut results);
    results
}
