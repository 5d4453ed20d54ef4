//! The pictures of a page: misclassified images, filters and galleries.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use png::{BitDepth, ColorType, Encoder};

use super::contents::{Filters, Gallery, MAX_MISTAKES, MisclassifiedPicture};
use super::html::section;
use crate::data::decode::Picture;

/// The smallest width that is scaled smoothly; narrower pictures are scaled with visible pixels.
const SMOOTH: usize = 96;

/// Encodes 8-bit pixels as a PNG in a `data:` URL.
pub(super) fn png(pixels: &[u8], height: usize, width: usize, color: ColorType) -> io::Result<String> {
    assert_eq!(pixels.len(), height * width * color.samples(), "pixels of a picture of {height}x{width}");
    let side = |length: usize| u32::try_from(length).map_err(io::Error::other);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, side(width)?, side(height)?);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(file)))
}

fn rgb_png(picture: &Picture) -> io::Result<String> {
    png(&picture.pixels, picture.height, picture.width, ColorType::Rgb)
}

/// A card with pictures side by side above a caption; `title` is their tooltip.
pub(super) fn figure(pictures: &[&Picture], title: &str, caption: &Markup) -> io::Result<Markup> {
    let smooth = pictures.iter().any(|picture| picture.width >= SMOOTH);
    Ok(html! {
        figure.card.smooth[smooth] title=(title) {
            div.together {
                @for picture in pictures { img alt=(title) src=(rgb_png(picture)?); }
            }
            figcaption { (caption) }
        }
    })
}

/// A picture above its caption, for use inside a card.
pub(super) fn tile(picture: &Picture, title: &str, caption: &Markup) -> io::Result<Markup> {
    let class = (picture.width >= SMOOTH).then_some("smooth");
    Ok(html! {
        figure class=[class] title=(title) {
            img alt=(title) src=(rgb_png(picture)?);
            figcaption { (caption) }
        }
    })
}

/// A grid of figures, with wider columns if a figure has several pictures.
pub(super) fn figures(most_together: usize, figures: &[Markup]) -> Markup {
    html! {
        div.gallery.pairs[most_together > 1] {
            @for figure in figures { (figure) }
        }
    }
}

/// The section of the misclassified images with the highest predicted probability.
pub(super) fn mistakes(classes: &[String], mistakes: &[MisclassifiedPicture]) -> io::Result<Markup> {
    let mut worst: Vec<&MisclassifiedPicture> = mistakes.iter().collect();
    worst.sort_by(|a, b| b.probability.total_cmp(&a.probability).then_with(|| a.name.cmp(&b.name)));
    let shown = worst.iter().take(MAX_MISTAKES).map(|mistake| {
        let caption = html! {
            div.said {
                b { (classes[mistake.predicted]) }
                span { (format_args!("{:.1} %", 100.0 * mistake.probability)) }
            }
            div.truth { "is " (classes[mistake.truth]) }
        };
        let pictures: Vec<&Picture> = std::iter::once(&mistake.picture).chain(&mistake.explanation).collect();
        figure(&pictures, &mistake.name, &caption)
    });
    let shown = shown.collect::<io::Result<Vec<_>>>()?;
    let explained = mistakes.iter().any(|mistake| mistake.explanation.is_some());
    let mut note = "Test images for which the network was most sure of a wrong class: what it said, how sure it was, and what it is.".to_owned();
    if explained {
        note += " Beside each image is what in it spoke for the wrong class (guided backpropagation).";
    }
    let body = figures(1 + usize::from(explained), &shown);
    Ok(section(mistakes.is_empty(), "Worst mistakes", &note, &body))
}

/// The section of the first layer's filters.
pub(super) fn filters(filters: &Filters) -> io::Result<Markup> {
    let &Filters { ref weights, count, channels, height, width } = filters;
    assert_eq!(weights.len(), count * channels * height * width, "weights of the first layer");
    let images = html! {
        div.card.filters {
            @for (index, filter) in weights.chunks_exact(channels * height * width).enumerate() {
                @let title = format!("filter {}, largest weight {:.3}", index + 1, largest_weight(filter));
                @let pixels = filter_pixels(filter, channels);
                img title=(title) alt=(title) src=(png(&pixels, height, width, ColorType::Rgb)?);
            }
        }
    };
    let note = format!(
        "The {count} filters of the first layer, {height}x{width} pixels, each scaled to its largest weight; grey is 0. \
         They see preprocessed images."
    );
    Ok(section(count == 0, "First-layer filters", &note, &images))
}

fn largest_weight(filter: &[f32]) -> f32 {
    filter.iter().fold(0.0, |largest, weight| largest.max(weight.abs()))
}

/// The pixels of a filter `[channels, height, width]`: zero is grey, the largest absolute weight black or white.
fn filter_pixels(filter: &[f32], channels: usize) -> Vec<u8> {
    let area = filter.len() / channels;
    let largest = largest_weight(filter).max(f32::MIN_POSITIVE);
    let shade = |weight: f32| (127.5 + 127.5 * weight / largest).round() as u8;
    let pixel = |index: usize| match channels {
        3 => [0, 1, 2].map(|channel| shade(filter[channel * area + index])),
        _ => {
            let sum: f32 = (0..channels).map(|channel| filter[channel * area + index]).sum();
            [shade(sum / channels as f32); 3]
        }
    };
    (0..area).flat_map(pixel).collect()
}

/// The section of a gallery.
pub(super) fn gallery(gallery: &Gallery) -> io::Result<Markup> {
    let shown = gallery.pictures.iter().map(|(pictures, caption)| {
        figure(&pictures.iter().collect::<Vec<_>>(), caption, &html! { (caption) })
    });
    let shown = shown.collect::<io::Result<Vec<_>>>()?;
    let most_together = gallery.pictures.iter().map(|(pictures, _)| pictures.len()).max().unwrap_or(0);
    let body = figures(most_together, &shown);
    Ok(section(gallery.pictures.is_empty(), &gallery.title, &gallery.note, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_symmetric_about_grey() {
        let filter = [1.0, -2.0, 0.0, 0.5, 2.0, -1.0]; // 3 channels, 1 x 2
        assert_eq!(filter_pixels(&filter, 3), [191, 128, 255, 0, 159, 64]);
        assert_eq!(filter_pixels(&[0.0, 0.0], 1), [128; 6]);
        assert_eq!(filter_pixels(&[1.0, -1.0], 2), [128; 3]);
    }

    #[test]
    fn a_png_is_read_back_as_it_was() {
        let pixels: Vec<u8> = (0..2 * 5 * 3).map(|i| i * 7).collect();
        let address = png(&pixels, 2, 5, ColorType::Rgb).unwrap();
        let file = STANDARD.decode(address.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut read = vec![0; pixels.len()];
        let info = reader.next_frame(&mut read).unwrap();
        assert_eq!((info.height, info.width, read), (2, 5, pixels));
    }
}
