//! Images that are nearly the same are found, others are not: drawn pictures, and CIFAR-10 where it lies beside the project.
#![allow(clippy::unwrap_used)] // in helpers too

mod support;

use allcnn_data::near::{MIN_SIMILARITY, Near, find};
use allcnn_data::{DataSet, Images, Options, decode, open, shapes};
use image::ExtendedColorType::Rgb8;
use image::codecs::jpeg::JpegEncoder;

const SIDE: usize = 32;

/// The picture after JPEG compression of quality 50.
fn compressed(pixels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 50).encode(pixels, SIDE as u32, SIDE as u32, Rgb8).unwrap();
    decode::decode(&file).unwrap().pixels
}

/// The picture brightened or darkened by a tenth.
fn brightened(pixels: &[u8], number: usize) -> Vec<u8> {
    let factor = if number.is_multiple_of(2) { 1.1 } else { 0.9 };
    pixels.iter().map(|&value| (f32::from(value) * factor).round() as u8).collect()
}

/// The picture moved by a pixel in one of the four directions, its border repeated.
fn moved(pixels: &[u8], number: usize) -> Vec<u8> {
    let [down, right] = [[1, 0], [-1, 0], [0, 1], [0, -1]][number / 2 % 4];
    let within = |place: usize, by: isize| place.saturating_add_signed(-by).min(SIDE - 1);
    let pixel = |place: usize| {
        let from = within(place / SIDE, down) * SIDE + within(place % SIDE, right);
        [0, 1, 2].map(|channel| pixels[3 * from + channel])
    };
    (0..SIDE * SIDE).flat_map(pixel).collect()
}

/// A data set whose training images are `images` and whose test images are their near copies by `change`.
fn with_copies(images: &Images, classes: &[String], change: &dyn Fn(usize, &[u8]) -> Vec<u8>) -> DataSet {
    let mut set = shapes::draw(0, 1, 1);
    set.classes = classes.to_vec();
    set.train = images.clone();
    set.test = Images::new(SIDE, SIDE);
    for index in 0..images.len() {
        let copy = change(index, images.image(index));
        set.test.push(&copy, images.labels[index], format!("copy of {}", images.names[index]));
    }
    set
}

/// How many images are in one group with their copies, and how many pairs of different pictures are in one.
fn found(near: &Near) -> (usize, usize) {
    let (mut copies, mut others) = (0, 0);
    for group in &near.groups {
        let originals: Vec<&str> = group
            .images
            .iter()
            .filter(|image| image.split == "train")
            .map(|image| image.file.as_str())
            .collect();
        let has_copy = |original: &&&str| {
            let copy = format!("copy of {original}");
            group.images.iter().any(|image| image.file == copy)
        };
        copies += originals.iter().filter(has_copy).count();
        let mut different: Vec<&str> =
            group.images.iter().map(|image| image.file.trim_start_matches("copy of ")).collect();
        different.sort_unstable();
        different.dedup();
        others += different.len() * (different.len() - 1) / 2;
    }
    (copies, others)
}

/// Of every kind of copy 95 % are found, and of the pairs of different pictures at most `most_others` (a share).
fn assert_found(images: &Images, classes: &[String], most_others: f64) {
    type Change<'a> = (&'a str, &'a dyn Fn(usize, &[u8]) -> Vec<u8>);
    let changes: [Change; 5] = [
        ("compressed", &|_, pixels| compressed(pixels)),
        ("brightened", &brightened_by),
        ("moved", &|number, pixels| moved(pixels, number)),
        ("a third each", &|number, pixels| match number % 3 {
            0 => compressed(pixels),
            1 => brightened(pixels, number),
            _ => moved(pixels, number),
        }),
        ("all at once", &|number, pixels| compressed(&brightened(&moved(pixels, number), number))),
    ];
    for (what, change) in changes {
        let near = find(&with_copies(images, classes, change), MIN_SIMILARITY, &mut |_| ());
        let (copies, others) = found(&near);
        let count = images.len();
        eprintln!("{what}: {copies} of {count} copies, {others} pairs of different pictures");
        assert!(copies * 100 >= count * 95, "{what}: {copies} of {count}");
        let pairs = (count * (count - 1) / 2) as f64;
        assert!(others as f64 <= most_others * pairs, "{what}: {others} of {pairs} others");
        assert_eq!(
            near.test_images_near_train,
            near.groups
                .iter()
                .filter(|group| group.across_splits)
                .map(|group| { group.images.iter().filter(|image| image.split == "test").count() })
                .sum::<usize>()
        );
    }
}

fn brightened_by(number: usize, pixels: &[u8]) -> Vec<u8> {
    brightened(pixels, number)
}

#[test]
fn near_copies_of_drawn_pictures_are_found_and_others_are_not() {
    let drawn = shapes::draw(3, 60, 1);
    assert_found(&drawn.train, &drawn.classes, 0.01);
}

#[test]
fn near_copies_of_two_thousand_photographs_are_found_and_others_are_not() {
    let Some(file) = support::shared("cifar10-train-jpeg.tar.gz") else { return };
    let options = Options { limit: Some(2000), ..Options::default() };
    let set = open(&file, &options, &mut |_| ()).unwrap();
    assert_eq!(set.train.len(), 2000);
    assert_found(&set.train, &set.classes, 1e-4);
}

#[test]
fn photographs_of_any_size_are_compared_where_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = shapes::draw(5, 3, 1).train;
    for index in 0..drawn.len() {
        let (height, width) = (drawn.height as u32, drawn.width as u32);
        let picture = image::RgbImage::from_raw(width, height, drawn.image(index).to_vec()).unwrap();
        let class = folder.path().join(drawn.labels[index].to_string());
        std::fs::create_dir_all(&class).unwrap();
        let name = drawn.names[index].replace(['/', '#'], "-");
        let large = |side: u32| {
            image::imageops::resize(&picture, side, side * 3 / 4, image::imageops::FilterType::CatmullRom)
        };
        large(400).save(class.join(format!("{name}.jpg"))).unwrap();
        if index % 10 == 0 {
            large(173).save(class.join(format!("{name}-small.png"))).unwrap();
        }
    }
    std::fs::write(folder.path().join("0/broken.jpg"), "no picture").unwrap();
    let options = Options {
        on_disk: true,
        size: Some((224, 224)),
        max_bad_percent: 100.0,
        one_class: true,
        ..Options::default()
    };
    let set = open(folder.path(), &options, &mut |_| ()).unwrap();
    let near = find(&set, MIN_SIMILARITY, &mut |_| ());
    assert_eq!((near.images, near.left_out), (33, 1));
    assert_eq!(near.groups.len(), 3, "{near:#?}");
    for group in &near.groups {
        let [one, other] = &group.images[..] else { panic!("{group:?}") };
        let stem = |file: &str| file.split('.').next().unwrap().trim_end_matches("-small").to_owned();
        assert_eq!(stem(&one.file), stem(&other.file));
    }
}
