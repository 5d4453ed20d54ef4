//! An array of pictures: how its pixels lie, and the same pixels as `[images, height, width, 3]`.
use crate::dataset::Images;
use crate::formats::npy::Head;
use crate::framing::Framing;
use crate::picture::{Picture, check_size};
use rayon::prelude::*;
use std::io::{self, Read};

/// Bytes of pictures that are read before they are reordered and resized, on all threads.
const BLOCK: usize = 16 << 20;

/// How the pixels of an array lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    pub channels_first: bool,
    /// Whether the first index runs fastest.
    fortran: bool,
}

impl Layout {
    /// The layout of an array with this head; the error says what is wrong and what to do.
    pub(super) fn of(head: &Head) -> Result<Layout, String> {
        let values = &head.values;
        if (values.kind, values.size) != ('u', 1) {
            let name = values.name();
            return Err(match values.kind {
                'O' => format!(
                    "its values are {name}, which are never unpacked: save it as an array of uint8, np.stack(images)"
                ),
                'f' => format!(
                    "its values are {name}, expected uint8: where they go from 0 to 1, save (255 * x).round().astype(\"uint8\")"
                ),
                'b' => format!("its values are {name}, expected uint8: save 255 * x.astype(\"uint8\")"),
                _ => format!("its values are {name}, expected uint8 from 0 to 255: save x.astype(\"uint8\")"),
            });
        }
        let shape = &head.shape;
        let first = |channels: usize| matches!(channels, 1 | 3);
        let (images, height, width, channels, channels_first) = match **shape {
            [n, h, w] => (n, h, w, 1, false),
            [_, a, _, b] if first(a) && first(b) => {
                return Err(format!(
                    "its shape {shape:?} may have the channels first or last: save it as [images, height, width, 3]"
                ));
            }
            [n, h, w, c] if first(c) => (n, h, w, c, false),
            [n, c, h, w] if first(c) => (n, h, w, c, true),
            [_, _, _, 4] => {
                return Err(format!(
                    "its shape {shape:?} has four channels, expected grey or red, green and blue: save x[..., :3]"
                ));
            }
            _ => {
                return Err(format!(
                    "its shape is {shape:?}, expected [images, height, width], [images, height, width, 1] or [images, height, width, 3]: reshape it"
                ));
            }
        };
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        if height == 0 || width == 0 {
            return Err(format!("its shape is {shape:?}: its pictures have no pixels"));
        }
        check_size(side(width), side(height)).map_err(|what| format!("its pictures of {what}"))?;
        Ok(Layout { images, height, width, channels, channels_first, fortran: head.fortran })
    }

