//! Archives as people pack them: any compression, several streams, old tars, members that replace others; and those that are
//! made to fill a machine.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{Note, Options};
use liblzma::stream::{Check, Stream};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use support::*;
use tempfile::{TempDir, tempdir};

type Pack = fn(&[u8]) -> Vec<u8>;

/// Every compression, at its best.
const PACKERS: [(&str, Pack); 4] = [("gz", pack_gz), ("zst", pack_zst), ("xz", pack_xz), ("bz2", pack_bz2)];

fn pack_gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pack_zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn pack_xz(bytes: &[u8]) -> Vec<u8> {
    let stream = Stream::new_easy_encoder(1, Check::Crc64).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pack_bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A file of that name in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn message(name: &str, bytes: &[u8]) -> String {
    error_of(&file(name, bytes).1)
}

#[test]
fn every_compression_is_told_by_content_and_read_to_the_last_stream() {
    let plain = tar(&class_folders("", 10));
    let expected = open_path(&file("set.tar", &plain).1).unwrap().fingerprint;
    for (name, pack) in PACKERS {
        for name in ["set", "set.zip", &format!("set.tar.{name}")] {
            assert_eq!(open_path(&file(name, &pack(&plain)).1).unwrap().fingerprint, expected, "{name}");
        }
        // As pbzip2, pigz, `xz -T` and `cat` write it.
        let streams: Vec<u8> = plain.chunks(plain.len() / 3).flat_map(pack).collect();
        assert_eq!(open_path(&file(name, &streams).1).unwrap().fingerprint, expected, "{name}");
    }
    let padded: Vec<u8> =
        plain.chunks(plain.len() / 2).flat_map(|half| [pack_xz(half), vec![0; 8]].concat()).collect();
    assert_eq!(
        open_path(&file("padded", &padded).1).unwrap().fingerprint,
        expected,
        "xz pads between streams"
    );
}

#[test]
fn a_truncated_archive_is_told_whatever_its_compression() {
    let plain = tar(&class_folders("", 10));
    for (name, pack) in PACKERS {
        let packed = pack(&plain);
        for cut in [packed.len() / 4, packed.len() / 2, packed.len() * 3 / 4] {
            let error = message(name, &packed[..cut]);
            assert!(error.contains("damaged, truncated"), "{name} {cut}: {error}");
        }
        let error = message(name, &pack(b"words, and no archive"));
        assert!(error.contains("no archive of files"), "{name}: {error}");
    }
}

#[test]
fn an_old_tar_without_a_mark_is_an_archive() {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in class_folders("", 10) {
        let mut header = tar::Header::new_old();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    let old = archive.into_inner().unwrap();
    assert!(!old.windows(5).any(|bytes| bytes == b"ustar"));
    let set = open_path(&file("set", &old).1).unwrap();
    let of_folder = open_path(folder_of(class_folders("", 10)).path()).unwrap();
    assert_eq!(set.fingerprint, of_folder.fingerprint);
    // Within other data it is an archive like any.
    let mut files = class_folders("", 10);
    files.push(("old.bin".into(), old));
    let set = open_path(folder_of(files).path()).unwrap();
    assert_eq!(set.ignored[0].reason, "an archive within the data: unpack it");
}

#[test]
fn of_members_with_one_name_the_last_one_counts() {
    let mut files = class_folders("", 10);
    let expected = open_path(folder_of(files.clone()).path()).unwrap().fingerprint;
    let old = files.clone();
    files.extend([("cat/003.png".to_string(), png(200, 32)), ("./cat/003.png".to_string(), png(3, 32))]);
    let set = open_path(&file("set.tar", &tar(&files)).1).unwrap();
    assert_eq!(set.fingerprint, expected);
    let found: Vec<_> =
        set.ignored.iter().map(|one| (one.files, one.reason.as_str(), one.example.as_str())).collect();
    assert_eq!(found, [(2, "replaced by a later member of the same name", "cat/003.png")]);
    assert_eq!(set.train.names.iter().filter(|name| *name == "cat/003.png").count(), 1);

    // In a zip too: two names that differ become one.
    let mut files = old.clone();
    files.insert(0, ("cat/00X.png".to_string(), png(200, 32)));
    let mut bytes = zip(&files);
    while let Some(place) = bytes.windows(7).position(|bytes| bytes == b"cat/00X") {
        bytes[place + 6] = b'3';
    }
    let set = open_path(&file("set.zip", &bytes).1).unwrap();
    let found: Vec<_> =
        set.ignored.iter().map(|one| (one.files, one.reason.as_str(), one.example.as_str())).collect();
    assert_eq!(found, [(1, "replaced by a later member of the same name", "cat/003.png")]);
    assert_eq!(set.fingerprint, expected);

    // A link replaces a file, a file replaces a link.
    let mut archive = tar::Builder::new(tar(&old)[..tar(&old).len() - 1024].to_vec());
    let mut link = |name: &str, target: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, name, target).unwrap();
    };
    link("cat/000.png", "001.png");
    link("dog/000.png", "001.png");
    let last = tar(&[("dog/000.png".to_string(), png(100, 32))]);
    let bytes = [&archive.get_ref()[..], &last].concat();
    let set = open_path(&file("links.tar", &bytes).1).unwrap();
    assert_eq!(set.ignored[0].files, 3, "{:?}", set.ignored);
    assert_eq!(set.train.image(0), picture(1, 32), "what the link leads to");
    let dog = set.train.names.iter().position(|name| name == "dog/000.png").unwrap();
    assert_eq!((set.train.len() + set.test.len(), set.train.image(dog)), (20, picture(100, 32).as_slice()));
}

