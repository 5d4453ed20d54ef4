//! `report.html`: the result of a run as one page that needs nothing else, to read, keep or send.
//!
//! The page has no script and refers to nothing outside itself; pictures are PNG in `data:` addresses. It reads
//! finished results and knows nothing of how they were made.

mod confusion;
mod contents;
pub(crate) mod curves;
pub(crate) mod dots;
mod error;
mod gather;
pub(crate) mod html;
mod near;
mod pictures;
mod run_page;
mod suspects;
#[cfg(test)]
mod tests;

pub use contents::{Filters, Gallery, MAX_MISTAKES, Mistake, Report};
pub use error::Error;
pub use gather::{ReportError, write_report};
pub use near::write_near;
pub use run_page::write;
pub use suspects::write_suspects;
