//! Files of every kind and mode give the pixels that PIL reads; what is transparent is laid on white.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use allcnn_data::decode::decode;
use safetensors::SafeTensors;

#[test]
fn every_mode_of_every_kind_gives_the_pixels_of_pil() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kinds/grid.safetensors");
    let bytes = fs::read(path).unwrap();
    let grid = SafeTensors::deserialize(&bytes).unwrap();
    let mut wrong = Vec::new();
    let mut names: Vec<&str> =
        grid.names().into_iter().filter_map(|name| name.strip_suffix(".file")).collect();
    names.sort_unstable();
    assert!(names.len() > 400, "{}", names.len());
    for name in names {
        let expected = grid.tensor(&format!("{name}.pixels")).unwrap();
        let size = [expected.shape()[0], expected.shape()[1]];
        match decode(grid.tensor(&format!("{name}.file")).unwrap().data()) {
            Ok(picture) if [picture.height, picture.width] != size => {
                wrong.push(format!("{name}: {}x{}", picture.height, picture.width));
            }
            Ok(picture) if picture.pixels != expected.data() => {
                let most = picture.pixels.iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max();
                wrong.push(format!("{name}: other pixels, by {most:?}"));
            }
            Ok(_) => {}
            // Palettes, and grey with transparency, are not read of TIFF, which is said.
            Err(error) if name.starts_with("tiff-P") || name.starts_with("tiff-LA") => {
                assert!(error.contains("convert to PNG"), "{name}: {error}");
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}
