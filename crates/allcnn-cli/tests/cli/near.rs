//! `allcnn data verify --near`: pictures that are nearly the same, in and between splits, as text, JSON and a page.

use std::fs;
use std::path::Path;

use crate::support::{allcnn, train_arguments, workspace};
use image::RgbImage;
use image::imageops::{self, FilterType};
use serde_json::Value;

/// A picture that no other number has: blobs of light over a gradient.
fn scene(number: u32) -> RgbImage {
    let draw = |salt: u32, range: u32| {
        let mut bits = number * 64 + salt;
        bits = (bits ^ bits >> 16).wrapping_mul(0x7feb_352d);
        bits = (bits ^ bits >> 15).wrapping_mul(0x846c_a68b);
        (bits ^ bits >> 16) % range
    };
    let blob = |blob: u32| {
        [draw(4 * blob, 64), draw(4 * blob + 1, 64), 3 + draw(4 * blob + 2, 8), draw(4 * blob + 3, 200)]
    };
    let blobs: Vec<[f32; 4]> = (0..12).map(|number| blob(number).map(|value| value as f32)).collect();
    RgbImage::from_fn(64, 64, |x, y| {
        let light: f32 = blobs
            .iter()
            .map(|[row, column, size, light]| {
                let distance = (y as f32 - row).powi(2) + (x as f32 - column).powi(2);
                light * (-distance / (2.0 * size * size)).exp()
            })
            .sum();
        let value = |base: u32| (base as f32 + light).min(255.0) as u8;
        image::Rgb([value(20 + draw(60, 40)), value(20 + y / 2), value(30 + x / 2)])
    })
}

/// The scene a fifth darker and of another size: nearly the same.
fn copy(number: u32, side: u32) -> RgbImage {
    let mut copy = imageops::resize(&scene(number), side, side, FilterType::Triangle);
    copy.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| (f32::from(value) * 0.8) as u8));
    copy
}

/// A data set of two classes with splits and three planted near copies: of training/cats/1 in test/cats, of training/cats/2
/// in test/dogs, and of training/dogs/13 beside it.
pub(crate) fn data(folder: &Path) {
    for (split, class, numbers) in [
        ("train", "cats", 0..10),
        ("train", "dogs", 10..20),
        ("test", "cats", 20..24),
        ("test", "dogs", 24..28),
    ] {
        let place = folder.join("pets").join(split).join(class);
        fs::create_dir_all(&place).unwrap();
        for number in numbers {
            scene(number).save(place.join(format!("{number:02}.png"))).unwrap();
        }
    }
    let pets = folder.join("pets");
    copy(1, 64).save(pets.join("test/cats/near.jpg")).unwrap();
    copy(2, 90).save(pets.join("test/dogs/near<2>.png")).unwrap();
    copy(13, 64).save(pets.join("train/dogs/near.png")).unwrap();
}

