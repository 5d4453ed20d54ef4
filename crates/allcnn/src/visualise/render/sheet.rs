//! Sheets: rows of captioned pictures under a title, written as PNG row by row, so that memory does not grow with
//! length.

use std::io::{self, Write};

use png::{BitDepth, ColorType, Compression, Encoder};

use super::canvas::{Canvas, Font, Rgb};
use crate::data::decode::Picture;

const INK: Rgb = [28, 33, 39];
const MUTED: Rgb = [95, 104, 113];
/// The margin around the sheet.
const MARGIN: usize = 20;
/// The space between tiles.
const GAP: usize = 14;
/// The space between a picture and its caption.
const CAPTION_GAP: usize = 5;
/// The space between lines of text.
const LEADING: usize = 2;

/// The maximum width of a page in pixels, unless the tiles of one block are wider.
pub const PAGE_WIDTH: usize = 2200;
/// The maximum height of a page in pixels, unless one row is higher.
pub const PAGE_HEIGHT: usize = 3300;

/// How many tiles of a width fit side by side on a page; at least one.
pub fn tiles_beside(width: usize) -> usize {
    ((PAGE_WIDTH - 2 * MARGIN + GAP) / (width + GAP)).max(1)
}

/// A picture with a caption below, its first line in bold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// The picture.
    pub picture: Picture,
    /// The lines of the caption.
    pub caption: Vec<String>,
}

/// Tiles side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SheetRow {
    /// The heading above them; empty for none.
    pub heading: String,
    /// The tiles, from left to right.
    pub tiles: Vec<Tile>,
}

impl SheetRow {
    /// A row without heading.
    pub fn of(tiles: impl IntoIterator<Item = Tile>) -> Self {
        Self { heading: String::new(), tiles: tiles.into_iter().collect() }
    }
}

/// Rows of captioned pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The title; empty for none.
    pub title: String,
    /// The line below the title; empty for none.
    pub subtitle: String,
    /// Heading lines of each column; may be fewer than the columns, or none.
    pub columns: Vec<Vec<String>>,
    /// The rows, from top to bottom.
    pub rows: Vec<SheetRow>,
    /// Pictures are enlarged by an integer factor until their longer side has at least this many pixels.
    pub tile_side: usize,
}

impl Default for Sheet {
    /// An empty sheet with tiles wide enough for captions.
    fn default() -> Self {
        Self { title: String::new(), subtitle: String::new(), columns: vec![], rows: vec![], tile_side: 192 }
    }
}

impl Sheet {
    /// Writes the sheet as a PNG file.
    ///
    /// # Errors
    /// I/O errors of `out`; an empty sheet, or one with more pixels than PNG allows.
    pub fn write_png(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_page(out, 1)
    }

