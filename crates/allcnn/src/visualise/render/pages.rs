//! Writing a sheet as files, one per page.

use std::io;
use std::path::{Path, PathBuf};

use super::sheet::{PAGE_HEIGHT, PAGE_WIDTH, Sheet};
use crate::atomic_file::write_atomically_with;
use crate::text::shown::PathText;

/// A page cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the picture {path}: {source}", path = .path.shown())]
pub struct PageError {
    path: PathBuf,
    source: io::Error,
}

/// The files of a written sheet.
#[derive(Debug)]
pub struct Pages(Vec<Page>);

#[derive(Debug)]
struct Page {
    path: PathBuf,
    tiles: usize,
}

impl Sheet {
    /// Writes the sheet to `NAME.png` and further pages to `NAME-2.png`, `NAME-3.png`, ..., each atomically.
    ///
    /// # Errors
    /// [`PageError`] with the file that cannot be written.
    pub fn write_pages(self, path: &Path) -> Result<Pages, PageError> {
        let mut pages = vec![];
        for (index, sheet) in self.into_pages().into_iter().enumerate() {
            let path = page_path(path, index + 1);
            let written = write_atomically_with(&path, |file| sheet.write_png(file));
            written.map_err(|source| PageError { path: path.clone(), source })?;
            pages.push(Page { path, tiles: sheet.rows.iter().map(|row| row.tiles.len()).sum() });
        }
        Ok(Pages(pages))
    }
}

impl Pages {
    /// The paths of the files.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.0.iter().map(|page| page.path.as_path())
    }

    /// The file that shows a tile; `tile` counts over all rows.
    pub fn of_tile(&self, tile: usize) -> String {
        let mut end = 0;
        let page = self.0.iter().find(|page| {
            end += page.tiles;
            tile < end
        });
        page.map_or_else(String::new, |page| page.path.text())
    }

    /// Describes where the pictures are.
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

/// The path of a page, counted from 1.
fn page_path(path: &Path, page: usize) -> PathBuf {
    if page == 1 {
        return path.into();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{page}."));
    name.push(path.extension().unwrap_or_default());
    path.with_file_name(name)
}
