//! The command `allcnn`, as the wheel has it.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the program with these arguments, its name first, and returns its exit code.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| allcnn_cli::run(&arguments)).0
}
