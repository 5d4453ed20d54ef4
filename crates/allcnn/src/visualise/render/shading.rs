//! Signed maps as pictures. Each map is scaled separately, by its largest magnitude.

use crate::data::decode::Picture;

/// The mapping from the values of a map, `[height, width, 3]`, to colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shading {
    /// Each value v of each color channel as 127.5 (1 + v / m): zero is gray, the largest magnitude m black or
    /// white.
    #[default]
    Signed,
    /// The largest magnitude over a pixel's channels as a gray value, zero black (Simonyan et al. 2014, section
    /// 3.1).
    Absolute,
    /// Each value as 255 max(v, 0) / m, with the largest value m: evidence against the unit is omitted.
    Positive,
}

impl Shading {
    /// Converts the map to a picture of `height` x `width` pixels. An all-zero map has the color of zero, and NaN
    /// counts as zero. Panics if the length of `map` is not height * width * 3.
    pub fn paint(self, map: &[f32], height: usize, width: usize) -> Picture {
        check(map, height, width);
        let pixels = match self {
            Self::Signed => {
                let scale = scale(map.iter().map(|value| value.abs()));
                map.iter().map(|value| byte(127.5 + 127.5 * value * scale)).collect()
            }
            Self::Positive => {
                let scale = scale(map.iter().copied());
                map.iter().map(|value| byte(255.0 * value * scale)).collect()
            }
            Self::Absolute => {
                magnitudes(map).into_iter().flat_map(|magnitude| [byte(255.0 * magnitude); 3]).collect()
            }
        };
        Picture { height, width, pixels }
    }
}

/// Overlays the map on its image: the image in light gray, colored from yellow to dark red where the map has large
/// magnitudes. Panics if the lengths of `map` and the picture differ.
pub fn overlay(map: &[f32], picture: &Picture) -> Picture {
    check(map, picture.height, picture.width);
    let pixels = magnitudes(map).into_iter().zip(picture.pixels.chunks_exact(3)).flat_map(|(heat, pixel)| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        let grey = 80.0 + 0.6 * (0.299 * red + 0.587 * green + 0.114 * blue);
        // Small magnitudes are frequent; they are made nearly transparent so as not to hide the image.
        let (share, color) = ((1.6 * heat - 0.1).clamp(0.0, 0.9), heat_color(heat));
        color.map(|color| byte(grey + share * (color - grey)))
    });
    Picture { pixels: pixels.collect(), ..*picture }
}

fn check(map: &[f32], height: usize, width: usize) {
    assert_eq!(map.len(), height * width * 3, "values of a map of {height}x{width}x3");
}

/// The factor that scales the largest of these values to 1; 0 if none is positive.
fn scale(values: impl Iterator<Item = f32>) -> f32 {
    let largest = values.filter(|value| value.is_finite()).fold(0.0, f32::max);
    // The reciprocal of a subnormal number may be infinite.
    if largest > f32::MIN_POSITIVE { 1.0 / largest } else { 0.0 }
}

/// The largest magnitude over each pixel's channels, relative to the overall maximum.
fn magnitudes(map: &[f32]) -> Vec<f32> {
    let scale = scale(map.iter().map(|value| value.abs()));
    map.chunks_exact(3)
        .map(|pixel| scale * pixel.iter().fold(0f32, |largest, value| largest.max(value.abs())))
        .collect()
}

/// The color map from yellow over orange to dark red.
fn heat_color(heat: f32) -> [f32; 3] {
    const COLORS: [[f32; 3]; 4] =
        [[255.0, 237.0, 120.0], [253.0, 160.0, 50.0], [227.0, 50.0, 30.0], [120.0, 0.0, 38.0]];
    let position = heat.clamp(0.0, 1.0) * (COLORS.len() - 1) as f32;
    let below = (position as usize).min(COLORS.len() - 2);
    let share = position - below as f32;
    std::array::from_fn(|channel| {
        COLORS[below][channel] + share * (COLORS[below + 1][channel] - COLORS[below][channel])
    })
}

/// Rounds to the nearest of 0..=255; NaN becomes 0.
fn byte(value: f32) -> u8 {
    value.round() as u8 // saturates
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: [f32; 6] = [2.0, -4.0, 0.0, 1.0, 0.5, 4.0];

    #[test]
    fn signed_maps_are_symmetric_about_grey() {
        assert_eq!(Shading::Signed.paint(&MAP, 1, 2).pixels, [191, 0, 128, 159, 143, 255]);
        assert_eq!(Shading::Signed.paint(&[0.0; 6], 2, 1).pixels, [128; 6]);
    }

    #[test]
    fn absolute_maps_show_the_largest_channel_and_positive_ones_leave_out_the_rest() {
        assert_eq!(Shading::Absolute.paint(&MAP, 1, 2).pixels, [255; 6]);
        assert_eq!(Shading::Absolute.paint(&[0.0, -0.5, 0.0, 0.0, 0.0, 1.0], 1, 2).pixels[..3], [128; 3]);
        assert_eq!(Shading::Positive.paint(&MAP, 1, 2).pixels, [128, 0, 0, 64, 32, 255]);
        assert_eq!(Shading::Positive.paint(&[-1.0; 3], 1, 1).pixels, [0; 3]);
    }

    #[test]
    fn an_overlay_leaves_the_picture_where_nothing_is_and_colors_the_rest() {
        let picture = Picture { height: 1, width: 2, pixels: vec![100; 6] };
        let shown = overlay(&[0.0, 0.0, 0.0, 0.0, -3.0, 0.0], &picture).pixels;
        assert_eq!(shown[..3], [140; 3]);
        assert!(shown[3] > shown[4] + 50 && shown[3] > shown[5] + 50, "{shown:?}");
    }

    #[test]
    fn tiny_and_broken_values_do_no_harm() {
        let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0, -1.0, 1e-45];
        assert_eq!(Shading::Signed.paint(&broken, 1, 2).pixels[3..], [255, 0, 128]);
        assert_eq!(Shading::Signed.paint(&[1e-42; 3], 1, 1).pixels, [128; 3]);
    }
}
