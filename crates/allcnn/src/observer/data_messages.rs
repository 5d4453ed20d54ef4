//! Messages about opened data, common to all commands.

use super::event::{Event, Observer};
use crate::data::{DataSet, Ignored, Note, Skipped};
use crate::net::Network;
use crate::text::shown::escaped;

/// The number of unusable images to name in a message.
const NAMED: usize = 5;

/// Reports the detected kind of the data, its ignored files by reason, and its unusable images.
pub fn report_left_out(data: &DataSet, observer: &mut dyn Observer) {
    observer.observe(Event::Detail(&format!("{} is read as {}", data.name, data.kind.evidence())));
    for ignored in Ignored::by_reason(&data.ignored) {
        observer.observe(Event::LeftOut(&ignored));
    }
    for text in missing_images(&data.skipped) {
        observer.observe(Event::Warning(&text));
    }
}

/// Messages with the number of unreadable images and of images without class, each with the first few names.
pub fn missing_images(skipped: &[Skipped]) -> Vec<String> {
    let (without_class, unreadable): (Vec<_>, Vec<_>) = skipped.iter().partition(|file| file.has_no_class());
    let with_reason = |file: &Skipped| format!("{} ({})", escaped(&file.file), escaped(&file.reason));
    let without_class = without_class.into_iter().map(|file| escaped(&file.file)).collect();
    let unreadable = unreadable.into_iter().map(with_reason).collect();
    [
        (unreadable, ["image cannot be read and is left out", "images cannot be read and are left out"]),
        (without_class, ["image in no class folder is left out", "images in no class folder are left out"]),
    ]
    .into_iter()
    .filter_map(|(files, words)| missing(files, words))
    .collect()
}

/// A message with the number of files, the singular or plural wording, and the first few names.
fn missing(files: Vec<String>, [one, many]: [&str; 2]) -> Option<String> {
    let what = if files.len() == 1 { one } else { many };
    let more = if files.len() > NAMED { ", ...; `allcnn data verify` names all" } else { "" };
    let first = files[..files.len().min(NAMED)].join(", ");
    (!files.is_empty()).then(|| format!("{} {what}: {first}{more}", files.len()))
}

/// The input for which the network could be planned to keep more of images that it takes much smaller than they are.
pub fn larger_input(note: &Note, network: &Network) -> Option<(usize, usize)> {
    let Note::Shrunk { sizes, height, width } = note else { return None };
    [3, 2].map(|times| (times * height, times * width)).into_iter().find(|&(height, width)| {
        let [rows, columns] = sizes.median;
        height <= rows && width <= columns && network.planned_for(height, width).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Sizes;

    #[test]
    fn one_image_is_told_in_the_singular_and_of_many_the_first() {
        let file = |number: usize| Skipped { file: format!("{number}\u{1b}.jpg"), reason: "damaged".into() };
        let files: Vec<Skipped> = (0..6).map(file).collect();
        let one = missing_images(&files[..1]);
        assert_eq!(one, [r"1 image cannot be read and is left out: 0\u{1b}.jpg (damaged)"]);
        let many = missing_images(&files).concat();
        assert!(many.starts_with("6 images cannot be read and are left out: 0"), "{many}");
        assert!(many.ends_with(r"4\u{1b}.jpg (damaged), ...; `allcnn data verify` names all"), "{many}");
        assert!(missing_images(&[]).is_empty());
    }

    #[test]
    fn a_larger_input_is_named_where_the_network_and_the_images_allow_it() {
        let note = |rows| {
            let median = [rows, rows];
            let sizes = Sizes { images: 9, min: median, median, max: median };
            Note::Shrunk { sizes, height: 32, width: 32 }
        };
        let network = Network::named("all-cnn-c", 10).unwrap();
        assert_eq!(note(400).to_string(), "images of 400x400 are shrunk to 32x32");
        assert_eq!(larger_input(&note(400), &network), Some((96, 96)));
        assert_eq!(larger_input(&note(64), &network), Some((64, 64)));
        let fixed = Network::from_toml(
            "name = \"f\"\ninput = [32, 32, 3]\nclasses = 2\nlayers = [{ conv = \"classes\", kernel = 32, padding = 0 }]",
        );
        assert_eq!(larger_input(&note(400), &fixed.unwrap()), None);
    }
}
