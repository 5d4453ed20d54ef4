//! Images as one run of positions.
//!
//! A plane of `width` columns lies with `pitch` positions a row; the positions between the rows are zeros, as are whole
//! rows above and below, so that the tap (row, column) of any position is the one `row * pitch + column` further on.

use allcnn_device::ConvShape;

use super::super::pass::Direction;
use super::source::Lines;

/// Images are not put together to fewer chunks than this, for the threads' sake.
const FEWEST: usize = 8;

/// One tap of a kernel: which weights, which phase of the source, and how many of the phase's rows and columns further on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub ky: usize,
    pub kx: usize,
    /// The phase's first row and column.
    pub phase: [usize; 2],
    pub row: isize,
    pub column: isize,
}

/// Destination pixels that see the same taps: rows `row`, `row + step`, ... and columns alike.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub row: usize,
    pub column: usize,
    pub step: usize,
    pub height: usize,
    pub width: usize,
    pub taps: Vec<Tap>,
}

impl Grid {
    fn new(place: [usize; 2], step: usize, size: [usize; 2], taps: Vec<Tap>) -> Self {
        let [height, width] = [0, 1].map(|axis| (size[axis] - place[axis]).div_ceil(step));
        Self { row: place[0], column: place[1], step, height, width, taps }
    }
}

/// The grids of a pass.
pub(super) fn grids(shape: &ConvShape, direction: Direction) -> Vec<Grid> {
    match direction {
        Direction::Forward => vec![forward(shape)],
        Direction::Backward => backward(shape),
    }
}

/// A pass over patches: one tap, whose pixel is the whole window.
pub(super) fn patches(shape: &ConvShape) -> Vec<Grid> {
    let output = shape.output();
    let tap = Tap { ky: 0, kx: 0, phase: [0, 0], row: 0, column: 0 };
    vec![Grid::new([0, 0], 1, [output.height, output.width], vec![tap])]
}

/// Output row o sees input row o * stride + k - padding: row o + q of phase r, with k - padding = q * stride + r.
fn forward(shape: &ConvShape) -> Grid {
    let stride = shape.stride as isize;
    let split = |k: usize| {
        let distance = k as isize - shape.padding as isize;
        (distance.div_euclid(stride), distance.rem_euclid(stride) as usize)
    };
    let taps = kernel(shape).map(|(ky, kx)| {
        let ((row, y), (column, x)) = (split(ky), split(kx));
        Tap { ky, kx, phase: [y, x], row, column }
    });
    let output = shape.output();
    Grid::new([0, 0], 1, [output.height, output.width], taps.collect())
}

/// Input row i gets output row o through k where i + padding = o * stride + k: for i = phase + stride * q,
/// o = q + (phase + padding - k) / stride where that is whole.
fn backward(shape: &ConvShape) -> Vec<Grid> {
    let stride = shape.stride as isize;
    let offset = |phase: usize, k: usize| {
        let distance = (phase + shape.padding) as isize - k as isize;
        (distance.rem_euclid(stride) == 0).then_some(distance.div_euclid(stride))
    };
    let (rows, columns) = (shape.stride.min(shape.input.height), shape.stride.min(shape.input.width));
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| [row, column]));
    let grid = |place: [usize; 2]| {
        let taps = kernel(shape).filter_map(|(ky, kx)| {
            let (row, column) = (offset(place[0], ky)?, offset(place[1], kx)?);
            Some(Tap { ky, kx, phase: [0, 0], row, column })
        });
        Grid::new(place, shape.stride, [shape.input.height, shape.input.width], taps.collect())
    };
    places.map(grid).collect()
}

fn kernel(shape: &ConvShape) -> impl Iterator<Item = (usize, usize)> + use<> {
    let kernel = shape.kernel;
    (0..kernel * kernel).map(move |at| (at / kernel, at % kernel))
}

/// How planes of a source lie for a list of taps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Positions of a row.
    pub pitch: usize,
    /// Zeros before the first row.
    pub lead: usize,
    /// The taps' first and last row.
    pub rows: [isize; 2],
    /// The taps' first and last column.
    pub columns: [isize; 2],
    /// Rows from an image's first one to the next image's: those of zeros serve the image above and the one below.
    image_rows: usize,
}

impl Layout {
    /// The layout of planes of (at most) `[height, width]` under the taps of all grids.
    pub(super) fn new(grids: &[Grid], [height, width]: [usize; 2]) -> Self {
        let range = |of: fn(&Tap) -> isize| {
            let taps = || grids.iter().flat_map(|grid| &grid.taps).map(of);
            [taps().min().unwrap_or(0), taps().max().unwrap_or(0)]
        };
        let largest = |of: fn(&Grid) -> usize| grids.iter().map(of).max().unwrap_or(0);
        let (rows, columns) = (range(|tap| tap.row), range(|tap| tap.column));
        let before = |taps: [isize; 2]| usize::try_from(-taps[0]).unwrap_or(0);
        // Lines and columns of an image with the zeros that its pixels see.
        let spaced = |size: usize, pixels: usize, taps: [isize; 2]| {
            let after = usize::try_from(pixels as isize + taps[1] - size as isize).unwrap_or(0);
            (size + before(taps).max(after)).max(pixels)
        };
        Self {
            pitch: spaced(width, largest(|grid| grid.width), columns),
            lead: before(columns),
            rows,
            columns,
            image_rows: spaced(height, largest(|grid| grid.height), rows),
        }
    }

    /// Rows that the taps reach beyond one row.
    pub(super) fn halo(&self) -> usize {
        (self.rows[1] - self.rows[0]) as usize
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

impl Chunk {
    /// The lines of the chunk from `first_row` on, `image_rows` of each image, of which `rows` hold pixels.
    pub(super) fn lines(&self, pitch: usize, first_row: isize, image_rows: usize, rows: usize) -> Lines {
        Lines { first_image: self.first_image, images: self.images, first_row, image_rows, rows, pitch }
    }

    /// The lines that taps of `layout` see from the chunk.
    pub(super) fn source_lines(&self, layout: &Layout, image_rows: usize) -> Lines {
        self.lines(layout.pitch, self.first_row as isize + layout.rows[0], image_rows, image_rows)
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

    /// The same images in at least so many chunks, as far as they have rows.
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

    /// How many there are.
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
}

/// Walks over the positions of images whose rows begin every `pitch` positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// The image; before the first one, a number that no image has.
    pub image: usize,
    pub row: isize,
    pub column: usize,
    pitch: usize,
    first_row: isize,
    last_row: isize,
}

impl Walk {
    /// At `position`, counted from the start of row `first_row` of image 0. Every image has `image_rows` rows from
    /// that one on; without a number there is one image, and rows above and below belong to it.
    #[inline(always)]
    pub(super) fn new(pitch: usize, first_row: isize, image_rows: Option<usize>, position: isize) -> Self {
        let (line, column) = (position.div_euclid(pitch as isize), position.rem_euclid(pitch as isize));
        let (image, row, last_row) = match image_rows.map(|rows| rows as isize) {
            Some(rows) => (line.div_euclid(rows), first_row + line.rem_euclid(rows), first_row + rows - 1),
            None => (0, first_row + line, isize::MAX),
        };
        Self { image: image as usize, row, column: column as usize, pitch, first_row, last_row }
    }

    /// The next position.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        self.column += 1;
        if self.column == self.pitch {
            self.column = 0;
            if self.row == self.last_row {
                self.row = self.first_row;
                self.image = self.image.wrapping_add(1);
            } else {
                self.row += 1;
            }
        }
    }
}
