//! JPEG files of four inks, CMYK or YCCK, some of them stored at a part of the size: their planes as libjpeg-turbo gives them
//! (`jdsample.c`, `jdcolor.c`), and the colors that PIL makes of inks (`Convert.c`).
use libjpeg_turbo_rs::{ColorSpace, RawImage};

/// How many times a plane is stretched, down and across.
pub(super) type Stretch = (usize, usize);

/// The pixels `[height, width, 3]` in RGB of four planes, each with the stretch that fills the picture.
pub(super) fn to_rgb(raw: &RawImage, stretches: &[Stretch; 4], space: ColorSpace) -> Vec<u8> {
    let (height, width) = (raw.height, raw.width);
    let planes: Vec<Vec<u8>> = stretches
        .iter()
        .enumerate()
        .map(|(at, &(down, across))| {
            let plane = Plane {
                values: &raw.planes[at],
                stride: raw.plane_widths[at],
                height: height.div_ceil(down),
                width: width.div_ceil(across),
            };
            plane.stretched((down, across), (height, width))
        })
        .collect();
    let mut pixels = Vec::with_capacity(height * width * 3);
    let samples = planes[0].iter().zip(&planes[1]).zip(planes[2].iter().zip(&planes[3]));
    for ((&a, &b), (&c, &black)) in samples {
        let inks = if space == ColorSpace::Ycck { inks_of([a, b, c]) } else { [a, b, c] };
        pixels.extend(inks.map(|ink| over_black(ink, black)));
    }
    pixels
}

/// What an ink leaves of the light that black leaves; files hold inks inverted, 255 for none.
fn over_black(ink: u8, black: u8) -> u8 {
    let product = u32::from(255 - ink) * u32::from(black) + 128;
    let taken = ((product >> 8) + product) >> 8; // product / 255, rounded
    black.saturating_sub(taken as u8)
}

/// Cyan, magenta and yellow of YCbCr, in libjpeg's fixed point.
fn inks_of([y, blue, red]: [u8; 3]) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let fixed = |number: f64| (number * 65536.0 + 0.5) as i32;
    let [y, blue, red] = [i32::from(y), i32::from(blue) - 128, i32::from(red) - 128];
    let colors = [
        y + ((fixed(1.402) * red + HALF) >> 16),
        y + ((-fixed(0.344_14) * blue - fixed(0.714_14) * red + HALF) >> 16),
        y + ((fixed(1.772) * blue + HALF) >> 16),
    ];
    colors.map(|color| (255 - color).clamp(0, 255) as u8)
}

/// A plane without what fills its last blocks.
struct Plane<'p> {
    values: &'p [u8],
    stride: usize,
    height: usize,
    width: usize,
}

impl Plane<'_> {
    fn row(&self, row: usize) -> &[u8] {
        &self.values[row * self.stride..][..self.width]
    }

    /// The plane at the picture's size: by a triangle filter where libjpeg has one, else by repeating values.
    fn stretched(&self, stretch: Stretch, (height, width): (usize, usize)) -> Vec<u8> {
        let (down, across) = stretch;
        let mut picture = Vec::with_capacity(height * width);
        for row in 0..height {
            let near = row / down;
            // The next nearest row, above or below, and how its values are rounded; at the edges it is the row itself.
            let above = row % down == 0;
            let far = if above { near.saturating_sub(1) } else { (near + 1).min(self.height - 1) };
            let (one, other) = (self.row(near), self.row(far));
            let line: Vec<u8> = match stretch {
                (1, 2) if self.width > 2 => across_by_two(one),
                (2, 2) if self.width > 2 => both_by_two(one, other),
                (2, 1) => {
                    let bias = if above { 1 } else { 2 };
                    let mixed = |(&a, &b): (&u8, &u8)| ((3 * u32::from(a) + u32::from(b) + bias) >> 2) as u8;
                    one.iter().zip(other).map(mixed).collect()
                }
                _ => (0..width).map(|column| one[column / across]).collect(),
            };
            picture.extend_from_slice(&line[..width]);
        }
        picture
    }
}

/// Twice as many columns: each new value is 3/4 of the nearer and 1/4 of the further one.
fn across_by_two(row: &[u8]) -> Vec<u8> {
    let last = row.len() - 1;
    let at = |column: usize| u32::from(row[column]);
    let pair = |column: usize| {
        let left = if column == 0 { at(0) } else { (3 * at(column) + at(column - 1) + 1) >> 2 };
        let right = if column == last { at(last) } else { (3 * at(column) + at(column + 1) + 2) >> 2 };
        [left as u8, right as u8]
    };
    (0..row.len()).flat_map(pair).collect()
}

/// A row twice as wide, interpolated from two rows of which the nearer one weighs 3/4.
fn both_by_two(near: &[u8], far: &[u8]) -> Vec<u8> {
    let last = near.len() - 1;
    let at = |column: usize| 3 * u32::from(near[column]) + u32::from(far[column]);
    let pair = |column: usize| {
        let left =
            if column == 0 { (4 * at(0) + 8) >> 4 } else { (3 * at(column) + at(column - 1) + 8) >> 4 };
        let right =
            if column == last { (4 * at(last) + 7) >> 4 } else { (3 * at(column) + at(column + 1) + 7) >> 4 };
        [left as u8, right as u8]
    };
    (0..near.len()).flat_map(pair).collect()
}
