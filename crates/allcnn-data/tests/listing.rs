//! Every file of a folder or an archive is an image, or is counted under the reason why it is none.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{DataSet, Note, Options, decode::decode, pictures};
use std::fs;
use std::io::Write;
use std::path::Path;
use support::*;
use tempfile::tempdir;

/// How often a reason that begins so was counted.
fn ignored(set: &DataSet, reason: &str) -> usize {
    set.ignored.iter().filter(|one| one.reason.starts_with(reason)).map(|one| one.files).sum()
}

/// Images in both splits, files left out, files that could not be read.
fn counts(set: &DataSet) -> [usize; 4] {
    let left_out = set.ignored.iter().map(|one| one.files).sum();
    [set.train.len(), set.test.len(), left_out, set.skipped.len()]
}

fn heic(brand: &[u8; 4]) -> Vec<u8> {
    [b"\0\0\0\x14ftyp", brand.as_slice(), b"\0\0\0\0", brand, &[7; 100]].concat()
}

#[test]
fn what_is_no_image_is_counted_by_its_reason() {
    let folder = tempdir().unwrap();
    let mut files = class_folders("", 10);
    let extra: [(&str, Vec<u8>); 17] = [
        ("cat/.DS_Store", vec![1]),
        ("cat/._001.png", png(1, 32)),
        ("dog/.ipynb_checkpoints/001-checkpoint.png", png(1, 32)),
        ("cat/@eaDir/001.png/SYNOPHOTO_THUMB_M.jpg", jpeg(1, 32)),
        ("__MACOSX/cat/._001.png", png(1, 32)),
        ("cat/Thumbs.db", vec![1]),
        ("#recycle/old.png", png(1, 32)),
        ("cat/1.HEIC", heic(b"heic")),
        ("dog/1.jpg", heic(b"heix")),
        ("dog/2.heic", heic(b"heic")),
        ("dog/3.avif", heic(b"avif")),
        ("dog/4.mp4", heic(b"isom")),
        ("dog/5.nef", b"MM\0*\0\0\0\x08".to_vec()),
        ("dog/6.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()),
        ("dog/7.tar", tar(&class_folders("", 1))),
        ("dog/8.json", b"{}".to_vec()),
        ("README", b"cats and dogs".to_vec()),
    ];
    files.extend(extra.map(|(name, bytes)| (name.to_string(), bytes)));
    write_folder(folder.path(), &files);
    fs::write(folder.path().join("files.zip"), zip(&files)).unwrap();
    let of_folder = open_path(folder.path()).unwrap();
    assert_eq!(counts(&of_folder), [18, 2, 18, 0], "{:?}", of_folder.ignored);
    for (reason, files) in [
        ("hidden", 3),
        ("left behind", 4),
        ("HEIC", 3),
        ("AVIF", 1),
        ("a film", 1),
        ("a camera's raw file", 1),
        ("SVG", 1),
        ("an archive within the data", 2),
        ("not a picture", 2),
    ] {
        assert_eq!(ignored(&of_folder, reason), files, "{reason}: {:?}", of_folder.ignored);
    }
    let heic: Vec<_> = of_folder.ignored.iter().filter(|one| one.reason.starts_with("HEIC")).collect();
    assert_eq!(heic.iter().map(|one| one.files).collect::<Vec<_>>(), [1, 2], "a count for each folder");
    assert!(heic[0].reason.contains("convert to JPEG or PNG") && heic[0].example == "cat/1.HEIC");

    let of_archive = open_path(&folder.path().join("files.zip")).unwrap();
    assert_eq!(of_archive.fingerprint, of_folder.fingerprint);
    fs::remove_file(folder.path().join("files.zip")).unwrap();
    assert_eq!(of_archive.ignored, open_path(folder.path()).unwrap().ignored);
}

#[test]
fn content_tells_what_a_picture_is() {
    let folder = tempdir().unwrap();
    let mut files = class_folders("", 20);
    files.push(("cat/photo".into(), jpeg(31, 32)));
    files.push(("cat/photo.dat".into(), jpeg(32, 32)));
    files.push(("dog/words.jpg".into(), b"no picture".to_vec()));
    files.push(("dog/cars.txt".into(), b"BMW, the make of a car".to_vec()));
    files.push(("dog/paper.txt".into(), b"P3 of the paper".to_vec()));
    write_folder(folder.path(), &files);
    let set = open_path(folder.path()).unwrap();
    assert_eq!(counts(&set), [39, 3, 2, 1]);
    assert_eq!(set.skipped[0].file, "dog/words.jpg");
    // The same for commands that take pictures.
    let found = pictures(&[folder.path().to_path_buf()]).unwrap();
    assert_eq!((found.files.len(), found.ignored), (43, set.ignored));
    assert!(found.files.contains(&folder.path().join("cat/photo")));
    let one = folder.path().join("dog/cars.txt");
    assert_eq!(
        pictures(std::slice::from_ref(&one)).unwrap().files,
        [one],
        "a file that is named is not judged"
    );
}

#[test]
fn netpbm_pictures_are_read() {
    let cases: [(&str, &[u8], [u8; 6]); 5] = [
        ("P6", b"P6\n# drawn\n2 1\n255\n\x01\x02\x03\x04\x05\x06", [1, 2, 3, 4, 5, 6]),
        ("P3", b"P3 2 1 255 1 2 3 4 5 6\n", [1, 2, 3, 4, 5, 6]),
        ("P5", b"P5\n2 1\n255\n\x09\xff", [9, 9, 9, 255, 255, 255]),
        ("P4", b"P4\n2 1\n\x40", [255, 255, 255, 0, 0, 0]),
        (
            "P7",
            b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n\x09\xff",
            [9, 9, 9, 255, 255, 255],
        ),
    ];
    for (kind, file, pixels) in cases {
        assert_eq!(decode(file).unwrap().pixels, pixels, "{kind}");
        assert!(decode(&file[..file.len() - 1]).is_err() || kind == "P3", "{kind}: truncated");
    }
}

#[test]
fn pictures_without_their_end_are_read_and_truncated_ones_are_not() {
    let (png, jpeg) = (png(3, 32), jpeg(3, 32));
    let end = b"\0\x01SEFH and what else a camera writes, \xff\x00 too".as_slice();
    for (name, file, kept) in [("PNG", &png, png.len() - 12), ("JPEG", &jpeg, jpeg.len() - 2)] {
        let whole = decode(file).unwrap();
        assert_eq!(decode(&[&file[..kept], end].concat()).unwrap(), whole, "{name}");
        assert_eq!(decode(&file[..kept]).unwrap(), whole, "{name}");
        for kept in (kept * 9 / 10..kept - 4).chain([kept / 2]) {
            let error = decode(&file[..kept]).unwrap_err();
            assert!(name == "PNG" || error.contains("truncated"), "{name}, {kept}: {error}");
        }
    }
}

#[test]
fn names_that_differ_in_any_byte_stay_apart() {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, seed) in [(b"cat\xe9/1.png".as_slice(), 1), (b"cat\xe8/1.png", 2), (b"cat\\xe9/1.png", 3)] {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        let bytes = png(seed, 32);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        archive.append(&header, bytes.as_slice()).unwrap();
    }
    let folder = tempdir().unwrap();
    let path = folder.path().join("names.tar");
    fs::write(&path, archive.into_inner().unwrap()).unwrap();
    let set = open_path(&path).unwrap();
    assert_eq!(set.classes, ["cat\\\\xe9", "cat\\xe8", "cat\\xe9"]);
}

