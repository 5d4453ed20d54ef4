//! JPEG files give the pixels that PIL reads, to the bit.
#![allow(clippy::unwrap_used)] // the lint's leave for tests ends at their helper functions

use std::fs;
use std::path::Path;

use allcnn_data::decode::{decode, decode_for};
use safetensors::SafeTensors;

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
