//! The native part of the Python module `allcnn`. What concerns Python alone, such as labels of any kind and the conventions
//! of scikit-learn, is written in Python, in `python/allcnn`.
#![allow(missing_docs)] // the documentation is in the type stubs

mod command;
mod devices;
mod error;
mod layers;
mod run;
mod training;

use pyo3::prelude::*;

#[pymodule(gil_used = true)]
mod _allcnn {
    #[pymodule_export]
    use super::command::command;
    #[pymodule_export]
    use super::run::Run;
    #[pymodule_export]
    use super::training::train;

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
