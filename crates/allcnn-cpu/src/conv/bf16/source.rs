//! What stands at the positions of a source.

use allcnn_device::{ConvShape, Shape};

use super::super::pass::Direction;
use super::super::patches::{self, Patches};
use super::run::{self, Grid};
use crate::simd::Simd;
use crate::stored::Stored;

/// The source of a pass, seen as pixels of `size`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    shape: ConvShape,
    /// The pixels as a pass sees them; the window of a picture counts as one pixel of many channels.
    pub size: Shape,
    /// Copies whole windows instead of going tap by tap.
    pub is_patches: bool,
    /// Step between the rows of a phase.
    pub step: usize,
}

impl Source {
    /// The source of a pass and the grids of its destination.
    pub(super) fn new(shape: ConvShape, direction: Direction) -> (Self, Vec<Grid>) {
        if direction == Direction::Forward && patches::pay(&shape) {
            let channels = shape.kernel * shape.kernel * shape.input.channels;
            let size = Shape { channels, ..shape.output() };
            return (Self { shape, size, is_patches: true, step: 1 }, run::patches(&shape));
        }
        let (size, step) = match direction {
            Direction::Forward => (shape.input, shape.stride),
            Direction::Backward => (shape.output(), 1),
        };
        (Self { shape, size, is_patches: false, step }, run::grids(&shape, direction))
    }

    /// Height and width of the largest phase.
    pub(super) fn phase_size(&self) -> [usize; 2] {
        [self.size.height, self.size.width].map(|size| size.div_ceil(self.step))
    }

    /// Number of phases.
    pub(super) fn phases(&self) -> usize {
        self.step * self.step
    }

    /// The number of a tap's phase.
    pub(super) fn phase(&self, phase: [usize; 2]) -> usize {
        phase[0] * self.step + phase[1]
    }

    /// Room for a window, where the source is copied by windows.
    #[inline(always)]
    pub(super) fn room(&self) -> Option<Patches> {
        self.is_patches.then(Patches::new)
    }

    /// The pixels of a phase over some rows of images, line after line, `lead` zeros first.
    #[inline(always)]
    pub(super) fn pixels<'a>(
        &self,
        values: Stored<'a>,
        phase: usize,
        lines: Lines,
        lead: usize,
    ) -> Pixels<'a> {
        let windows = self.is_patches.then_some(self.shape);
        Pixels::new(
            values,
            self.size,
            windows,
            self.step,
            [phase / self.step, phase % self.step],
            lines,
            lead,
        )
    }
}

/// Which rows of which images, and how long a line is.
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

/// The most channels that a pixel may have.
pub(super) const MOST_CHANNELS: usize = 8192;
static NOTHING: [f32; MOST_CHANNELS] = [0.0; MOST_CHANNELS];

/// The values at one position after the other: all channels of a pixel in their form, or as many zeros.
pub(super) struct Pixels<'a> {
    words: &'a [f32],
    /// Words of a pixel.
    pixel_words: usize,
    size: Shape,
    windows: Option<ConvShape>,
    step: usize,
    phase: [usize; 2],
    lines: Lines,
    /// The line: image (of `lines`) and row.
    image: usize,
    row: usize,
    /// Pixels left in the line and where the next one is, then zeros.
    left: usize,
    place: usize,
    zeros: usize,
}

impl<'a> Pixels<'a> {
    /// Every `step`-th row and column of images of `size`, from `phase` on.
    #[inline(always)]
    pub(super) fn new(
        values: Stored<'a>,
        size: Shape,
        windows: Option<ConvShape>,
        step: usize,
        phase: [usize; 2],
        lines: Lines,
        lead: usize,
    ) -> Self {
        let (words, pixel_words) = (values.words(), values.storage().words(size.channels));
        Self {
            words,
            pixel_words,
            size,
            windows,
            step,
            phase,
            lines,
            image: 0,
            row: 0,
            left: 0,
            place: 0,
            zeros: lead,
        }
    }

    /// The next position's values; `room` is for a window, see [`Source::room`]. All channels can be read from there.
    #[inline(always)]
    pub(super) fn next<S: Simd>(&mut self, simd: S, room: &mut Option<Patches>) -> *const f32 {
        while self.left == 0 && self.zeros == 0 {
            self.next_line();
        }
        if self.left == 0 {
            self.zeros -= 1;
            return NOTHING.as_ptr();
        }
        self.left -= 1;
        let place = self.place;
        self.place += self.step;
        if let (Some(shape), Some(room)) = (&self.windows, room) {
            let at = |at: usize| (at * shape.stride) as isize - shape.padding as isize;
            let (line, column) = (place / self.size.width, place % self.size.width);
            let (image, row) = (line / self.size.height, line % self.size.height);
            room.write(simd, 0, self.words, shape, (image, [at(row), at(column)]), 0);
            return room.values().as_ptr();
        }
        self.words[place * self.pixel_words..][..self.pixel_words].as_ptr()
    }

    /// Begins the next line; past the last image there are zeros for ever.
    #[inline(always)]
    fn next_line(&mut self) {
        let Lines { first_image, images, first_row, image_rows, rows, pitch } = self.lines;
        self.zeros = pitch;
        if self.image == images {
            return;
        }
        let row = (first_row + self.row as isize) * self.step as isize + self.phase[0] as isize;
        if self.row < rows && row >= 0 && (row as usize) < self.size.height {
            self.left = (self.size.width.saturating_sub(self.phase[1])).div_ceil(self.step);
            self.zeros = pitch - self.left;
            let line = (first_image + self.image) * self.size.height + row as usize;
            self.place = line * self.size.width + self.phase[1];
        }
        self.row += 1;
        if self.row == image_rows {
            (self.image, self.row) = (self.image + 1, 0);
        }
    }
}
