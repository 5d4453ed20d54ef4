//! JPEG files give the pixels that PIL reads, to the bit.
#![allow(clippy::unwrap_used)] // the lint's leave for tests ends at their helper functions

use std::fs;
use std::path::Path;

use allcnn_data::decode::{decode, decode_for};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

#[test]
fn every_kind_gives_the_pixels_of_pil() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jpeg/golden.safetensors");
    let bytes = fs::read(path).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let decoded: Vec<_> = golden.names().into_iter().filter(|name| !name.ends_with(".file")).collect();
    assert_eq!(decoded.len(), 61);
    for name in decoded {
        let file = golden.tensor(&format!("{}.file", name.split_once('.').unwrap().0)).unwrap().data();
        let expected = golden.tensor(name).unwrap();
        let &[height, width, 3] = expected.shape() else { panic!("{name}: {:?}", expected.shape()) };
        // The largest picture for which that part of the size is enough.
        let picture = decode_for(file, height * 7 / 8, width * 7 / 8).unwrap();
        assert_eq!((picture.height, picture.width), (height, width), "{name}");
        assert!(picture.pixels == expected.data(), "{name}: other pixels");
        if name.ends_with(".1") {
            assert_eq!(decode(file).unwrap(), picture, "{name}");
        }
    }
}

/// The SHA-256 of the pixels with height and width; what is wrong where the file cannot be read.
fn hash(file: &[u8]) -> Result<(String, usize, usize), String> {
    let picture = decode(file)?;
    Ok((format!("{:x}", Sha256::digest(&picture.pixels)), picture.height, picture.width))
}

/// Files of every mode, sampling, size, progression and Adobe transform: a part of the grid that `grid.py` writes.
#[test]
fn a_sample_of_the_grid_gives_the_pixels_of_pil() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jpeg/grid.safetensors");
    let bytes = fs::read(path).unwrap();
    let grid = SafeTensors::deserialize(&bytes).unwrap();
    let files: Vec<String> =
        grid.names().into_iter().filter_map(|name| name.strip_suffix(".file").map(str::to_string)).collect();
    assert!(files.len() >= 200, "{}", files.len());
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap()) as usize;
    let differs = |name: &String| {
        let expected = grid.tensor(&format!("{name}.hash")).unwrap().data();
        let (sha, size) = expected.split_at(32);
        let sha: String = sha.iter().map(|byte| format!("{byte:02x}")).collect();
        hash(grid.tensor(&format!("{name}.file")).unwrap().data())
            != Ok((sha, number(&size[..4]), number(&size[4..])))
    };
    let wrong: Vec<&String> = files.iter().filter(|name| differs(name)).collect();
    assert!(wrong.is_empty(), "{} of {} files: {wrong:?}", wrong.len(), files.len());
}

/// The whole grid, in the folder ALLCNN_JPEG_GRID.
#[test]
#[ignore = "needs the files of tests/fixtures/jpeg/grid.py"]
fn the_whole_grid_gives_the_pixels_of_pil() {
    let folder = std::path::PathBuf::from(std::env::var_os("ALLCNN_JPEG_GRID").expect("ALLCNN_JPEG_GRID"));
    let list = fs::read_to_string(folder.join("pixels.txt")).unwrap();
    let mut wrong = std::collections::BTreeMap::<String, Vec<String>>::new();
    for line in list.lines() {
        let [sha, height, width, file] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let expected = (sha.to_string(), height.parse().unwrap(), width.parse().unwrap());
        let found = hash(&fs::read(folder.join(file)).unwrap());
        if found.as_ref() != Ok(&expected) {
            let kind = file.splitn(3, '-').take(2).collect::<Vec<_>>().join("-");
            let what = match found {
                Ok((_, h, w)) if (h, w) != (expected.1, expected.2) => format!("{file}: {h}x{w}"),
                Ok(_) => format!("{file}: other pixels"),
                Err(error) => format!("{file}: {error}"),
            };
            wrong.entry(kind).or_default().push(what);
        }
    }
    for (kind, files) in &wrong {
        println!(
            "{kind}: {} files, {}",
            files.len(),
            files.iter().take(3).cloned().collect::<Vec<_>>().join("; ")
        );
    }
    assert!(
        wrong.is_empty(),
        "{} of {} files",
        wrong.values().map(Vec::len).sum::<usize>(),
        list.lines().count()
    );
}
