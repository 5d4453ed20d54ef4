//! Results as self-contained HTML pages, such as a run's `report.html`.
//!
//! A page has no scripts and no external references; its pictures are PNG files in `data:` URLs. The pages show finished
//! results; only `gather` computes what is missing for a run's page.

mod class_table;
mod confusion;
mod contents;
pub(crate) mod curves;
pub(crate) mod dots;
mod error;
mod gather;
pub(crate) mod html;
mod near;
mod pictures;
mod reliability;
mod run_page;
mod suspects;
#[cfg(test)]
mod tests;

pub use contents::{Filters, Gallery, MAX_MISTAKES, MisclassifiedPicture, Report};
pub use error::WriteReportError;
pub use gather::{ReportError, write_report};
pub use near::write_near;
pub use run_page::write;
pub use suspects::write_suspects;
