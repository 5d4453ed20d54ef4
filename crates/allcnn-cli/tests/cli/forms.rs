//! Data as people have it: numpy's arrays, compressed tars, JPEG XL; and what the program says of such files that are damaged,
//! of another kind than their name says, or made to fill a machine.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use crate::support::{Outcome, allcnn, image_folder, picture, train_arguments, workspace};
use liblzma::stream::{Check, Stream};
use tempfile::TempDir;

/// Looks at a file with these bytes.
fn info(name: &str, bytes: &[u8]) -> Outcome {
    let folder = with(name, bytes);
    allcnn(folder.path(), &["data", "info", name])
}

fn with(name: &str, bytes: &[u8]) -> TempDir {
    let folder = workspace();
    fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

/// An array file of numpy.
fn npy(descr: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|side| format!("{side}, ")).collect();
    let head = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\0".as_slice(), &(head.len() as u16).to_le_bytes(), head.as_bytes(), bytes].concat()
}

/// A zip archive of files, compressed as much as can be.
fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default().compression_level(Some(9));
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Red and blue pictures with their labels, in turn.
fn arrays(images: u8) -> [Vec<u8>; 2] {
    let color = |number| if number % 2 == 0 { [10, 20, 180] } else { [190, 20, 10] };
    let pixels: Vec<u8> = (0..images).flat_map(|number| picture(color(number), number).into_raw()).collect();
    let labels: Vec<u8> = (0..images).map(|number| number % 2).collect();
    let images = usize::from(images);
    [npy("|u1", &[images, 32, 32, 3], &pixels), npy("|u1", &[images, 1], &labels)]
}

fn medmnist() -> Vec<u8> {
    let [[x, y], [val_x, val_y], [test_x, test_y]] = [40, 8, 12].map(arrays);
    zip(&[
        ("train_images.npy", x),
        ("train_labels.npy", y),
        ("val_images.npy", val_x),
        ("val_labels.npy", val_y),
        ("test_images.npy", test_x),
        ("test_labels.npy", test_y),
    ])
}

/// A tar archive of what is in a folder.
fn tar(folder: &Path) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all("pictures", folder).unwrap();
    archive.into_inner().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let stream = Stream::new_easy_encoder(1, Check::Crc64).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKERS: [(&str, Pack); 4] = [("tar.gz", gz), ("tar.zst", zst), ("tar.xz", xz), ("tar.bz2", bz2)];

#[test]
fn a_network_trains_on_arrays() {
    let folder = with("medmnist.npz", &medmnist());
    let data = allcnn(folder.path(), &["data", "info", "medmnist.npz", "--json"]).done().json();
    assert_eq!((&data["kind"], &data["height"]), (&"npz".into(), &32.into()));
    assert_eq!((&data["train"], &data["validation"], &data["test"]), (&40.into(), &8.into(), &12.into()));
    let more = ["--data", "medmnist.npz", "--epochs", "1", "--json"];
    let trained = allcnn(folder.path(), &train_arguments("run", &more)).done().json();
    assert_eq!(trained["selected_on"], "validation");
    allcnn(folder.path(), &["eval", "run", "--split", "train"]).done();
}

#[test]
fn a_network_trains_on_tars_of_any_compression() {
    let folder = workspace();
    let plain = tar(&image_folder(folder.path(), 20));
    fs::write(folder.path().join("set.tar"), &plain).unwrap();
    let fingerprint = |name: &str| {
        allcnn(folder.path(), &["data", "info", name, "--json"]).done().json()["fingerprint"].clone()
    };
    let expected = fingerprint("set.tar");
    for (name, pack) in PACKERS {
        fs::write(folder.path().join(name), pack(&plain)).unwrap();
        assert_eq!(fingerprint(name), expected, "{name}");
    }
    allcnn(folder.path(), &train_arguments("run", &["--data", "tar.xz", "--epochs", "1"])).done();
}

#[test]
fn jpeg_xl_pictures_are_predicted() {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("run", &["--limit", "64", "--epochs", "1"])).done();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../allcnn-data/tests/fixtures/files");
    fs::copy(fixtures.join("rgb.jxl"), folder.path().join("picture.jxl")).unwrap();
    fs::copy(fixtures.join("alpha.jxl"), folder.path().join("named.png")).unwrap();
    let told = allcnn(folder.path(), &["predict", "run", "picture.jxl", "named.png"]).done();
    assert!(told.stdout.contains("picture.jxl") && told.stdout.contains("named.png"), "{told:?}");
    let whole = fs::read(fixtures.join("rgb.jxl")).unwrap();
    fs::write(folder.path().join("cut.jxl"), &whole[..whole.len() / 2]).unwrap();
    let told = allcnn(folder.path(), &["predict", "run", "cut.jxl"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("cut.jxl") && told.stderr.contains("truncated"), "{told:?}");
}

