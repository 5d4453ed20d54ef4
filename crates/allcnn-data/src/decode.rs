//! From the bytes of an image file to 8-bit RGB pixels of a wanted size.
//!
//! Grey and CMYK become RGB, 16 bits become 8, what is transparent is laid on white, and the orientation that a
//! camera noted (EXIF) is applied. Sizes are checked before anything is decoded.
use crate::jpeg;
#[cfg(feature = "jxl")]
use crate::jxl;
pub use crate::picture::{MAX_PIXELS, MAX_SIDE, Picture, cut, resize};
use crate::picture::{check_size, least_size};
use crate::png;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The image format of a file, by its first bytes.
pub(crate) fn recognize(head: &[u8]) -> Option<ImageFormat> {
    match image::guess_format(head).ok()? {
        format @ (ImageFormat::Jpeg
        | ImageFormat::Png
        | ImageFormat::Gif
        | ImageFormat::Bmp
        | ImageFormat::WebP
        | ImageFormat::Tiff
        | ImageFormat::Pnm) => fits(format, head).then_some(format),
        _ => None,
    }
}

/// Whether the format is recognized by more than two letters, with which a text may begin too.
fn fits(format: ImageFormat, head: &[u8]) -> bool {
    match format {
        // The size of its second header, of which there are a few kinds.
        ImageFormat::Bmp => {
            matches!(head.get(14..18), Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
        }
        // A number, a comment, or the lines that begin a PAM file.
        ImageFormat::Pnm => {
            let rest = &head[2..];
            let next = rest.trim_ascii_start();
            let is_pam = head[1] == b'7' && rest.starts_with(b"\n");
            next.len() < rest.len() && (is_pam || matches!(next, [b'0'..=b'9' | b'#', ..]))
        }
        _ => true,
    }
}

/// How names of images end, the most usual first.
pub(crate) const IMAGE_EXTENSIONS: [&str; 16] = [
    "jpg", "png", "jpeg", "jpe", "jfif", "gif", "bmp", "dib", "webp", "tif", "tiff", "ppm", "pgm", "pbm",
    "pnm", "pam",
];
/// Whether a file begins like a picture of a kind that is read.
pub(crate) fn is_picture(head: &[u8]) -> bool {
    #[cfg(feature = "jxl")]
    if jxl::recognizes(head) {
        return true;
    }
    recognize(head).is_some()
}

/// True for names that end like an image's.
pub fn has_image_extension(name: &str) -> bool {
    let Some((_, extension)) = name.rsplit_once('.') else { return false };
    let is = |known: &str| extension.eq_ignore_ascii_case(known);
    IMAGE_EXTENSIONS.into_iter().any(is) || cfg!(feature = "jxl") && is("jxl")
}

/// Decodes an image file. The error says, in a few words, what is wrong with it.
pub fn decode(file: &[u8]) -> Result<Picture, String> {
    decode_guarded(file, None)
}

/// Decodes an image file of which `height` x `width` will be made: large JPEG files at a part of their size, which is
/// still larger than what [`resize`] and [`cut`] need. The error says, in a few words, what is wrong with it.
pub fn decode_for(file: &[u8], height: usize, width: usize) -> Result<Picture, String> {
    decode_guarded(file, Some(least_size(height, width)))
}

/// The rows and columns of the picture in a file, upright; from its header, so that little is decoded. Nothing for a file
/// that cannot be read.
pub(crate) fn own_size(file: &[u8]) -> Option<[usize; 2]> {
    catch_unwind(AssertUnwindSafe(|| own_size_unguarded(file))).ok().flatten()
}

fn own_size_unguarded(file: &[u8]) -> Option<[usize; 2]> {
    #[cfg(feature = "jxl")]
    if jxl::recognizes(file) {
        return jxl::own_size(file);
    }
    let format = recognize(file)?;
    if format == ImageFormat::Jpeg {
        return jpeg::own_size(file);
    }
    let mut decoder = ImageReader::with_format(Cursor::new(file), format).into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let lies = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let [height, width] = [height as usize, width as usize];
    Some(if lies { [width, height] } else { [height, width] })
}

fn decode_guarded(file: &[u8], least: Option<[usize; 2]>) -> Result<Picture, String> {
    // Decoders of foreign formats may have defects; one image must not end the program.
    catch_unwind(AssertUnwindSafe(|| decode_unguarded(file, least)))
        .unwrap_or_else(|_| Err("damaged (the decoder failed)".to_string()))
}

fn decode_unguarded(file: &[u8], least: Option<[usize; 2]>) -> Result<Picture, String> {
    #[cfg(feature = "jxl")]
    if jxl::recognizes(file) {
        return jxl::decode(file).map(of_image);
    }
    let Some(format) = recognize(file) else {
        return Err(
            if file.is_empty() { "an empty file" } else { "not an image that can be read" }.to_string()
        );
    };
    let damaged = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => format!("too large (at most {MAX_SIDE} pixels a side)"),
        image::ImageError::Unsupported(error) => {
            format!("of a kind that cannot be read: convert to PNG ({error})")
        }
        error => format!("damaged ({error})"),
    };
    if format == ImageFormat::Jpeg {
        return jpeg::decode(file, least);
    }
    let file = if format == ImageFormat::Png { png::ended(file) } else { Cow::Borrowed(file) };
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_PIXELS * 16);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok(of_image(image))
}

