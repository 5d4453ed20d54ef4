//! JPEG XL files, decoded to 8 bits a channel in sRGB, whatever their own colors are, and upright.
use crate::picture::{MAX_PIXELS, check_size};
use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};
use jxl_oxide::image::ExtraChannelType;
use jxl_oxide::{AllocTracker, EnumColourEncoding, JxlImage, JxlThreadPool, Moxcms, RenderingIntent};

/// Bytes that the decoder may take for its planes: those of 32-bit numbers for all channels, twice.
const MEMORY: u64 = MAX_PIXELS * 32;

/// Whether a file begins like JPEG XL: with the mark of its data, or of the boxes around them.
pub(crate) fn recognizes(head: &[u8]) -> bool {
    head.starts_with(b"\xff\x0a") || head.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n")
}

/// Decodes a file, the first picture of an animation. The error says, in a few words, what is wrong with it.
pub(crate) fn decode(file: &[u8]) -> Result<DynamicImage, String> {
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| format!("damaged ({error})");
    // Images are decoded on all threads, each on one.
    let builder = JxlImage::builder().pool(JxlThreadPool::none());
    let tracker = AllocTracker::with_limit(usize::try_from(MEMORY).unwrap_or(usize::MAX));
    let mut image = builder.alloc_tracker(tracker).read(file).map_err(damaged)?;
    check_size(image.width(), image.height())?;
    if !image.is_loading_done() {
        return Err("truncated (the end of the JPEG XL file is missing)".to_string());
    }
    image.set_cms(Moxcms);
    image.request_color_encoding(match image.pixel_format().is_grayscale() {
        true => EnumColourEncoding::gray_srgb(RenderingIntent::Relative),
        false => EnumColourEncoding::srgb(RenderingIntent::Relative),
    });
    let render = image.render_frame(0).map_err(damaged)?;
    let mut stream = render.stream();
    let (width, height, channels) = (stream.width(), stream.height(), stream.channels() as usize);
    let mut pixels = vec![0u8; width as usize * height as usize * channels];
    stream.write_to_buffer(&mut pixels);
    if has_premultiplied_alpha(&image) {
        pixels.chunks_exact_mut(channels).for_each(divide_by_alpha);
    }
    let image = match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        2 => GrayAlphaImage::from_raw(width, height, pixels).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
        4 => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => None,
    };
    image.ok_or_else(|| format!("not an image that can be read ({channels} channels)"))
}

/// The rows and columns of the picture, upright, from the file's header.
pub(crate) fn own_size(file: &[u8]) -> Option<[usize; 2]> {
    let tracker = AllocTracker::with_limit(usize::try_from(MEMORY).unwrap_or(usize::MAX));
    let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(tracker);
    let image = builder.read(file).ok()?;
    Some([image.height() as usize, image.width() as usize])
}

/// Whether the colors are already multiplied by what the picture lets through.
fn has_premultiplied_alpha(image: &JxlImage) -> bool {
    let channels = &image.image_header().metadata.ec_info;
    channels.iter().any(|channel| matches!(channel.ty, ExtraChannelType::Alpha { alpha_associated: true }))
}

fn divide_by_alpha(pixel: &mut [u8]) {
    if let Some((&mut alpha @ 1.., colors)) = pixel.split_last_mut() {
        for color in colors {
            *color = ((u32::from(*color) * 255 + u32::from(alpha) / 2) / u32::from(alpha)).min(255) as u8;
        }
    }
}
