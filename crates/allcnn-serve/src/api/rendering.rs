//! Pictures and numbers in answers.

use allcnn::data::decode::Picture;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// A picture as the data URL of a PNG.
pub(super) fn data_url(picture: &Picture) -> String {
    url(&png(picture))
}

/// A picture as a PNG file.
pub(super) fn png(Picture { height, width, pixels }: &Picture) -> Vec<u8> {
    encoded(pixels, *height, *width, ExtendedColorType::Rgb8)
}

/// Grey values, `[height, width]`, as the data URL of a PNG.
pub(super) fn gray_data_url(pixels: &[u8], height: usize, width: usize) -> String {
    url(&encoded(pixels, height, width, ExtendedColorType::L8))
}

fn url(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

fn encoded(pixels: &[u8], height: usize, width: usize, color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = vec![];
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    // Memory takes all that is written, and the sizes fit.
    let _ = encoder.write_image(pixels, width as u32, height as u32, color);
    bytes
}

/// The values of a map, `[height, width, channels]`, summed over channels and divided by the largest size, as base64 of f32 in
/// little-endian order.
pub(super) fn values(map: &[f32], channels: usize) -> String {
    let sums: Vec<f32> = map.chunks_exact(channels).map(|pixel| pixel.iter().sum()).collect();
    let largest = sums.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    let bytes: Vec<u8> = sums.iter().flat_map(|value| (value * scale).to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Sets values to zero that are smaller than `share` of the largest.
pub(super) fn above(map: &[f32], share: f32) -> Vec<f32> {
    let largest = map.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    map.iter().map(|&value| if value.abs() < share * largest { 0.0 } else { value }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_data_url_holds_the_pixels() {
        let picture = Picture { height: 1, width: 2, pixels: vec![1, 2, 3, 250, 251, 252] };
        let url = data_url(&picture);
        let file = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        assert_eq!(image::load_from_memory(&file).unwrap().to_rgb8().into_raw(), picture.pixels);
        let gray = gray_data_url(&[7, 9], 2, 1);
        let file = STANDARD.decode(gray.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        assert_eq!(image::load_from_memory(&file).unwrap().to_luma8().into_raw(), [7, 9]);
    }

    #[test]
    fn values_are_shares_of_the_largest() {
        let bytes = STANDARD.decode(values(&[1.0, 1.0, -2.0, -2.0], 2)).unwrap();
        let numbers: Vec<f32> =
            bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        assert_eq!(numbers, [0.5, -1.0]);
        assert_eq!(values(&[0.0, 0.0], 2), STANDARD.encode([0; 4]));
        assert_eq!(above(&[0.1, -1.0, 0.2], 0.2), [0.0, -1.0, 0.2]);
    }
}