/// The files of each group.
fn groups(near: &Value) -> Vec<Vec<String>> {
    let file = |image: &Value| image["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let files = |group: &Value| group["images"].as_array().unwrap().iter().map(file).collect();
    near["groups"].as_array().unwrap().iter().map(files).collect()
}

#[test]
fn near_copies_are_listed_those_across_splits_first() {
    let folder = workspace();
    data(folder.path());
    for on_disk in [false, true] {
        let mut arguments = vec!["data", "verify", "pets", "--near", "--json"];
        arguments.extend(on_disk.then_some("--on-disk"));
        let told = allcnn(folder.path(), &arguments).done().json();
        assert_eq!((&told["train"], &told["test"], &told["clean"]), (&21.into(), &10.into(), &true.into()));
        let near = &told["near"];
        let figures = [
            ("images", 31),
            ("left_out", 0),
            ("groups_across_splits", 2),
            ("groups_within_split", 1),
            ("groups_with_different_labels", 1),
            ("test_images_near_train", 2),
            ("validation_images_near_train", 0),
        ];
        for (figure, expected) in figures {
            assert_eq!(near[figure], expected, "{figure}: {near}");
        }
        assert_eq!(groups(near), [["02.png", "near<2>.png"], ["01.png", "near.jpg"], ["13.png", "near.png"]]);
        let first = &near["groups"][0];
        assert_eq!((&first["across_splits"], &first["labels_differ"]), (&true.into(), &true.into()));
        assert_eq!(
            (&first["images"][0]["class"], &first["images"][1]["class"]),
            (&"cats".into(), &"dogs".into())
        );
        assert_eq!(
            (&first["images"][0]["split"], &first["images"][1]["split"]),
            (&"train".into(), &"test".into())
        );
        assert!(first["similarity"].as_f64().unwrap() > 0.97);
    }
}

#[test]
fn the_page_shows_them_and_words_tell_them() {
    let folder = workspace();
    data(folder.path());
    let words =
        allcnn(folder.path(), &["data", "verify", "pets", "--near", "--out", "near.html"]).done().stdout;
    for part in ["every image can be read", "2 test images are near training images", "1 group is within"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let page = fs::read_to_string(folder.path().join("near.html")).unwrap();
    assert_eq!(page.matches("<img").count(), 6);
    assert!(page.contains("near&lt;2&gt;.png") && !page.contains("near<2>"), "names are escaped");
    assert!(
        page.contains("different classes")
            && !page.contains("http:")
            && !page.contains("https:")
            && !page.contains("<script")
    );
}

#[test]
fn verify_without_near_is_what_it_was() {
    let folder = workspace();
    data(folder.path());
    let told = allcnn(folder.path(), &["data", "verify", "pets", "--json"]).done().json();
    assert_eq!(told.get("near"), None);
    let words = allcnn(folder.path(), &["data", "verify", "pets"]).done().stdout;
    assert!(words.ends_with("every image can be read, and none is there twice\n"), "{words}");
}

#[test]
fn pictures_without_classes_and_files_that_cannot_be_read_are_no_hindrance() {
    let folder = workspace();
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).unwrap();
    (0..6).for_each(|number| scene(number).save(photos.join(format!("{number}.png"))).unwrap());
    copy(4, 50).save(photos.join("small.jpg")).unwrap();
    fs::write(photos.join("broken.jpg"), "no picture").unwrap();
    let told = allcnn(folder.path(), &["data", "verify", "photos", "--near", "--json"]);
    assert_eq!(told.code, Some(1), "a file cannot be read: {told:?}");
    assert!(told.stderr.contains("no class folders"), "{told:?}");
    let told = told.json();
    assert_eq!(groups(&told["near"]), [["4.png", "small.jpg"]]);
    assert_eq!(told["skipped"].as_array().unwrap().len(), 1);
    // Without --near, classes are asked for as ever.
    allcnn(folder.path(), &["data", "verify", "photos"]).fails(1, &["photos", "class folders"]);
}

#[test]
fn a_network_compares_by_what_it_sees() {
    let folder = workspace();
    data(folder.path());
    let more = ["--data", "pets", "--epochs", "2", "--quiet"];
    allcnn(folder.path(), &train_arguments("run", &more)).done();
    let verify = |more: &[&str]| {
        let arguments = [&["data", "verify", "pets", "--near", "--json"][..], more].concat();
        allcnn(folder.path(), &arguments).done().json()["near"].clone()
    };
    let near = verify(&["--run", "run", "--similarity", "0.9"]);
    assert_eq!((&near["compared"], &near["images"]), (&"features".into(), &31.into()));
    let once = verify(&["--run", "run", "--threads", "1"]);
    assert_eq!(once, verify(&["--run", "run", "--threads", "2"]), "threads do not matter");
    // Equal pictures have equal features.
    fs::copy(folder.path().join("pets/train/dogs/15.png"), folder.path().join("pets/test/dogs/same.png"))
        .unwrap();
    let arguments = ["data", "verify", "pets", "--near", "--run", "run", "--similarity", "0.9999", "--json"];
    let told = allcnn(folder.path(), &arguments);
    assert_eq!(told.code, Some(1), "a test image is in train: {told:?}");
    assert_eq!(groups(&told.json()["near"]), [["15.png", "same.png"]]);
}

#[test]
fn wrong_use_is_told() {
    let folder = workspace();
    data(folder.path());
    let verify = |more: &[&str]| allcnn(folder.path(), &[&["data", "verify", "pets"][..], more].concat());
    verify(&["--out", "near.html"]).fails(2, &["--near"]);
    verify(&["--run", "run"]).fails(2, &["--near"]);
    verify(&["--near", "--out", "near.png"]).fails(2, &["near.png", ".html"]);
    for bad in ["0", "1.5", "-1", "nan", "much"] {
        verify(&["--near", "--similarity", bad]).fails(2, &[bad, "above 0"]);
    }
    verify(&["--near", "--run", "nothing"]).fails(1, &["nothing"]);
    verify(&["--near", "--out", "missing/near.html"]).fails(1, &["missing/near.html", "folder exists"]);
    allcnn(folder.path(), &["data", "verify", "gone", "--near"]).fails(1, &["gone"]);
    assert!(!folder.path().join("near.html").exists());
}