    /// Writes the sheet as a PNG file; one that is a further page has a [mark](page_mark).
    pub(super) fn write_page(&self, out: &mut dyn Write, page: usize) -> io::Result<()> {
        let layout = Layout::new(self);
        let side = |length: usize| u32::try_from(length).map_err(io::Error::other);
        let mut encoder = Encoder::new(out, side(layout.width)?, side(layout.height(self))?);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Fast);
        if page > 1 {
            encoder.add_text_chunk(MARK.into(), page_mark(page))?;
        }
        let mut writer = encoder.write_header()?;
        let mut stream = writer.stream_writer()?;
        stream.write_all(layout.head(self).pixels())?;
        for row in &self.rows {
            stream.write_all(layout.row(self, row).pixels())?;
        }
        stream.write_all(Canvas::new(MARGIN, layout.width).pixels())?;
        stream.finish()?;
        Ok(writer.finish()?)
    }

    /// Arranges these blocks of tiles: one per row if all fit on a page, otherwise as many side by side as
    /// necessary, up to the page width. The sheet's columns are those of a block.
    pub fn with_blocks(self, blocks: Vec<Vec<Tile>>) -> Self {
        let sheet = Self { rows: blocks.into_iter().map(SheetRow::of).collect(), ..self };
        let layout = Layout::new(&sheet);
        let block = layout.columns.iter().map(|(_, width)| width + GAP).sum::<usize>();
        let highest = sheet.rows.iter().map(|row| layout.row_height(&sheet, row)).max().unwrap_or(1);
        let below = (layout.room(&sheet) / highest).max(1);
        let beside = sheet.rows.len().div_ceil(below).clamp(1, tiles_beside(block.saturating_sub(GAP)));
        let columns = std::iter::repeat_n(sheet.columns, beside).flatten().collect();
        let mut blocks = sheet.rows.into_iter().map(|row| row.tiles);
        let mut rows = vec![];
        while blocks.len() > 0 {
            rows.push(SheetRow::of(blocks.by_ref().take(beside).flatten()));
        }
        Self { columns, rows, ..sheet }
    }

    /// Splits the sheet into pages no higher than [`PAGE_HEIGHT`], unless a single row is.
    pub fn into_pages(mut self) -> Vec<Self> {
        let layout = Layout::new(&self);
        let (room, mut used) = (layout.room(&self), 0);
        let mut pages: Vec<Vec<SheetRow>> = vec![vec![]];
        for row in std::mem::take(&mut self.rows) {
            let height = layout.row_height(&self, &row);
            if used > 0 && used + height > room {
                pages.push(vec![]);
                used = 0;
            }
            used += height;
            if let Some(page) = pages.last_mut() {
                page.push(row);
            }
        }
        let count = pages.len();
        let page = |(index, rows)| {
            let number = if count > 1 { format!(", page {} of {count}", index + 1) } else { String::new() };
            Self { title: format!("{}{number}", self.title), rows, ..self.clone() }
        };
        pages.into_iter().enumerate().map(page).collect()
    }

    /// The enlargement factor of a picture.
    fn factor(&self, picture: &Picture) -> usize {
        self.tile_side.div_ceil(picture.height.max(picture.width).max(1)).max(1)
    }
}

/// The keyword of the text chunk by which a further page is recognised.
pub(super) const MARK: &str = "Software";

/// The text of that chunk, with the page's number.
pub(super) fn page_mark(page: usize) -> String {
    format!("allcnn, page {page}")
}

/// The horizontal layout of the columns.
struct Layout {
    /// Left edge and width of each column.
    columns: Vec<(usize, usize)>,
    width: usize,
}

impl Layout {
    fn new(sheet: &Sheet) -> Self {
        let count = sheet.rows.iter().map(|row| row.tiles.len()).max().unwrap_or(0);
        let mut left = MARGIN;
        let columns: Vec<(usize, usize)> = (0..count)
            .map(|column| {
                let tiles = sheet.rows.iter().filter_map(|row| row.tiles.get(column));
                let width =
                    tiles.map(|tile| sheet.factor(&tile.picture) * tile.picture.width).max().unwrap_or(0);
                let column = (left, width);
                left += width + GAP;
                column
            })
            .collect();
        let tiles = left - GAP.min(left - MARGIN) + MARGIN;
        let headings = sheet.rows.iter().map(|row| Font::STRONG.width(&row.heading)).max().unwrap_or(0);
        let text = Font::TITLE.width(&sheet.title).max(Font::PLAIN.width(&sheet.subtitle)).max(headings);
        Self { columns, width: tiles.max(text + 2 * MARGIN) }
    }

    fn height(&self, sheet: &Sheet) -> usize {
        let rows = sheet.rows.iter().map(|row| self.row_height(sheet, row)).sum::<usize>();
        self.head_height(sheet) + rows + MARGIN
    }

    /// The height available for the rows of a page.
    fn room(&self, sheet: &Sheet) -> usize {
        PAGE_HEIGHT.saturating_sub(self.head_height(sheet) + MARGIN)
    }