#[test]
fn folders_of_any_depth_are_left_out_where_no_system_opens_them() {
    let deep = format!("{}1.png", "a/".repeat(300_000));
    for linked in [false, true] {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in class_folders("", 3).into_iter().chain([(deep.clone(), png(1, 32))]) {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        if linked {
            // Links make the archive a tree of folders, which is walked; one of them leads back to all.
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, "cat/link.png", "000.png").unwrap();
            archive.append_link(&mut header, format!("{deep}.link.png"), "1.png").unwrap();
        }
        let set = open_path(&file("set.tar", &archive.into_inner().unwrap()).1).unwrap();
        assert_eq!(set.train.len() + set.test.len(), 6 + usize::from(linked));
        let left_out: Vec<_> = set.ignored.iter().map(|one| (one.reason.as_str(), one.files)).collect();
        assert_eq!(left_out, [("its path is longer than 4096 bytes", 1 + usize::from(linked))]);
        assert!(set.ignored[0].example.len() < 100);
    }
}

#[test]
fn an_empty_class_folder_is_noticed() {
    let folder =
        folder_of(class_folders("train/", 10).into_iter().chain(class_folders("test/", 2)).collect());
    for empty in ["train/bird", "train/cow/calf", "test/cat/nothing"] {
        fs::create_dir_all(folder.path().join(empty)).unwrap();
    }
    fs::write(folder.path().join("train/bird/.gitkeep"), "").unwrap();
    let set = open_path(folder.path()).unwrap();
    let empty: Vec<&Note> = set.notes.iter().filter(|note| note.kind() == "folder-without-images").collect();
    let note = |folder: &str| Note::FolderWithoutImages { folder: folder.into(), files: 0 };
    assert_eq!(empty, [&Note::FolderWithoutImages { folder: "bird".into(), files: 0 }, &note("cow")]);
    assert_eq!(set.classes, ["cat", "dog"]);
}

/// The header of a member of so many bytes.
fn header(name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn a_bomb_of_any_kind_is_refused() {
    let refused = |name: &str, bytes: &[u8]| {
        assert!(bytes.len() < 2 << 20, "{name}: {}", bytes.len());
        let error = message(name, bytes);
        assert!(error.contains("more than 1000 bytes come out of each"), "{name}: {error}");
    };
    const STREAM: usize = 32 << 20;
    let nothing = vec![0; STREAM];
    for (name, pack) in PACKERS {
        let (head, stream) = (pack(&header("cat/1.bmp", 40 * STREAM as u64)), pack(&nothing));
        refused(name, &[head, stream.repeat(12)].concat());
    }
    let large = vec![0; 3073 * 100_000];
    refused("zip", &best_zip("data_batch_1.bin", &large));
    let array = npy("'|u1'", false, &[large.len() / 1024, 32, 32], &large[..large.len() / 1024 * 1024]);
    refused("npz", &best_zip("x_train.npy", &array));
}

/// A zip archive of one file, compressed as much as can be.
fn best_zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_level(Some(9));
    archive.start_file(name, options).unwrap();
    archive.write_all(bytes).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn flat_drawings_in_any_archive_are_no_bomb() {
    // Uncompressed pictures of one color: 300 of 100 KB.
    let files: Vec<_> = (0..300u32)
        .map(|number| {
            let color = [number as u8, (number / 7) as u8, 9];
            let bytes = [b"P6 184 184 255\n".to_vec(), color.repeat(184 * 184)].concat();
            (format!("{}/{number:03}.ppm", if number % 2 == 0 { "cat" } else { "dog" }), bytes)
        })
        .collect();
    let plain = tar(&files);
    for (name, pack) in PACKERS {
        let options = Options { size: Some((8, 8)), ..Options::default() };
        let set = open_with(&file(name, &pack(&plain)).1, &options).unwrap();
        assert_eq!(set.train.len() + set.test.len(), 300, "{name}");
    }
}

#[test]
fn xz_that_needs_much_memory_is_refused() {
    let mut packed = pack_xz(&tar(&class_folders("", 4)));
    // The header of the first block: its size in words, its flags, the filter LZMA2 with one byte that tells the dictionary's
    // size, and a checksum.
    let end = 12 + usize::from(packed[12]) * 4;
    assert_eq!(packed[13..16], [0, 0x21, 1]);
    packed[16] = 39; // 3 GiB
    let mut sum = flate2::Crc::new();
    sum.update(&packed[12..end]);
    packed[end..end + 4].copy_from_slice(&sum.sum().to_le_bytes());
    let error = message("set.tar.xz", &packed);
    assert!(error.contains("more than 512 MiB of memory") && error.contains("xz -9"), "{error}");
}
