//! Images as runs of positions.
//!
//! A plane of `width` columns lies with `pitch` positions a row; the positions between the rows are zeros, as are whole
//! rows above and below, so that the tap (row, column) of any position is the one `row * pitch + column` further on.

use super::super::geometry::{Grid, PhaseTap};

/// Images are not put together to fewer chunks than this, for the threads' sake.
const FEWEST: usize = 8;

/// The first and the last row (or column) that taps see, counted from their position's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub first: isize,
    pub last: isize,
}

impl Reach {
    fn new(grids: &[Grid], axis: fn(PhaseTap) -> isize) -> Self {
        let taps =
            || grids.iter().flat_map(|grid| grid.taps.iter().map(|tap| axis(tap.in_phase(grid.source_step))));
        Self { first: taps().min().unwrap_or(0), last: taps().max().unwrap_or(0) }
    }

    /// Zeros that are seen before the first of `size` source pixels.
    fn before(self) -> usize {
        usize::try_from(-self.first).unwrap_or(0)
    }

    /// `size` source pixels with the zeros that `pixels` positions see before or after them; those between two rows (or
    /// images) serve both.
    fn spaced(self, size: usize, pixels: usize) -> usize {
        let after = usize::try_from(pixels as isize + self.last - size as isize).unwrap_or(0);
        (size + self.before().max(after)).max(pixels)
    }
}

/// How planes of a source lie for the taps of some grids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Positions of a row.
    pub pitch: usize,
    /// Zeros before the first row.
    pub lead: usize,
    pub rows: Reach,
    pub columns: Reach,
    /// Rows from an image's first one to the next image's.
    image_rows: usize,
}

impl Layout {
    /// The layout of planes of (at most) `height` x `width` pixels.
    pub(super) fn new(grids: &[Grid], height: usize, width: usize) -> Self {
        let largest = |of: fn(&Grid) -> usize| grids.iter().map(of).max().unwrap_or(0);
        let (rows, columns) = (Reach::new(grids, |tap| tap.row), Reach::new(grids, |tap| tap.column));
        Self {
            pitch: columns.spaced(width, largest(|grid| grid.width)),
            lead: columns.before(),
            rows,
            columns,
            image_rows: rows.spaced(height, largest(|grid| grid.height)),
        }
    }

    /// Rows that the taps reach beyond one row.
    pub(super) fn halo(&self) -> usize {
        (self.rows.last - self.rows.first) as usize
    }

    /// The position that a tap of the first position sees.
    pub(super) fn position(&self, tap: PhaseTap) -> usize {
        let row = (tap.row - self.rows.first) as usize;
        ((row * self.pitch + self.lead) as isize + tap.column) as usize
    }
}

/// How images are cut into chunks: bands of rows of one image, or whole images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    batch: usize,
    height: usize,
    /// Most images and rows of a chunk, and bands of an image.
    pub images: usize,
    pub rows: usize,
    bands: usize,
}

/// Rows `first_row..first_row + rows` of some images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub first_image: usize,
    pub images: usize,
    pub first_row: usize,
    pub rows: usize,
}

/// Rows of images as lines of positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    pub first_image: usize,
    pub images: usize,
    pub first_row: isize,
    /// Rows of an image; those from `rows` on are zeros.
    pub image_rows: usize,
    pub rows: usize,
    /// Positions of a line; those past an image's width are zeros.
    pub pitch: usize,
}

impl Chunk {
    /// The chunk's own lines, `image_rows` of each image.
    pub(super) fn lines(&self, layout: &Layout, image_rows: usize) -> Lines {
        let Self { first_image, images, first_row, rows } = *self;
        Lines { first_image, images, first_row: first_row as isize, image_rows, rows, pitch: layout.pitch }
    }

    /// The lines that taps see from the chunk, `image_rows` of each image.
    pub(super) fn source_lines(&self, layout: &Layout, image_rows: usize) -> Lines {
        let first_row = self.first_row as isize + layout.rows.first;
        Lines { first_row, rows: image_rows, ..self.lines(layout, image_rows) }
    }
}

impl Chunks {
    /// Chunks of about `positions` positions, of images `height` rows high.
    pub(super) fn new(layout: &Layout, batch: usize, height: usize, positions: usize) -> Self {
        let rows = (positions / layout.pitch).clamp(1, height);
        let rows = height.div_ceil(height.div_ceil(rows));
        let bands = height.div_ceil(rows);
        let image = layout.image_rows * layout.pitch;
        let images = if bands == 1 { (positions / image).clamp(1, batch.div_ceil(FEWEST)) } else { 1 };
        Self { batch, height, images, rows, bands }
    }

    /// Cuts the images into at least `chunks` chunks, as far as they have rows.
    pub(super) fn at_least(self, chunks: usize) -> Self {
        if self.count() >= chunks {
            return self;
        }
        let rows = self.height.div_ceil(chunks.div_ceil(self.batch).clamp(1, self.height));
        Self { images: 1, rows, bands: self.height.div_ceil(rows), ..self }
    }

    /// Rows from an image's first one to the next image's, in a packed chunk.
    pub(super) fn image_rows(&self, layout: &Layout) -> usize {
        if self.bands == 1 { layout.image_rows } else { self.rows + layout.halo() }
    }

    /// Rows of a packed chunk.
    pub(super) fn source_rows(&self, layout: &Layout) -> usize {
        (self.images - 1) * self.image_rows(layout) + self.rows + layout.halo()
    }

    /// Number of chunks.
    pub(super) fn count(&self) -> usize {
        self.batch.div_ceil(self.images) * self.bands
    }

    /// Chunk `at`.
    pub(super) fn get(&self, at: usize) -> Chunk {
        let (first_image, first_row) = (at / self.bands * self.images, at % self.bands * self.rows);
        Chunk {
            first_image,
            images: self.images.min(self.batch - first_image),
            first_row,
            rows: self.rows.min(self.height - first_row),
        }
    }

    /// All of them.
    pub(super) fn iter(self) -> impl Iterator<Item = Chunk> {
        (0..self.count()).map(move |at| self.get(at))
    }
}
