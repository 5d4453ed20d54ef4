//! Any bytes into everything that reads data: valid files of every kind, and thousands of changed ones.
#![allow(clippy::unwrap_used)]
#[path = "../../../fuzz/smoke.rs"]
mod smoke;
mod support;
use allcnn_data::fuzz::TARGETS;
use image::{ExtendedColorType, ImageEncoder, codecs};
use smoke::Seeds;
use support::*;

fn files(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| fixture(name)).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A picture in every form that is read.
fn pictures() -> Vec<Vec<u8>> {
    let (side, pixels) = (12, picture(3, 12));
    let mut forms = vec![png(1, 9), jpeg(2, 17), fixture("turned.jpg"), fixture("cmyk.jpg")];
    let mut add = |write: &dyn Fn(&mut std::io::Cursor<Vec<u8>>)| {
        let mut file = std::io::Cursor::new(Vec::new());
        write(&mut file);
        forms.push(file.into_inner());
    };
    let rgb = ExtendedColorType::Rgb8;
    add(&|file| codecs::bmp::BmpEncoder::new(file).write_image(&pixels, side, side, rgb).unwrap());
    add(&|file| codecs::gif::GifEncoder::new(file).encode(&pixels, side, side, rgb).unwrap());
    add(&|file| codecs::tiff::TiffEncoder::new(file).write_image(&pixels, side, side, rgb).unwrap());
    add(&|file| codecs::pnm::PnmEncoder::new(file).write_image(&pixels, side, side, rgb).unwrap());
    add(&|file| codecs::webp::WebPEncoder::new_lossless(file).write_image(&pixels, side, side, rgb).unwrap());
    forms.extend(texts(&["P3 2 1 255\n1 2 3 4 5 6\n", "P1\n# comment\n2 2\n0 1 1 0\n"]));
    forms
}

/// Archives of every kind, of every form of data.
fn archives() -> Vec<Vec<u8>> {
    let folders = |side| -> Vec<(String, Vec<u8>)> {
        ["cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png"]
            .map(|name| (name.to_string(), png(name.len(), side)))
            .into()
    };
    let mut open = tar(&folders(4));
    open.truncate(open.len() - 1024); // the two empty blocks at its end
    let end = open.len() as u64;
    let mut room = std::io::Cursor::new(open);
    room.set_position(end);
    let mut linked = tar::Builder::new(room);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    linked.append_link(&mut header, "dog/5.png", "../cat/1.png").unwrap();
    vec![
        tar(&folders(4)),
        linked.into_inner().unwrap().into_inner(),
        gz(&tar(&folders(4))),
        zstd::encode_all(tar(&folders(3)).as_slice(), 1).unwrap(),
        zip(&folders(4)),
        zip(&[
            ("train.csv".into(), b"image,label\n1.png,a\n2.png,b\n".to_vec()),
            ("1.png".into(), png(1, 3)),
            ("2.png".into(), png(2, 3)),
        ]),
        zip(&[("a.parquet".into(), pets(4, 1))]),
    ]
}

fn arrays() -> Vec<Vec<u8>> {
    let names = npy(
        "'<U3'",
        false,
        &[2],
        &"cat\0dog"
            .chars()
            .filter(|c| *c != '\0')
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect::<Vec<u8>>(),
    );
    vec![
        fixture("stored.npz"),
        npz(&[("images", picture_array(1, 4, 3)), ("labels", label_array(4))]),
        npz(&[
            ("x_train", picture_array(1, 4, 3)),
            ("y_train", label_array(4)),
            ("x_test", picture_array(2, 2, 3)),
            ("y_test", label_array(2)),
            ("class_names", names),
        ]),
        npz(&[
            ("x", npy("'|u1'", true, &[4, 2, 2], &[7; 16])),
            ("y", npy("'|S3'", false, &[4], b"catdogcatdog")),
        ]),
        npz(&[
            ("x", npy("'|u1'", false, &[2, 3, 4, 4], &[9; 96])),
            ("y", npy("'>i4'", false, &[2], &[0, 0, 0, 0, 0, 0, 0, 1])),
        ]),
    ]
}

fn seeds() -> Vec<Seeds> {
    let record = |label: u8| record(&[label], label.into());
    vec![
        ("archive", archives()),
        ("cifar", [vec![[record(3), record(9)].concat()], files(&["cifar10.protocol4.pickle"])].concat()),
        (
            "folder",
            texts(&[
                "train/cat/1.png\ntrain/dog/2.png\ntest/cat/3.png\ntest/dog/4.png\n",
                "cat/1.png\ncat/2.png\ndog/3.png\ndog/4.png\nREADME\n text\n",
                "a/seg_train/seg_train/cat/1.png\na/seg_train/seg_train/dog/2.png\na/seg_test/seg_test/cat/3.png\n",
                "cat/train/1.png\ncat/test/2.png\ndog/train/3.png\ndog/test/4.png\n",
                "train/n01/1.png\ntrain/n02/2.png\nval/a.png\nval/b.png\nval.txt\n a.png 0\n b.png 1\nsynset_words.txt\n n01 ant\n n02 bee\n",
                "train.csv\n image,label\n 1.png,cat\n 2.png,dog\n1.png\n2.png\n",
            ]),
        ),
        (
            "jxl",
            files(&["alpha.jxl", "deep.jxl", "grey.jxl", "linear.jxl", "lossy.jxl", "rgb.jxl", "turned.jxl"]),
        ),
        (
            "lists",
            texts(&[
                "a.png 0\nb 1.png 1\n",
                "\"a.png\" n01\n'b 1.png' n02\n",
                "a.png\tn01\t0\t0\t1\t1\nb 1.png\tn02\t0\t0\t1\t1\n",
                "ImageId,PredictionString\na,n01 1 2 3 4\nb 1,n02 1 2 3 4 n02 5 6 7 8\n",
                "n01 ant, emmet\nn02 bee\n",
                "n01\nn02\n",
                "n01\tant\nn02\tbee\nn03\tentity\n",
            ]),
        ),
        ("npz", arrays()),
        ("parquet", vec![pets(4, 1), parquet_of_paths(&[("1.png", true), ("2.png", false)])]),
        (
            "pickle",
            files(&[
                "cifar10.protocol2.pickle",
                "cifar10.protocol4.pickle",
                "cifar10.python2.pickle",
                "cifar100.protocol2.pickle",
                "meta.pickle",
                "malicious.pickle",
            ]),
        ),
        ("picture", pictures()),
        (
            "table",
            texts(&[
                "image,label\n1.png,cat\n2.png,dog\n3.png,cat\n",
                "1,cat\n2,dog\n3,\"big, cat\"\n",
                "id\tbreed\tsplit\n1\tcat\ttrain\n2\tdog\ttrain\n3\tcat\ttest\n",
                ";file;class id;class\n0;train/4.png;7;a\n1;1.png;9;b\n",
                "file,label\ntest/5.png,-1\n1.png,2.0\n2.png,3\n",
            ]),
        ),
    ]
}

#[test]
fn no_bytes_are_too_much_for_what_reads_data() {
    smoke::run(&TARGETS, &seeds());
}
