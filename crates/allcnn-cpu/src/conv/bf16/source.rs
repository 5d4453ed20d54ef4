//! What a pass sees at the positions of its source.

use allcnn_device::{ConvShape, Shape};

use super::super::geometry::{Grid, Tap};
use super::super::pass::Direction;
use super::super::patches::{self, Patches, Window};
use super::runs::Lines;
use crate::simd::Simd;
use crate::stored::Stored;

/// Images as a pass sees them: their pixels, or whole windows as pixels of many channels, in phases.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceView {
    /// The size of the images seen.
    pub size: Shape,
    /// The convolution whose windows are seen.
    windows: Option<ConvShape>,
    /// Rows (and columns) from one of a phase to the next.
    step: usize,
}

impl SourceView {
    /// The pixels of images of `size` themselves.
    pub(super) fn plain(size: Shape) -> Self {
        Self { size, windows: None, step: 1 }
    }

    /// The source of a pass and the grids of its destination.
    pub(super) fn new(shape: ConvShape, direction: Direction) -> (Self, Vec<Grid>) {
        if direction == Direction::Forward && patches::pay(&shape) {
            let channels = shape.kernel * shape.kernel * shape.input.channels;
            let size = Shape { channels, ..shape.output() };
            // The whole window is one pixel under one tap.
            let grid = Grid::dense(size, 1, vec![Tap::default()]);
            return (Self { windows: Some(shape), ..Self::plain(size) }, vec![grid]);
        }
        let (size, step) = match direction {
            Direction::Forward => (shape.input, shape.stride),
            Direction::Backward => (shape.output(), 1),
        };
        (Self { step, ..Self::plain(size) }, Grid::all(&shape, direction))
    }

    /// Whether whole windows are copied, so that a pixel has the channels of all taps.
    pub(super) fn is_windows(&self) -> bool {
        self.windows.is_some()
    }

    /// Height of the largest phase.
    pub(super) fn phase_height(&self) -> usize {
        self.size.height.div_ceil(self.step)
    }

    /// Width of the largest phase.
    pub(super) fn phase_width(&self) -> usize {
        self.size.width.div_ceil(self.step)
    }

    /// Number of phases.
    pub(super) fn phases(&self) -> usize {
        self.step * self.step
    }

    /// The number of the phase that begins at a row and column.
    pub(super) fn phase(&self, [row, column]: [usize; 2]) -> usize {
        row * self.step + column
    }

    /// A buffer for a window, where windows are copied.
    #[inline(always)]
    pub(super) fn window_buffer(&self) -> Option<Patches> {
        self.is_windows().then(Patches::new)
    }

    /// The values of a phase over some lines, `lead` zeros first.
    #[inline(always)]
    pub(super) fn positions<'a>(
        &self,
        values: Stored<'a>,
        phase: usize,
        lines: Lines,
        lead: usize,
    ) -> Positions<'a> {
        Positions {
            words: values.words(),
            pixel_words: values.storage().words(self.size.channels),
            source: *self,
            first_row: phase / self.step,
            first_column: phase % self.step,
            lines,
            image: 0,
            row: 0,
            left: 0,
            pixel: 0,
            zeros: lead,
        }
    }
}

/// The most channels that a pixel may have.
pub(super) const MOST_CHANNELS: usize = 8192;
/// The values of a position that is no pixel.
static NOTHING: [f32; MOST_CHANNELS] = [0.0; MOST_CHANNELS];

/// The values at one position after the other: all channels of a pixel as they are stored, or as many zeros.
pub(super) struct Positions<'a> {
    words: &'a [f32],
    pixel_words: usize,
    source: SourceView,
    /// The phase's first row and column.
    first_row: usize,
    first_column: usize,
    lines: Lines,
    /// The next line: image (of `lines`) and row.
    image: usize,
    row: usize,
    /// Pixels left in the line and the next one of them, then zeros.
    left: usize,
    pixel: usize,
    zeros: usize,
}

