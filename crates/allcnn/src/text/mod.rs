//! Text for users: names and paths made safe to display, dates, errors in TOML files.

pub(crate) mod csv_text;
pub mod date;
pub mod shown;
pub(crate) mod toml_text;