#[test]
fn members_of_an_archive_that_lead_elsewhere_are_counted() {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in class_folders("set/", 10) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    let link = |archive: &mut tar::Builder<Vec<u8>>, kind, name: &str, target: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive.append_link(&mut header, name, target).unwrap();
    };
    use tar::EntryType::{Fifo, Link, Symlink};
    link(&mut archive, Symlink, "set/cat/passwd.png", "/etc/passwd");
    link(&mut archive, Symlink, "set/cat/up.png", "../../../../etc/passwd");
    link(&mut archive, Link, "set/cat/none.png", "set/cat/nothing.png");
    link(&mut archive, Symlink, "set/cat/loop", "..");
    link(&mut archive, Fifo, "set/cat/pipe.png", "nothing");
    let folder = tempdir().unwrap();
    let path = folder.path().join("links.tar");
    fs::write(&path, archive.into_inner().unwrap()).unwrap();
    let set = open_path(&path).unwrap();
    assert_eq!(counts(&set), [18, 2, 5, 0], "{:?}", set.ignored);
    for (reason, files) in [
        ("a link out of the archive", 2),
        ("a broken link", 1),
        ("a link that leads in a circle", 1),
        ("a pipe", 1),
    ] {
        assert_eq!(ignored(&set, reason), files, "{reason}");
    }
}

