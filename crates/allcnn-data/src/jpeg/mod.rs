//! JPEG files, decoded to the pixels of libjpeg-turbo, and so of PIL and torchvision.
mod inks;

use crate::picture::{Picture, check_size};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use libjpeg_turbo_rs::{Decoder, JpegError, PixelFormat, ScalingFactor};

/// Decodes a JPEG file and turns it upright; to a half, a quarter or an eighth of its size where that is still `least`
/// high and wide. The error says, in a few words, what is wrong with it.
pub(crate) fn decode(file: &[u8], least: Option<[usize; 2]>) -> Result<Picture, String> {
    let end = end(file);
    let damaged = |error: JpegError| match error {
        JpegError::UnexpectedEof => truncated(),
        error => format!("damaged ({error})"),
    };
    let mut decoder = Decoder::new(file).map_err(damaged)?;
    let (width, height) = (decoder.header().width.into(), decoder.header().height.into());
    check_size(width, height)?;
    // The one scan of a sequential file holds all pixels, and the decoder notices where its data ends too early.
    // Of other files whole scans may be missing, which only the end mark tells.
    if !end.is_marked && (decoder.header().is_progressive || end.scans != 1) {
        return Err(truncated());
    }
    if let Some(stretches) = stretches(&decoder) {
        let (space, orientation) = (decoder.jpeg_color_space(), decoder.exif_orientation().unwrap_or(1));
        let raw = decoder.decode_raw().map_err(damaged)?;
        return upright(inks::to_rgb(&raw, &stretches, space), (width, height), orientation);
    }
    let mut part = 1;
    if let Some(least) = least {
        let lies = matches!(decoder.exif_orientation(), Some(5..=8));
        let sides = if lies { [width, height] } else { [height, width] };
        part = part_of(sides, least);
        decoder.set_scale(ScalingFactor::try_new(1, part).unwrap_or_default());
    }
    decoder.set_output_format(PixelFormat::Rgb);
    let image = decoder.decode_image().map_err(damaged)?;
    let expected = [height, width].map(|side| side.div_ceil(part) as usize);
    if [image.height, image.width] != expected {
        return Err(format!(
            "damaged (it gives {}x{} pixels, not {}x{})",
            image.height, image.width, expected[0], expected[1]
        ));
    }
    let image = image.apply_orientation();
    Ok(Picture { height: image.height, width: image.width, pixels: image.into_vec() })
}

/// The rows and columns of the picture, upright, from the file's header.
pub(crate) fn own_size(file: &[u8]) -> Option<[usize; 2]> {
    let decoder = Decoder::new(file).ok()?;
    let [height, width] = [decoder.header().height, decoder.header().width].map(usize::from);
    let lies = matches!(decoder.exif_orientation(), Some(5..=8));
    Some(if lies { [width, height] } else { [height, width] })
}

/// The part of the size at which the discrete cosine transform leaves `sides` at least that long: the others' work is then
/// saved, in the transform and after it.
fn part_of(sides: [u32; 2], least: [usize; 2]) -> u32 {
    let enough =
        |part: u32| sides.iter().zip(least).all(|(side, least)| side.div_ceil(part) as usize >= least);
    [8, 4, 2].into_iter().find(|&part| enough(part)).unwrap_or(1)
}

/// How the planes of a file of four inks fill the picture, where they are not all of one size: the decoder's own way is wrong
/// for most of these.
fn stretches(decoder: &Decoder) -> Option<[inks::Stretch; 4]> {
    let parts: &[_; 4] = decoder.header().components.as_slice().try_into().ok()?;
    let sizes = parts
        .each_ref()
        .map(|part| (usize::from(part.vertical_sampling), usize::from(part.horizontal_sampling)));
    let (down, across) = sizes.iter().fold((1, 1), |most, size| (most.0.max(size.0), most.1.max(size.1)));
    let fills =
        sizes.iter().all(|size| size.0 > 0 && size.1 > 0 && down % size.0 == 0 && across % size.1 == 0);
    let stretches = sizes.map(|size| (down / size.0.max(1), across / size.1.max(1)));
    (fills && stretches != [(1, 1); 4]).then_some(stretches)
}

/// The picture, turned as its metadata says.
fn upright(pixels: Vec<u8>, (width, height): (u32, u32), orientation: u8) -> Result<Picture, String> {
    let image = RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| "damaged (pixels are missing)".to_string())?;
    let mut image = DynamicImage::from(image);
    image.apply_orientation(Orientation::from_exif(orientation).unwrap_or(Orientation::NoTransforms));
    Ok(Picture {
        height: image.height() as usize,
        width: image.width() as usize,
        pixels: image.into_rgb8().into_raw(),
    })
}

fn truncated() -> String {
    "truncated (the JPEG's end is missing)".to_string()
}

/// How a JPEG file ends.
struct End {
    /// By its end mark. Some cameras write something else there, and a truncated file has none.
    is_marked: bool,
    /// Scans that have begun.
    scans: usize,
}

/// Follows the segments of a JPEG file to its end.
fn end(file: &[u8]) -> End {
    let (mut at, mut scans) = (2, 0);
    while let Some(&[first, marker]) = file.get(at..at + 2) {
        match (first, marker) {
            (0xff, 0xd9) => return End { is_marked: true, scans },
            // Fill bytes, an escaped 255 or a restart mark of the compressed data, marks without content.
            (0xff, 0xff) => at += 1,
            (0xff, 0x00 | 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, _) => {
                let Some(&[high, low]) = file.get(at + 2..at + 4) else { break };
                scans += usize::from(marker == 0xda);
                at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
            _ => match memchr::memchr(0xff, &file[at..]) {
                Some(ahead) => at += ahead,
                None => break,
            },
        }
    }
    End { is_marked: false, scans }
}
