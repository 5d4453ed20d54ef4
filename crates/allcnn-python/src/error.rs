//! Failures as exceptions of Python.

use std::fmt::Display;

use allcnn_cli::binding::Failure;
use pyo3::PyErr;
use pyo3::exceptions::{PyRuntimeError, PyValueError};

/// Something that the caller could have given otherwise.
pub(crate) fn mistake(error: impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Something that is wrong with the machine, or with the program.
pub(crate) fn failure(error: impl Display) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// The failure of a command.
pub(crate) fn of_command(error: &Failure) -> PyErr {
    if error.is_mistake { mistake(error) } else { failure(error) }
}
