//! Pictures that are given, and sheets of pictures as files.

use std::path::{Path, PathBuf};

use allcnn::atomic_file::{expect_folder, write_atomically_with};
use allcnn::data::{Ignored, Pictures, pictures};
use allcnn::shown::{PathText, escaped};
use allcnn::visualise::Method;
use allcnn::visualise::render::{PAGE_HEIGHT, PAGE_WIDTH, Sheet};
use anyhow::{Context, bail};

use crate::args::{MethodChoice, Telling};
use crate::failure::WrongUsage;
use crate::progress::Progress;

/// The pictures that are given, by themselves or by their folders, of which there must be some; what else lies in the
/// folders is told.
pub fn given(paths: &[PathBuf], telling: Telling) -> anyhow::Result<Vec<PathBuf>> {
    let Pictures { files, ignored } = pictures(paths)?;
    for ignored in Ignored::by_reason(&ignored) {
        Progress::of(telling).note(&escaped(&ignored.to_string()));
    }
    match paths.first() {
        Some(path) if files.is_empty() => {
            bail!("no pictures in {}: expected JPEG, PNG and the like", path.shown())
        }
        _ => Ok(files),
    }
}

/// Refuses, before anything is done, a file that cannot be written: a name that says another kind, a folder that is not
/// there.
pub fn check_out(flag: &str, path: &Path, kind: &str) -> anyhow::Result<()> {
    check_name(flag, path, kind)?;
    expect_folder(path).with_context(|| format!("cannot write {}", path.shown()))
}

/// Refuses a name that says another kind of file.
pub fn check_name(flag: &str, path: &Path, kind: &str) -> Result<(), WrongUsage> {
    if path.extension().is_some_and(|found| found.eq_ignore_ascii_case(kind)) {
        return Ok(());
    }
    Err(WrongUsage(format!("{flag} {}: expected a name that ends in .{kind}", path.shown())))
}

/// The files of a sheet that was written.
#[derive(Debug)]
pub struct Pages(Vec<Page>);

#[derive(Debug)]
struct Page {
    path: PathBuf,
    tiles: usize,
}

impl Pages {
    /// The files.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.0.iter().map(|page| page.path.as_path())
    }

    /// The file that shows a tile, counted over all rows.
    pub fn of_tile(&self, tile: usize) -> String {
        let mut end = 0;
        let page = self.0.iter().find(|page| {
            end += page.tiles;
            tile < end
        });
        page.map_or_else(String::new, |page| page.path.text())
    }

    /// Where the pictures are, for people.
    pub fn words(&self) -> String {
        match self.0.as_slice() {
            [] => String::new(),
            [only] => format!("picture  {}\n", only.path.shown()),
            [first, .., last] => format!(
                "pictures {} to {}: {} pages of at most {PAGE_WIDTH}x{PAGE_HEIGHT} pixels\n",
                first.path.shown(),
                last.path.shown(),
                self.0.len()
            ),
        }
    }
}

/// Writes the sheet to NAME.png, and what is too much for a page to NAME-2.png, NAME-3.png, ...: each file is whole or not
/// there.
pub fn write(path: &Path, sheet: Sheet) -> anyhow::Result<Pages> {
    let mut pages = vec![];
    for (place, sheet) in sheet.into_pages().into_iter().enumerate() {
        let path = page_path(path, place + 1);
        write_atomically_with(&path, |file| sheet.write_png(file))
            .with_context(|| format!("cannot write the picture {}", path.shown()))?;
        pages.push(Page { path, tiles: sheet.rows.iter().map(|row| row.tiles.len()).sum() });
    }
    Ok(Pages(pages))
}

/// The file of a page, counted from 1.
fn page_path(path: &Path, page: usize) -> PathBuf {
    if page == 1 {
        return path.into();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{page}."));
    name.push(path.extension().unwrap_or_default());
    path.with_file_name(name)
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
