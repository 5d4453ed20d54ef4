//! Training as the command does it, with the global interpreter lock released.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use allcnn::train::End;
use pyo3::prelude::*;

use crate::error;

/// How often Python's signals are looked at.
const SIGNALS: Duration = Duration::from_millis(100);

/// Trains as `allcnn train` with these flags does; returns the run folder, and whether the training reached its end. Ctrl-C
/// saves it and raises `KeyboardInterrupt`.
#[pyfunction]
pub(crate) fn train(py: Python<'_>, flags: Vec<OsString>) -> PyResult<(PathBuf, bool)> {
    let stop = AtomicBool::new(false);
    let (ended, interrupt) = thread::scope(|scope| {
        let training = scope.spawn(|| allcnn_cli::binding::train(&flags, &stop));
        let mut interrupt = None;
        while !training.is_finished() {
            py.detach(|| thread::sleep(SIGNALS));
            if interrupt.is_none()
                && let Err(raised) = py.check_signals()
            {
                stop.store(true, Ordering::Relaxed);
                interrupt = Some(raised);
            }
        }
        (training.join(), interrupt)
    });
    if let Some(interrupt) = interrupt {
        return Err(interrupt);
    }
    let finished = ended.map_err(|_| error::failure("the training failed with an internal error"))?;
    let finished = finished.map_err(|failure| error::of_command(&failure))?;
    Ok((finished.run.path().to_owned(), finished.outcome.end == End::Finished))
}
