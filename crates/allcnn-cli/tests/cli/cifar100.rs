//! CIFAR-100 from its official forms, by its hundred classes and by their twenty groups.

use std::fs;
use std::path::Path;

use crate::support::{allcnn, keys, workspace};

/// Bytes of an image: three planes of 32x32.
const BYTES: usize = 3 * 1024;

/// An image of a fine class, whose color tells its group, and its brightness the class in the group.
struct Image {
    fine: u8,
    planes: Vec<u8>,
}

impl Image {
    fn new(number: usize) -> Self {
        let fine = (number * 37 % 100) as u8;
        let group = usize::from(fine / 5);
        let levels =
            [group % 3, group / 3 % 3, group / 9].map(|level| 30 + 60 * level + 4 * usize::from(fine % 5));
        let texture = |place: usize| (place * 7 + number * 11) % 23;
        let planes =
            levels.iter().flat_map(|level| (0..1024).map(move |place| (level + texture(place)) as u8));
        Self { fine, planes: planes.collect() }
    }

    fn coarse(&self) -> u8 {
        self.fine / 5
    }
}

/// `cifar-100-binary`: a coarse label, a fine label and the planes, one image after the other.
fn write_binary(folder: &Path, splits: &[(&str, Vec<Image>)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, images) in splits {
        let record = |image: &Image| [&[image.coarse(), image.fine], image.planes.as_slice()].concat();
        fs::write(folder.join(format!("{name}.bin")), images.iter().flat_map(record).collect::<Vec<_>>())
            .unwrap();
    }
}

/// `cifar-100-python`: dictionaries, pickled as by Python 2, with a numpy array.
fn write_python(folder: &Path, splits: &[(&str, Vec<Image>)]) {
    fs::create_dir_all(folder).unwrap();
    let text = |text: &str| [b"U", [text.len() as u8].as_slice(), text.as_bytes()].concat();
    let number = |number: u32| [b"J".as_slice(), &number.to_le_bytes()].concat();
    let list = |labels: Vec<u8>| {
        let items = labels.iter().flat_map(|&label| [b'K', label]).collect::<Vec<u8>>();
        [b"](".as_slice(), &items, b"e"].concat()
    };
    for (name, images) in splits {
        let pixels: Vec<u8> = images.iter().flat_map(|image| image.planes.clone()).collect();
        let array = [
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01".as_slice(),
            &number(images.len() as u32),
            &number(BYTES as u32),
            b"\x86cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T",
            &(pixels.len() as u32).to_le_bytes(),
            &pixels,
            b"tb",
        ];
        let parts = [
            b"\x80\x02}(".to_vec(),
            text("fine_labels"),
            list(images.iter().map(|image| image.fine).collect()),
            text("coarse_labels"),
            list(images.iter().map(Image::coarse).collect()),
            text("data"),
            array.concat(),
            b"u.".to_vec(),
        ];
        fs::write(folder.join(name), parts.concat()).unwrap();
    }
}

/// Both forms of the same images in `folder`.
fn write_cifar100(folder: &Path) {
    let splits = [("train", 0..1000), ("test", 1000..1200)]
        .map(|(name, numbers)| (name, numbers.map(Image::new).collect::<Vec<_>>()));
    write_binary(&folder.join("cifar-100-binary"), &splits);
    write_python(&folder.join("cifar-100-python"), &splits);
}

#[test]
fn both_forms_are_the_same_data() {
    let folder = workspace();
    write_cifar100(folder.path());
    let info = |data: &str| allcnn(folder.path(), &["data", "info", data, "--json"]).done().json();
    let (binary, python) = (info("cifar-100-binary"), info("cifar-100-python"));
    assert_eq!((&binary["train"], &binary["test"]), (&1000.into(), &200.into()));
    assert_eq!(binary["classes"].as_array().unwrap().len(), 100);
    assert_eq!(binary["fingerprint"], python["fingerprint"]);
}

#[test]
fn fine_and_coarse_classes_are_trained_evaluated_and_predicted() {
    let folder = workspace();
    write_cifar100(folder.path());
    let red = image::RgbImage::from_pixel(32, 32, image::Rgb([150, 90, 40]));
    red.save(folder.path().join("picture.png")).unwrap();
    for (labels, data, classes, name) in [
        ("coarse", "cifar-100-binary", 20, "aquatic_mammals"),
        ("coarse", "cifar-100-python", 20, "aquatic_mammals"),
        ("fine", "cifar-100-python", 100, "apple"),
    ] {
        let out = format!("{labels}-{data}");
        let train = [
            "train",
            "--model",
            "tiny.toml",
            "--data",
            data,
            "--labels",
            labels,
            "--epochs",
            "8",
            "--out",
            &out,
        ];
        allcnn(folder.path(), &train).done();
        let eval = allcnn(folder.path(), &["eval", &out, "--json"]).done().json();
        assert_eq!(keys(&eval).len(), 18);
        assert_eq!((&eval["images"], &eval["classes"][0]["name"]), (&200.into(), &name.into()));
        assert_eq!(eval["classes"].as_array().unwrap().len(), classes);
        let other = if data.ends_with("python") { "cifar-100-binary" } else { "cifar-100-python" };
        let elsewhere = allcnn(folder.path(), &["eval", &out, "--data", other, "--json"]).done().json();
        assert_eq!(eval, elsewhere, "the labels of the run hold for other data too");
        if labels == "coarse" {
            assert!(eval["top1_error_pct"].as_f64().unwrap() < 60.0, "guessing gives 95 %: {eval}");
        }
        let seen =
            allcnn(folder.path(), &["predict", &out, "picture.png", "--top", "200", "--json"]).done().json();
        assert_eq!(seen[0]["predictions"].as_array().unwrap().len(), classes);
    }
    let manifest = fs::read_to_string(folder.path().join("coarse-cifar-100-binary/run.toml")).unwrap();
    assert!(manifest.contains("labels = \"coarse\""), "{manifest}");
    allcnn(folder.path(), &["train", "--labels", "medium"]).fails(2, &["'medium' for '--labels"]);
}