/// `train/` of both classes, in which `val/` is made of links to it.
fn tar_of_links(links: &[(tar::EntryType, &str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for &(kind, name, target) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive.append_link(&mut header, name, target).unwrap();
    }
    for (name, bytes) in class_folders("set/train/", 4) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn links_in_an_archive_are_the_members_that_they_name() {
    use tar::EntryType::{Link, Symlink};
    let folder = tempdir().unwrap();
    let path = folder.path().join("links.tar");
    let single = [
        (Link, "set/val/cat/a.png", "set/train/cat/000.png"),
        (Symlink, "set/val/dog/b.png", "../../train/dog/001.png"),
    ];
    for (links, images, names) in [
        (&single[..], 2, ["set/val/cat/a.png", "set/val/dog/b.png"]),
        (&[(Symlink, "set/val", "train")], 8, ["set/val/cat/000.png", "set/val/cat/001.png"]),
    ] {
        fs::write(&path, tar_of_links(links)).unwrap();
        let set = open_path(&path).unwrap();
        let held_out = [&set.test, &set.validation].into_iter().find(|split| !split.is_empty()).unwrap();
        assert_eq!((set.train.len(), held_out.len()), (8, images));
        assert_eq!(held_out.names[..2], names);
        assert_eq!(held_out.image(0), picture(0, 32));
        let earlier = "set/train/cat/000.png".to_string();
        let note = Note::SharedImages { images, earlier, later: names[0].to_string() };
        assert!(set.notes.contains(&note), "{:?}", set.notes);
    }
}

#[test]
fn links_in_a_zip_are_the_members_that_they_name() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in class_folders("train/", 4) {
        archive.start_file(name, options).unwrap();
        archive.write_all(&bytes).unwrap();
    }
    archive.add_symlink("val", "./train", options).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("links.zip");
    fs::write(&path, archive.finish().unwrap().into_inner()).unwrap();
    let set = open_path(&path).unwrap();
    assert_eq!(set.train.len() + set.test.len() + set.validation.len(), 16);
}

#[cfg(unix)]
mod on_unix {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn fifo(path: &Path) {
        let status = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn pipes_and_sockets_are_never_opened() {
        let folder = tempdir().unwrap();
        write_folder(folder.path(), &class_folders("", 10));
        let path = |name: &str| folder.path().join(name);
        fifo(&path("cat/x.jpg"));
        let _socket = UnixListener::bind(path("cat/y.jpg")).unwrap();
        symlink("x.jpg", path("cat/z.jpg")).unwrap();
        symlink("/dev/zero", path("cat/zero.png")).unwrap();
        let set = open_path(folder.path()).unwrap();
        assert_eq!(counts(&set), [18, 2, 4, 0], "{:?}", set.ignored);
        assert_eq!(ignored(&set, "a pipe, a socket or a device"), 4);
        assert!(error_of(&path("cat/x.jpg")).contains("is a pipe"));
    }

    #[test]
    fn links_are_followed_unless_they_lead_nowhere_or_in_a_circle() {
        let folder = tempdir().unwrap();
        write_folder(folder.path(), &class_folders("a/", 10));
        let path = |name: &str| folder.path().join("a").join(name);
        symlink("nothing", path("cat/broken.png")).unwrap();
        symlink("self.png", path("cat/self.png")).unwrap();
        symlink("..", path("cat/up")).unwrap();
        symlink("../dog", path("cat/more")).unwrap();
        symlink("../dog/000.png", path("cat/z.png")).unwrap();
        let set = open_path(folder.path()).unwrap();
        let names = [&set.train.names[..], &set.test.names].concat();
        assert_eq!((names.len(), ignored(&set, "a broken link")), (31, 1), "{:?}", set.ignored);
        assert_eq!(ignored(&set, "a link that leads in a circle"), 2);
        assert!(
            names.contains(&"a/cat/more/009.png".to_string()) && names.contains(&"a/cat/z.png".to_string())
        );
    }

    #[test]
    fn a_split_that_is_a_link_to_the_other_one_is_read_and_told() {
        let folder = tempdir().unwrap();
        write_folder(folder.path(), &class_folders("train/", 10));
        symlink("train", folder.path().join("val")).unwrap();
        let shared = |set: &DataSet| {
            set.notes.iter().find_map(|note| match note {
                Note::SharedImages { images, .. } => Some(*images),
                _ => None,
            })
        };
        let set = open_path(folder.path()).unwrap();
        assert_eq!((counts(&set)[2], shared(&set)), (0, Some(20)), "{:?}", set.notes);
        // Hard links lead to one file too; the same content in two files is no link.
        fs::remove_file(folder.path().join("val")).unwrap();
        write_folder(folder.path(), &class_folders("val/", 3));
        assert_eq!(shared(&open_path(folder.path()).unwrap()), None);
        fs::hard_link(folder.path().join("train/cat/000.png"), folder.path().join("val/cat/x.png")).unwrap();
        assert_eq!(shared(&open_path(folder.path()).unwrap()), Some(1));
    }

    #[test]
    fn a_hidden_store_is_read_where_links_with_visible_names_lead_there() {
        let folder = tempdir().unwrap();
        write_folder(folder.path(), &class_folders(".store/", 10));
        for split in ["train", "val"] {
            fs::create_dir(folder.path().join(split)).unwrap();
            for class in ["cat", "dog"] {
                symlink(format!("../.store/{class}"), folder.path().join(split).join(class)).unwrap();
            }
        }
        fs::write(folder.path().join(".store/dvc.lock"), "x").unwrap();
        let set = open_path(folder.path()).unwrap();
        let held_out = set.test.len() + set.validation.len();
        assert_eq!((set.train.len(), held_out, ignored(&set, "hidden")), (20, 20, 1), "{:?}", set.ignored);
    }

    #[test]
    fn files_and_folders_may_have_names_of_any_bytes() {
        let folder = tempdir().unwrap();
        write_folder(folder.path(), &class_folders("data/", 5));
        let data = folder.path().join("data");
        let other = folder.path().join(OsStr::from_bytes(b"dat\xe9"));
        fs::rename(&data, &other).unwrap();
        for (name, seed) in
            [(b"\xe9.png".as_slice(), 7), (b"\xe8.png", 8), (b"\\xe9.png", 9), (b"a\\b.png", 10)]
        {
            fs::write(other.join("cat").join(OsStr::from_bytes(name)), png(seed, 32)).unwrap();
        }
        fs::create_dir(other.join(OsStr::from_bytes(b"c\xf6w"))).unwrap();
        fs::write(other.join(OsStr::from_bytes(b"c\xf6w/1.png")), png(1, 32)).unwrap();
        for on_disk in [false, true] {
            let options = Options { on_disk, size: Some((32, 32)), ..Options::default() };
            let set = allcnn_data::open(&other, &options, &mut |_| {}).unwrap();
            assert_eq!((set.name.as_str(), set.classes.join(" ").as_str()), ("dat\\xe9", "c\\xf6w cat dog"));
            let names = [&set.train.names[..], &set.test.names].concat();
            for name in ["cat/\\xe9.png", "cat/\\xe8.png", "cat/\\\\xe9.png", "cat/a\\b.png", "c\\xf6w/1.png"]
            {
                assert!(names.contains(&name.to_string()), "{name}: {names:?}");
            }
            let find =
                |images: &allcnn_data::Images| images.names.iter().position(|name| name == "cat/\\xe9.png");
            let (images, place) =
                [&set.train, &set.test].iter().find_map(|images| Some((*images, find(images)?))).unwrap();
            let pixels = images.read(place).unwrap();
            assert!(on_disk || *pixels == picture(7, 32)); // a photograph on disk is cut
        }
    }
}

#[test]
fn lists_from_any_system_are_read() {
    let labels = "v1.JPEG 1\r\nv2.JPEG 0\r\n\r\n";
    let utf16: Vec<u8> = format!("\u{feff}{labels}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for list in [labels.as_bytes(), &utf16, format!("\u{feff}{labels}").as_bytes()] {
        let folder = tempdir().unwrap();
        let mut files = class_folders("train/", 3);
        files.extend([1, 2].map(|number| (format!("val/v{number}.JPEG"), jpeg(number, 32))));
        files.push(("val.txt".into(), list.to_vec()));
        write_folder(folder.path(), &files);
        let set = open_path(folder.path()).unwrap();
        let held_out = if set.test.is_empty() { &set.validation } else { &set.test };
        assert_eq!((held_out.labels.as_slice(), set.ignored.as_slice()), ([1, 0].as_slice(), [].as_slice()));
        files.last_mut().unwrap().1 = b"v1.JPEG caf\xe9\nv2.JPEG 0\n".to_vec();
        write_folder(folder.path(), &files);
        assert!(error_of(folder.path()).contains("save it as UTF-8"));
    }
}
