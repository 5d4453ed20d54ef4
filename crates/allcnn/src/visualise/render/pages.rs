//! Writing a sheet as files, one per page.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::sheet::{MARK, PAGE_HEIGHT, PAGE_WIDTH, Sheet, page_mark};
use crate::atomic_file::write_atomically_with;
use crate::data::open_file;
use crate::text::shown::{PathText, first_of};

/// A page cannot be written, or one of an earlier sheet cannot be removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {source}", path = .path.shown())]
pub struct PageError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The files of a written sheet.
#[derive(Debug)]
pub struct Pages {
    pages: Vec<Page>,
    removed: Vec<PathBuf>,
}

#[derive(Debug)]
struct Page {
    path: PathBuf,
    tiles: usize,
}

impl Sheet {
    /// Writes the sheet to `NAME.png` and further pages to `NAME-2.png`, `NAME-3.png`, ..., each atomically. Then
    /// removes the pages that an earlier, longer sheet of that name left: files with such names and higher numbers
    /// that bear a page's mark. Other files stay.
    ///
    /// # Errors
    /// [`PageError`] with the file that cannot be written or removed.
    pub fn write_pages(self, path: &Path) -> Result<Pages, PageError> {
        let mut pages = vec![];
        for (index, sheet) in self.into_pages().into_iter().enumerate() {
            let path = page_path(path, index + 1);
            let written = write_atomically_with(&path, |file| sheet.write_page(file, index + 1));
            written.map_err(|source| PageError { what: "write the picture", path: path.clone(), source })?;
            pages.push(Page { path, tiles: sheet.rows.iter().map(|row| row.tiles.len()).sum() });
        }
        let removed = pages_after(path, pages.len());
        for path in &removed {
            let removed = fs::remove_file(path);
            let what = "remove the page of an earlier sheet";
            removed.map_err(|source| PageError { what, path: path.clone(), source })?;
        }
        Ok(Pages { pages, removed })
    }
}

/// The files named and marked as pages of the sheet at `path` whose numbers are above `last`, in their order.
fn pages_after(path: &Path, last: usize) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(files) = fs::read_dir(folder.unwrap_or(Path::new("."))) else { return vec![] };
    let stem = [path.file_stem().unwrap_or_default().as_encoded_bytes(), b"-"].concat();
    let number = |name: &OsStr| {
        let name = Path::new(name);
        let digits = name.file_stem()?.as_encoded_bytes().strip_prefix(stem.as_slice())?;
        let page: usize = str::from_utf8(digits).ok()?.parse().ok()?;
        let is_page = page > last && page_path(path, page).file_name() == Some(name.as_os_str());
        is_page.then_some(page)
    };
    let mut found: Vec<usize> = files.flatten().filter_map(|file| number(&file.file_name())).collect();
    found.sort_unstable();
    found
        .into_iter()
        .map(|page| (page, page_path(path, page)))
        .filter(is_marked)
        .map(|(_, path)| path)
        .collect()
}

/// Whether a file bears the mark of that page.
fn is_marked((page, path): &(usize, PathBuf)) -> bool {
    let Ok(file) = open_file::read(path, open_file::PICTURE) else { return false };
    let Ok(reader) = png::Decoder::new(io::Cursor::new(file)).read_info() else { return false };
    let texts = &reader.info().uncompressed_latin1_text;
    texts.iter().any(|text| text.keyword == MARK && text.text == page_mark(*page))
}

impl Pages {
    /// The paths of the files.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.pages.iter().map(|page| page.path.as_path())
    }

    /// Describes the pages of an earlier sheet that were removed, if any.
    pub fn removed_words(&self) -> Option<String> {
        let removed: Vec<String> = self.removed.iter().map(|path| path.shown().to_string()).collect();
        let pages = if removed.len() == 1 { "a page" } else { "pages" };
        (!removed.is_empty()).then(|| {
            format!("removed {}, {pages} of an earlier, longer sheet of that name", first_of(&removed))
        })
    }

    /// The file that shows a tile; `tile` counts over all rows.
    pub fn of_tile(&self, tile: usize) -> String {
        let mut end = 0;
        let page = self.pages.iter().find(|page| {
            end += page.tiles;
            tile < end
        });
        page.map_or_else(String::new, |page| page.path.text())
    }

    /// Describes where the pictures are.
    pub fn words(&self) -> String {
        match self.pages.as_slice() {
            [] => String::new(),
            [only] => format!("picture  {}\n", only.path.shown()),
            [first, .., last] => format!(
                "pictures {} to {}: {} pages of at most {PAGE_WIDTH}x{PAGE_HEIGHT} pixels\n",
                first.path.shown(),
                last.path.shown(),
                self.pages.len()
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
