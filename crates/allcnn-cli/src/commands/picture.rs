//! Sheets of pictures as files.

use std::path::Path;

use allcnn::atomic_file::write_atomically_with;
use allcnn::shown::PathText;
use allcnn::visualise::Method;
use allcnn::visualise::render::Sheet;
use anyhow::Context;

use crate::args::MethodChoice;
use crate::failure::WrongUsage;

/// Refuses, before anything is done, a name that says another kind of file.
pub fn check_name(flag: &str, path: &Path, kind: &str) -> Result<(), WrongUsage> {
    if path.extension().is_some_and(|found| found.eq_ignore_ascii_case(kind)) {
        return Ok(());
    }
    Err(WrongUsage(format!("{flag} {}: expected a name that ends in .{kind}", path.shown())))
}

/// Writes the sheet: the file is whole or not there.
pub fn write(path: &Path, sheet: &Sheet) -> anyhow::Result<()> {
    write_atomically_with(path, |file| sheet.write_png(file))
        .with_context(|| format!("cannot write the picture {}", path.shown()))
}

/// The methods of a choice.
pub fn methods(choice: MethodChoice) -> Vec<Method> {
    match choice {
        MethodChoice::Guided => vec![Method::Guided],
        MethodChoice::Backprop => vec![Method::Backprop],
        MethodChoice::Deconvnet => vec![Method::Deconvnet],
        MethodChoice::All => Method::ALL.to_vec(),
    }
}
