//! A canvas for pictures and text. The font is Noto Sans Mono, pre-rasterized.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use crate::data::decode::Picture;

/// An RGB color.
pub(super) type Rgb = [u8; 3];

/// A size and weight of the font.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Font {
    weight: FontWeight,
    size: RasterHeight,
}

impl Font {
    /// For headings.
    pub(super) const TITLE: Self = Self { weight: FontWeight::Bold, size: RasterHeight::Size20 };
    /// For emphasis in captions.
    pub(super) const STRONG: Self = Self { weight: FontWeight::Bold, size: RasterHeight::Size16 };
    /// For captions.
    pub(super) const PLAIN: Self = Self { weight: FontWeight::Regular, size: RasterHeight::Size16 };

    /// The height of a line.
    pub(super) fn line(self) -> usize {
        self.size.val()
    }

    /// The width of `text`.
    pub(super) fn width(self, text: &str) -> usize {
        text.chars().count() * self.advance()
    }

    fn advance(self) -> usize {
        get_raster_width(self.weight, self.size)
    }

    /// Shortens `text` to `width` pixels if it is longer, by omitting its middle.
    pub(super) fn clipped(self, text: &str, width: usize) -> String {
        const GAP: &str = "..";
        let (most, letters) = (width / self.advance(), text.chars().collect::<Vec<_>>());
        if letters.len() <= most {
            return text.to_owned();
        }
        let kept = most.saturating_sub(GAP.len());
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        letters[..head]
            .iter()
            .copied()
            .chain(GAP.chars())
            .chain(letters[letters.len() - tail..].iter().copied())
            .take(most)
            .collect()
    }
}

/// An RGB image, initially white.
pub(super) struct Canvas {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A white canvas.
    pub(super) fn new(height: usize, width: usize) -> Self {
        Self { height, width, pixels: vec![255; height * width * 3] }
    }

    /// The pixels, `[height, width, 3]`.
    pub(super) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Draws a picture with its top left corner at (`top`, `left`), each pixel enlarged to `factor` x `factor`.
    pub(super) fn picture(&mut self, picture: &Picture, factor: usize, top: usize, left: usize) {
        for (row, pixels) in picture.pixels.chunks_exact(3 * picture.width).enumerate() {
            let enlarged: Vec<u8> = pixels
                .chunks_exact(3)
                .flat_map(|pixel| std::iter::repeat_n(pixel, factor).flatten())
                .copied()
                .collect();
            for row in row * factor..(row + 1) * factor {
                let start = 3 * ((top + row) * self.width + left);
                self.pixels[start..start + enlarged.len()].copy_from_slice(&enlarged);
            }
        }
    }

    /// Draws a line of text with its top left corner at (`top`, `left`), clipped to the canvas. Characters missing
    /// in the font become a replacement character.
    pub(super) fn text(&mut self, text: &str, font: Font, color: Rgb, top: usize, left: usize) {
        let glyphs = text.chars().filter_map(|letter| {
            let known = get_raster(letter, font.weight, font.size);
            known.or_else(|| get_raster('\u{fffd}', font.weight, font.size))
        });
        for (index, glyph) in glyphs.enumerate() {
            let left = left + index * font.advance();
            for (row, line) in glyph.rows().enumerate() {
                for (column, &ink) in line.iter().enumerate() {
                    self.blend(top + row, left + column, color, ink);
                }
            }
        }
    }

    fn blend(&mut self, row: usize, column: usize, color: Rgb, ink: u8) {
        if ink == 0 || row >= self.height || column >= self.width {
            return;
        }
        let start = 3 * (row * self.width + column);
        for (below, color) in self.pixels[start..start + 3].iter_mut().zip(color) {
            let (ink, rest) = (u32::from(ink), 255 - u32::from(ink));
            *below = ((u32::from(*below) * rest + u32::from(color) * ink + 127) / 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_grow_by_whole_blocks() {
        let mut canvas = Canvas::new(5, 5);
        let picture = Picture { height: 1, width: 2, pixels: vec![1, 2, 3, 4, 5, 6] };
        canvas.picture(&picture, 2, 1, 1);
        let row = |row: usize| &canvas.pixels()[row * 15..][..15];
        assert_eq!(row(1), [255, 255, 255, 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
        assert_eq!(row(2), row(1));
        assert_eq!((row(0), row(3)), ([255; 15].as_slice(), [255; 15].as_slice()));
    }

    #[test]
    fn text_leaves_ink_where_it_stands_and_nowhere_else() {
        let mut canvas = Canvas::new(40, 100);
        canvas.text("Aé猫", Font::PLAIN, [0; 3], 10, 20);
        let dark = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
            let pixels = rows.flat_map(|row| columns.clone().map(move |column| row * 100 + column));
            pixels.filter(|index| canvas.pixels()[index * 3] < 128).count()
        };
        let width = Font::PLAIN.width("A");
        for letter in 0..3 {
            let left = 20 + letter * width;
            assert!(dark(10..26, left..left + width) > 8, "letter {letter}");
        }
        assert_eq!(dark(0..10, 0..100) + dark(26..40, 0..100) + dark(0..40, 0..20), 0);
        canvas.text("cut off", Font::TITLE, [0; 3], 35, 95); // does not panic
    }

    #[test]
    fn long_text_loses_its_middle() {
        let width = |letters: usize| letters * Font::PLAIN.advance();
        assert_eq!(Font::PLAIN.clipped("photographs.jpg", width(9)), "phot..jpg");
        assert_eq!(Font::PLAIN.clipped("short", width(5)), "short");
        assert_eq!(Font::PLAIN.clipped("short", width(1)), ".");
    }
}