    /// Height, width and channels of its pictures.
    pub(super) fn picture(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Bytes of one picture in the array.
    fn bytes(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Reads all pixels and adds them to `images`, in their size and framing where these change anything.
    pub(super) fn read(
        &self,
        reader: &mut impl Read,
        framing: Framing,
        images: &mut Images,
        done: &mut dyn FnMut(usize),
    ) -> io::Result<()> {
        let same = framing.keeps([self.height, self.width], [images.height, images.width]);
        if self.fortran {
            let start = images.pixels.len();
            let mut own = Vec::new();
            let pixels = if same { &mut images.pixels } else { &mut own };
            let (before, bytes) = (if same { start } else { 0 }, self.images * self.height * self.width * 3);
            pixels.try_reserve(bytes)?;
            pixels.resize(before + bytes, 0);
            self.scatter(reader, &mut pixels[before..])?;
            if !same {
                self.frame(&own, framing, images)?;
            }
            done(self.images);
            return Ok(());
        }
        let most = (BLOCK / self.bytes()).max(1);
        let mut left = self.images;
        while left > 0 {
            let count = left.min(most);
            let mut block = vec![0; count * self.bytes()];
            reader.read_exact(&mut block)?;
            let block = self.in_order(block);
            match same {
                true => images.pixels.extend_from_slice(&block),
                false => self.frame(&block, framing, images)?,
            }
            left -= count;
            done(count);
        }
        Ok(())
    }

    /// The pictures of a block as `[height, width, 3]`.
    fn in_order(&self, block: Vec<u8>) -> Vec<u8> {
        let plane = self.height * self.width;
        match (self.channels, self.channels_first) {
            (1, _) => block.iter().flat_map(|&grey| [grey; 3]).collect(),
            (_, false) => block,
            (_, true) => {
                let pictures = block.chunks_exact(3 * plane);
                pictures
                    .flat_map(|planes| {
                        (0..plane)
                            .flat_map(move |at| [planes[at], planes[plane + at], planes[2 * plane + at]])
                    })
                    .collect()
            }
        }
    }

    /// Reads values whose first index, that of the picture, varies fastest, to their positions in `pixels`.
    fn scatter(&self, reader: &mut impl Read, pixels: &mut [u8]) -> io::Result<()> {
        let (height, width, channels) = (self.height, self.width, self.channels);
        let mut row = vec![0; self.images];
        for at in 0..self.bytes() {
            // Behind the picture, the index that comes first in the shape runs fastest.
            let (y, x, channel) = match self.channels_first {
                true => (at / channels % height, at / (channels * height), at % channels),
                false => (at % height, at / height % width, at / (height * width)),
            };
            reader.read_exact(&mut row)?;
            let offset = (y * width + x) * 3 + channel;
            let copies = if channels == 1 { 3 } else { 1 };
            for (picture, &value) in pixels.chunks_exact_mut(height * width * 3).zip(&row) {
                picture[offset..offset + copies].fill(value);
            }
        }
        Ok(())
    }

    /// Adds pictures to images that are framed.
    fn frame(&self, pixels: &[u8], framing: Framing, images: &mut Images) -> io::Result<()> {
        let (height, width) = (images.height, images.width);
        let frame = |pixels: &[u8]| {
            let picture = Picture { height: self.height, width: self.width, pixels: pixels.to_vec() };
            framing.apply(picture, height, width).map_err(io::Error::other)
        };
        let framed: io::Result<Vec<Picture>> =
            pixels.par_chunks_exact(self.height * self.width * 3).map(frame).collect();
        framed?.iter().for_each(|picture| images.pixels.extend_from_slice(&picture.pixels));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::npy::Values;

    fn head(shape: &[usize], fortran: bool) -> Head {
        let values = Values { kind: 'u', size: 1, big_endian: false };
        Head { values, fortran, shape: shape.to_vec(), len: 0 }
    }

    /// The value at an index, another one for each.
    fn value(image: usize, y: usize, x: usize, channel: usize) -> u8 {
        (image * 64 + y * 16 + x * 4 + channel) as u8
    }

    #[test]
    fn pixels_in_any_order_become_the_same_pictures() {
        let (n, h, w) = (3, 2, 4);
        for channels in [1, 3] {
            let expected: Vec<u8> = (0..n * h * w)
                .flat_map(|at| [0, 1, 2].map(|c| value(at / (h * w), at / w % h, at % w, c % channels)))
                .collect();
            for channels_first in [false, true] {
                let shape = if channels_first { vec![n, channels, h, w] } else { vec![n, h, w, channels] };
                for fortran in [false, true] {
                    let mut bytes = vec![0; n * h * w * channels];
                    for (at, byte) in bytes.iter_mut().enumerate() {
                        let (mut rest, mut index) = (at, [0; 4]);
                        let axes: Vec<usize> =
                            if fortran { (0..4).collect() } else { (0..4).rev().collect() };
                        for axis in axes {
                            index[axis] = rest % shape[axis];
                            rest /= shape[axis];
                        }
                        let [i, a, b, c] = index;
                        *byte = if channels_first { value(i, b, c, a) } else { value(i, a, b, c) };
                    }
                    let layout = Layout::of(&head(&shape, fortran)).unwrap();
                    let mut images = Images::new(h, w);
                    layout.read(&mut bytes.as_slice(), Framing::Whole, &mut images, &mut |_| {}).unwrap();
                    assert_eq!(images.pixels, expected, "{shape:?} {fortran}");
                    let mut small = Images::new(1, 2);
                    layout.read(&mut bytes.as_slice(), Framing::Whole, &mut small, &mut |_| {}).unwrap();
                    let one = Picture { height: h, width: w, pixels: expected[..h * w * 3].to_vec() };
                    assert_eq!(small.pixels[..6], Framing::Whole.apply(one, 1, 2).unwrap().pixels);
                    let cut = layout.read(&mut &bytes[1..], Framing::Whole, &mut images, &mut |_| {});
                    assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
                }
            }
        }
    }

    #[test]
    fn shapes_that_are_no_pictures_are_refused() {
        let error = |shape: &[usize]| Layout::of(&head(shape, false)).unwrap_err();
        assert!(error(&[10, 784]).contains("[10, 784], expected [images, height, width]"));
        assert!(error(&[10, 3, 8, 3]).contains("first or last"));
        assert!(error(&[10, 8, 8, 4]).contains("four channels"));
        assert!(error(&[10, 8, 0]).contains("no pixels"));
        assert!(error(&[10, 100_000, 100_000]).contains("100000x100000 pixels are too many"));
        assert!(error(&[]).contains("[]") && error(&[1, 2, 3, 4, 5]).contains("reshape"));
    }
}
