//! JPEG XL pictures are read as pictures of any other kind.
#![cfg(feature = "jxl")]
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::decode::decode;
use allcnn_data::{Kind, pictures};
use support::*;

const HEIGHT: usize = 12;
const WIDTH: usize = 20;

/// The pixels that a formula gives for column and row.
fn drawn(pixel: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
    (0..HEIGHT * WIDTH).flat_map(|at| pixel(at % WIDTH, at / WIDTH)).collect()
}

fn rgb(x: usize, y: usize) -> [u8; 3] {
    [x * 12, y * 20, (x + y) * 8].map(|value| value as u8)
}

/// The value in sRGB of an amount of light.
fn srgb(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[test]
fn pixels_without_loss_are_exact_whatever_the_colors_are() {
    let on_white = |x: usize, y: usize| {
        let alpha = x * 13;
        rgb(x, y).map(|value| ((usize::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
    };
    for (name, expected) in [
        ("rgb.jxl", drawn(rgb)),
        ("grey.jxl", drawn(|x, _| [(x * 12) as u8; 3])),
        ("alpha.jxl", drawn(on_white)),
        ("deep.jxl", drawn(|x, _| [(x as f64 * 3000.0 / 257.0).round() as u8; 3])),
        ("linear.jxl", drawn(|x, _| [(srgb(x as f64 * 3000.0 / 65535.0) * 255.0).round() as u8; 3])),
    ] {
        let picture = decode(&fixture(name)).unwrap();
        assert_eq!((picture.height, picture.width), (HEIGHT, WIDTH), "{name}");
        assert_eq!(picture.pixels, expected, "{name}");
    }
}

#[test]
fn pixels_with_loss_are_those_of_libjxl() {
    let (picture, expected) = (decode(&fixture("lossy.jxl")).unwrap(), fixture("lossy.rgb"));
    let difference = picture.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(picture.pixels.len() == expected.len() && difference <= 1, "{difference}");
    // A JPEG within, turned as its camera noted.
    let (turned, jpeg) = (decode(&fixture("turned.jxl")).unwrap(), decode(&fixture("turned.jpg")).unwrap());
    assert_eq!((turned.height, turned.width), (jpeg.height, jpeg.width));
    let difference = turned.pixels.iter().zip(&jpeg.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(difference <= 3, "{difference}");
}

#[test]
fn a_truncated_file_of_any_length_is_noticed() {
    for name in ["rgb.jxl", "lossy.jxl", "turned.jxl"] {
        let file = fixture(name);
        let whole = decode(&file).unwrap();
        for length in 0..file.len() {
            // What reads the same without its last bytes lacks nothing: the container's end may hold no pixels.
            let cut = decode(&file[..length]);
            assert!(
                cut.is_err() || length + 16 > file.len() && cut.as_ref() == Ok(&whole),
                "{name}: {length} of {}",
                file.len()
            );
        }
    }
}

#[test]
fn they_are_pictures_under_any_name_and_need_no_other_program() {
    let mut files = class_folders("", 18);
    files.push(("cat/a.jxl".into(), fixture("rgb.jxl")));
    files.push(("cat/b.jpg".into(), fixture("turned.jxl")));
    files.push(("dog/c".into(), fixture("grey.jxl")));
    files.push(("dog/no.jxl".into(), b"words".to_vec()));
    let folder = folder_of(files.clone());
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.kind, set.train.len() + set.test.len()), (Kind::ImageFolder, 39));
    assert_eq!((set.ignored.len(), set.skipped[0].file.as_str()), (0, "dog/no.jxl"));
    let archive = folder.path().join("set.tar");
    std::fs::write(&archive, tar(&files)).unwrap();
    assert_eq!(open_path(&archive).unwrap().fingerprint, set.fingerprint);
    std::fs::remove_file(&archive).unwrap();
    assert_eq!(pictures(&[folder.path().to_path_buf()]).unwrap().files.len(), 40);
}

#[test]
fn a_huge_picture_is_refused_before_it_is_decoded() {
    // A size header: not in steps of 8, 30 bits of height less 1, the ratio 1:1.
    let size: u64 = (3 << 1) | (0x3fff_ffff << 3) | (1 << 33);
    let file = [b"\xff\x0a".as_slice(), &size.to_le_bytes()[..5], &[1; 100]].concat();
    let error = decode(&file).unwrap_err();
    assert!(error.contains("too") || error.contains("damaged"), "{error}");
}
