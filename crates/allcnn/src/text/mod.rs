//! Text for people: names and paths as they may be shown, dates, the mistakes in a TOML file.

pub(crate) mod csv_text;
pub(crate) mod date;
pub mod shown;
pub(crate) mod toml_text;