#[test]
fn truncated_files_are_told() {
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let folder = workspace();
    let plain = tar(&image_folder(folder.path(), 4));
    for (name, pack) in PACKERS {
        info(name, &cut(pack(&plain))).fails(1, &[name, "damaged, truncated", "pack it again"]);
    }
    info("set.npz", &cut(medmnist())).fails(1, &["set.npz", "damaged", "np.savez"]);
    let [x, y] = arrays(4);
    let torn = zip(&[("x.npy", cut(x)), ("y.npy", y)]);
    info("set.npz", &torn).fails(1, &["set.npz/x", "uint8 [4, 32, 32, 3]", "truncated", "np.savez"]);
}

#[test]
fn names_that_say_something_else_change_nothing() {
    let folder = workspace();
    let plain = tar(&image_folder(folder.path(), 10));
    for (name, bytes) in
        [("a.zip", xz(&plain)), ("a.tar.gz", bz2(&plain)), ("a.jpg", medmnist()), ("a.npz", gz(&plain))]
    {
        info(name, &bytes).done();
    }
    // Words under names of data are told as what they are.
    for name in ["a.npz", "a.tar.xz", "a.tar.bz2"] {
        info(name, b"words").fails(1, &[name, "nothing that can be read", ".npz"]);
    }
    info("a.tar.xz", &xz(b"words")).fails(1, &["a.tar.xz", "no archive of files"]);
}

/// Two arrays with their names, and parts of the error that they give.
type Case = (&'static str, Vec<u8>, &'static str, Vec<u8>, &'static [&'static str]);

#[test]
fn arrays_that_do_not_fit_are_told() {
    let [x, y] = arrays(6);
    let [other, _] = arrays(4);
    let cases: [Case; 6] = [
        (
            "x",
            other,
            "y",
            y.clone(),
            &["'x' (uint8 [4, 32, 32, 3]) holds 4 images", "'y' (uint8 [6, 1]) holds 6 labels"],
        ),
        (
            "x",
            npy("|u1", &[6, 3072], &[0; 6 * 3072]),
            "y",
            y.clone(),
            &["[6, 3072]", "[images, height, width, 3]"],
        ),
        ("x", npy("<f4", &[6, 1, 1], &[0; 24]), "y", y.clone(), &["float32", "255"]),
        ("x", x.clone(), "y", npy("|u1", &[6, 2], &[0; 12]), &["[6, 2]", "argmax"]),
        (
            "x",
            x.clone(),
            "y",
            npy("|O", &[6], b"\x80\x02cos\nsystem\n(S'touch executed'\ntR."),
            &["Python objects", "never unpacked"],
        ),
        (
            "arr_0",
            x,
            "arr_1",
            y,
            &["no array in it is named like images", "'arr_0' (uint8 [6, 32, 32, 3])", "x_train"],
        ),
    ];
    for (first, images, second, labels, parts) in cases {
        let file = zip(&[(&format!("{first}.npy"), images), (&format!("{second}.npy"), labels)]);
        let folder = with("set.npz", &file);
        allcnn(folder.path(), &["data", "info", "set.npz"]).fails(1, parts);
        assert!(!folder.path().join("executed").exists());
    }
}

#[test]
fn what_would_fill_a_machine_is_refused() {
    let mut header = tar::Header::new_gnu();
    header.set_path("cat/1.bmp").unwrap();
    header.set_size(1 << 40);
    header.set_mode(0o644);
    header.set_cksum();
    let nothing = vec![0; 32 << 20];
    for (name, pack) in PACKERS {
        let bomb = [pack(header.as_bytes()), pack(&nothing).repeat(12)].concat();
        info(name, &bomb).fails(1, &[name, "more than 1000 bytes come out", "unpack it"]);
    }
    let [_, y] = arrays(6);
    let bomb = zip(&[("x.npy", npy("|u1", &[9, 32 << 10, 1 << 10], &nothing.repeat(9))), ("y.npy", y)]);
    info("set.npz", &bomb).fails(1, &["set.npz/x", "more than 1000 bytes come out"]);
    // The header of the first block of an xz file: its size in words, and behind the filter its dictionary's.
    let mut packed = xz(&nothing[..1000]);
    let end = 12 + usize::from(packed[12]) * 4;
    packed[16] = 39;
    let mut sum = flate2::Crc::new();
    sum.update(&packed[12..end]);
    packed[end..end + 4].copy_from_slice(&sum.sum().to_le_bytes());
    info("much.tar.xz", &packed).fails(1, &["more than 512 MiB of memory", "xz -9"]);
}