    fn head_height(&self, sheet: &Sheet) -> usize {
        let title = if sheet.title.is_empty() { 0 } else { Font::TITLE.line() + LEADING };
        let subtitle = if sheet.subtitle.is_empty() { 0 } else { Font::PLAIN.line() + LEADING };
        let lines = sheet.columns.iter().map(Vec::len).max().unwrap_or(0);
        let gap = if lines > 0 && title + subtitle > 0 { GAP } else { 0 };
        let columns = lines * (Font::STRONG.line() + LEADING);
        MARGIN + title + subtitle + gap + columns
    }

    /// Draws title and column headings, the latter aligned to the bottom.
    fn head(&self, sheet: &Sheet) -> Canvas {
        let height = self.head_height(sheet);
        let mut canvas = Canvas::new(height, self.width);
        let mut top = MARGIN;
        if !sheet.title.is_empty() {
            canvas.text(&sheet.title, Font::TITLE, INK, top, MARGIN);
            top += Font::TITLE.line() + LEADING;
        }
        canvas.text(&sheet.subtitle, Font::PLAIN, MUTED, top, MARGIN);
        for (heading, &(left, width)) in sheet.columns.iter().zip(&self.columns) {
            let top = height - heading.len() * (Font::STRONG.line() + LEADING);
            lines(&mut canvas, heading, top, left, width);
        }
        canvas
    }

    fn row_height(&self, sheet: &Sheet, row: &SheetRow) -> usize {
        let heading = if row.heading.is_empty() { 0 } else { Font::STRONG.line() + LEADING };
        let (pictures, captions) = self.parts(sheet, row);
        CAPTION_GAP + heading + pictures + captions + GAP
    }

    /// The heights of a row's pictures and of its captions.
    fn parts(&self, sheet: &Sheet, row: &SheetRow) -> (usize, usize) {
        let pictures = row.tiles.iter().map(|tile| sheet.factor(&tile.picture) * tile.picture.height);
        let lines = row.tiles.iter().map(|tile| tile.caption.len()).max().unwrap_or(0);
        let captions = if lines == 0 { 0 } else { CAPTION_GAP + lines * (Font::PLAIN.line() + LEADING) };
        (pictures.max().unwrap_or(0), captions)
    }

    fn row(&self, sheet: &Sheet, row: &SheetRow) -> Canvas {
        let mut canvas = Canvas::new(self.row_height(sheet, row), self.width);
        let mut top = CAPTION_GAP;
        if !row.heading.is_empty() {
            canvas.text(&row.heading, Font::STRONG, INK, top, MARGIN);
            top += Font::STRONG.line() + LEADING;
        }
        let (pictures, _) = self.parts(sheet, row);
        for (tile, &(left, width)) in row.tiles.iter().zip(&self.columns) {
            canvas.picture(&tile.picture, sheet.factor(&tile.picture), top, left);
            lines(&mut canvas, &tile.caption, top + pictures + CAPTION_GAP, left, width);
        }
        canvas
    }
}