fn of_image(image: DynamicImage) -> Picture {
    Picture { height: image.height() as usize, width: image.width() as usize, pixels: rgb(image) }
}

/// The pixels as 8-bit RGB, what is transparent laid on white.
fn rgb(image: DynamicImage) -> Vec<u8> {
    if !image.color().has_alpha() {
        return image.into_rgb8().into_raw();
    }
    let image = image.into_rgba8();
    let mut pixels = Vec::with_capacity(image.len() / 4 * 3);
    for pixel in image.pixels() {
        let [red, green, blue, alpha] = pixel.0.map(u32::from);
        pixels.extend(
            [red, green, blue].map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8),
        );
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder, codecs};

    fn png(pixels: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Vec<u8> {
        let mut file = Vec::new();
        codecs::png::PngEncoder::new(&mut file).write_image(pixels, width, height, color).unwrap();
        file
    }

    #[test]
    fn every_color_type_becomes_rgb() {
        let grey = decode(&png(&[0, 255], 2, 1, ExtendedColorType::L8)).unwrap();
        assert_eq!(grey.pixels, [0, 0, 0, 255, 255, 255]);
        let clear =
            decode(&png(&[10, 20, 30, 0, 10, 20, 30, 255, 0, 0, 0, 128], 3, 1, ExtendedColorType::Rgba8))
                .unwrap();
        assert_eq!(clear.pixels, [255, 255, 255, 10, 20, 30, 127, 127, 127]);
        let deep: Vec<u8> = [0u16, 65535, 32896].iter().flat_map(|value| value.to_ne_bytes()).collect();
        let deep = decode(&png(&deep, 1, 1, ExtendedColorType::Rgb16)).unwrap();
        assert_eq!(deep.pixels, [0, 255, 128]);
    }

    #[test]
    fn the_own_size_is_that_of_the_whole_upright_picture() {
        let of_png = png(&[7; 40 * 24 * 3], 40, 24, ExtendedColorType::Rgb8);
        let mut of_jpeg = Vec::new();
        let encoder = codecs::jpeg::JpegEncoder::new(&mut of_jpeg);
        encoder.write_image(&[7; 40 * 24 * 3], 40, 24, ExtendedColorType::Rgb8).unwrap();
        assert_eq!([own_size(&of_png), own_size(&of_jpeg)], [Some([24, 40]); 2]);
        assert!(decode_for(&of_jpeg, 3, 3).unwrap().height < 24, "decoded at a part of its size");
        // A camera's note that the picture lies on its side (EXIF orientation 6).
        let exif = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let lying = [&of_jpeg[..2], exif, &of_jpeg[2..]].concat();
        assert_eq!(own_size(&lying), Some([40, 24]));
        assert_eq!(own_size(&lying), decode(&lying).ok().map(|picture| [picture.height, picture.width]));
        assert_eq!([own_size(b""), own_size(b"no picture"), own_size(&of_png[..20])], [None; 3]);
    }

    #[test]
    fn a_truncated_file_of_any_length_is_noticed() {
        let pixels: Vec<u8> = (0..24 * 20 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let mut jpeg = Vec::new();
        codecs::jpeg::JpegEncoder::new(&mut jpeg)
            .write_image(&pixels, 24, 20, ExtendedColorType::Rgb8)
            .unwrap();
        let png = png(&pixels, 24, 20, ExtendedColorType::Rgb8);
        for file in [jpeg, png] {
            assert!(decode(&file).is_ok());
            for length in 0..file.len() - 12 {
                assert!(decode(&file[..length]).is_err(), "{length} of {} bytes", file.len());
            }
        }
    }

    #[test]
    fn a_huge_picture_is_refused_before_it_is_decoded() {
        // A PNG's head that declares 100,000 x 100,000 pixels, with the right checksum.
        let mut file = png(&[0; 3], 1, 1, ExtendedColorType::Rgb8);
        file[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
        let mut crc = flate2::Crc::new();
        crc.update(&file[12..29]);
        file[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let error = decode(&file).unwrap_err();
        assert!(error.contains("too"), "{error}");
        // A JPEG whose frame header (length 17, 8 bits a value) declares as much as it can.
        let mut file = Vec::new();
        let encoder = codecs::jpeg::JpegEncoder::new(&mut file);
        encoder.write_image(&[0; 3], 1, 1, ExtendedColorType::Rgb8).unwrap();
        let frame = file.windows(5).position(|bytes| bytes == [0xff, 0xc0, 0, 17, 8]).unwrap();
        file[frame + 5..frame + 9].fill(0xff);
        let error = decode(&file).unwrap_err();
        assert!(error.starts_with("65535x65535 pixels are too many"), "{error}");
    }
}