impl Positions<'_> {
    /// The next position's values; `window` is the source's [`SourceView::window_buffer`]. All channels can be read there.
    #[inline(always)]
    pub(super) fn next<S: Simd>(&mut self, simd: S, window: &mut Option<Patches>) -> *const f32 {
        while self.left == 0 && self.zeros == 0 {
            self.next_line();
        }
        if self.left == 0 {
            self.zeros -= 1;
            return NOTHING.as_ptr();
        }
        self.left -= 1;
        let pixel = self.pixel;
        self.pixel += self.source.step;
        if let (Some(shape), Some(buffer)) = (&self.source.windows, window) {
            buffer.write(simd, 0, self.words, shape, Window::of(shape, self.source.size, pixel), 0);
            return buffer.values().as_ptr();
        }
        self.words[pixel * self.pixel_words..][..self.pixel_words].as_ptr()
    }

    /// Begins the next line; past the last image there are zeros for ever.
    #[inline(always)]
    fn next_line(&mut self) {
        let Lines { first_image, images, first_row, image_rows, rows, pitch } = self.lines;
        let SourceView { size, step, .. } = self.source;
        self.zeros = pitch;
        if self.image == images {
            return;
        }
        let row = (first_row + self.row as isize) * step as isize + self.first_row as isize;
        if self.row < rows && row >= 0 && (row as usize) < size.height {
            self.left = (size.width.saturating_sub(self.first_column)).div_ceil(step);
            self.zeros = pitch - self.left;
            let line = (first_image + self.image) * size.height + row as usize;
            self.pixel = line * size.width + self.first_column;
        }
        self.row += 1;
        if self.row == image_rows {
            (self.image, self.row) = (self.image + 1, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products::plain::for_each_isa;
    use crate::simd::Kernel;

    /// The values of `count` positions.
    struct Read<'a> {
        positions: Positions<'a>,
        source: SourceView,
        count: usize,
    }

    impl Kernel for Read<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(mut self, simd: S) -> Vec<f32> {
            let mut window = self.source.window_buffer();
            let mut values = Vec::new();
            for _ in 0..self.count {
                let first = self.positions.next(simd, &mut window);
                // SAFETY: every position has the values of all channels.
                values.extend_from_slice(unsafe {
                    std::slice::from_raw_parts(first, self.source.size.channels)
                });
            }
            values
        }
    }

    #[test]
    fn the_positions_of_a_picture_are_its_windows() {
        let input = Shape { batch: 2, height: 6, width: 9, channels: 3 };
        let shape = ConvShape { input, out_channels: 1, kernel: 3, stride: 2, padding: 2, groups: 1 };
        let values: Vec<f32> = (0..input.len()).map(|at| at as f32 + 1.0).collect();
        let (source, _) = SourceView::new(shape, Direction::Forward);
        let output = shape.output();
        let (height, width) = (output.height, output.width);
        let pitch = width + 2;
        let lines =
            Lines { first_image: 0, images: 2, first_row: 0, image_rows: height, rows: height, pitch };
        let mut expected = vec![0.0; 27];
        for (line, column) in (0..2 * height).flat_map(|line| (0..pitch).map(move |column| (line, column))) {
            let (image, row) = (line / height, line % height);
            for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                let [y, x] = [row * 2 + ky, column * 2 + kx].map(|at| at.wrapping_sub(2));
                let is_inside = column < width && y < input.height && x < input.width;
                let first = if is_inside { ((image * input.height + y) * input.width + x) * 3 } else { 0 };
                expected.extend((first..first + 3).map(|at| if is_inside { values[at] } else { 0.0 }));
            }
        }
        // Past the last image there are zeros.
        expected.extend([0.0; 2 * 27]);
        for_each_isa(|isa| {
            let positions = source.positions(Stored::F32(&values), 0, lines, 1);
            let read = isa.run(Read { positions, source, count: expected.len() / 27 });
            assert_eq!(read, expected, "{isa}");
        });
    }
}