/// Draws lines of text, the first in bold.
fn lines(canvas: &mut Canvas, lines: &[String], top: usize, left: usize, width: usize) {
    for (index, line) in lines.iter().enumerate() {
        let (font, color) = if index == 0 { (Font::STRONG, INK) } else { (Font::PLAIN, MUTED) };
        let top = top + index * (font.line() + LEADING);
        canvas.text(&font.clipped(line, width), font, color, top, left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Width, height and pixels of a PNG.
    fn read(file: &[u8]) -> (usize, usize, Vec<u8>) {
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width as usize, info.height as usize, pixels)
    }

    fn tile(value: u8, side: usize, caption: &[&str]) -> Tile {
        let picture = Picture { height: side, width: side, pixels: vec![value; side * side * 3] };
        Tile { picture, caption: caption.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn every_picture_is_on_the_sheet_enlarged_and_where_it_belongs() {
        let rows = vec![
            SheetRow::of([tile(10, 32, &["cat", "97 %"]), tile(20, 100, &[])]),
            SheetRow { heading: "second".into(), tiles: vec![tile(30, 224, &["dog"])] },
        ];
        let columns = vec![vec!["image".into()], vec!["map".into(), "of it".into()]];
        let sheet = Sheet { title: "title".into(), columns, rows, ..Sheet::default() };
        let mut file = Vec::new();
        sheet.write_png(&mut file).unwrap();
        let (width, height, pixels) = read(&file);
        assert_eq!(width, MARGIN + 224 + GAP + 200 + MARGIN);
        let count = |value: u8| pixels.chunks_exact(3).filter(|pixel| **pixel == [value; 3]).count();
        assert_eq!([10, 20, 30].map(count), [192 * 192, 200 * 200, 224 * 224]);
        let first = |value: u8| pixels.chunks_exact(3).position(|pixel| pixel == [value; 3]).unwrap();
        assert_eq!((first(10) % width, first(20) % width), (MARGIN, MARGIN + 224 + GAP));
        assert_eq!(first(10) / width, first(20) / width);
        assert!(first(30) / width > first(20) / width + 200);
        assert!(height > 200 + 224);
    }

    /// The numbers of tiles in the rows of each page.
    fn arranged(blocks: usize, tiles: usize, side: usize) -> Vec<Vec<usize>> {
        let columns = (0..tiles).map(|column| vec![format!("column {column}")]).collect();
        let sheet = Sheet { title: "title".into(), columns, ..Sheet::default() };
        let blocks = (0..blocks).map(|block| vec![tile(block as u8, side, &["a", "b"]); tiles]).collect();
        let pages = sheet.with_blocks(blocks).into_pages();
        let mut seen = Vec::new();
        for page in &pages {
            let layout = Layout::new(page);
            assert!(layout.height(page) <= PAGE_HEIGHT || page.rows.len() == 1);
            assert!(layout.width <= PAGE_WIDTH || page.rows[0].tiles.len() == tiles);
            assert_eq!(page.columns.len() % tiles, 0);
            assert!(page.rows[0].tiles.len() <= page.columns.len());
            seen.extend(page.rows.iter().flat_map(|row| row.tiles.iter().step_by(tiles)));
        }
        let order: Vec<u8> = seen.iter().map(|tile| tile.picture.pixels[0]).collect();
        assert!(order.iter().copied().eq(0..order.len() as u8), "each block once and in order: {order:?}");
        assert!(pages.len() == 1 || pages[1].title == format!("title, page 2 of {}", pages.len()));
        pages.iter().map(|page| page.rows.iter().map(|row| row.tiles.len()).collect()).collect()
    }

    #[test]
    fn few_blocks_stand_below_each_other_more_beside_and_many_on_pages() {
        assert_eq!(arranged(3, 2, 32), [[2, 2, 2]]);
        assert_eq!(arranged(23, 2, 32), [[vec![4; 11], vec![2]].concat()]);
        let pages = arranged(200, 2, 32);
        assert!(pages.len() > 1 && pages[0].iter().all(|&tiles| tiles == 10), "{pages:?}");
        assert_eq!(pages.concat().iter().sum::<usize>(), 400);
        assert_eq!(arranged(2, 7, 400), [[7, 7]], "a wide block stands alone");
        assert_eq!(arranged(2, 1, 4000), [[1], [1]], "and so does a high one");
    }

    #[test]
    fn a_sheet_may_be_empty_and_a_long_title_widens_it() {
        let mut file = Vec::new();
        Sheet::default().write_png(&mut file).unwrap();
        assert_eq!(read(&file).0, 2 * MARGIN);
        let sheet = Sheet {
            title: "a title of some length".into(),
            rows: vec![SheetRow::of([tile(1, 4, &[])])],
            tile_side: 8,
            ..Sheet::default()
        };
        file.clear();
        sheet.write_png(&mut file).unwrap();
        assert_eq!(read(&file).0, Font::TITLE.width(&sheet.title) + 2 * MARGIN);
    }
}
