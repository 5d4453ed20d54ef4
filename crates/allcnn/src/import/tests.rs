//! Tests that apply to all formats.

use ::safetensors::tensor::{Dtype, TensorView};
use proptest::prelude::*;

use super::*;

/// A file with a weight `[2, 3]` and a bias `[2]` per layer.
fn file(layers: &[&str]) -> Vec<u8> {
    file_with(layers, None)
}

fn file_with(layers: &[&str], classes: Option<&str>) -> Vec<u8> {
    let values = [0; 24];
    let view = |shape: &[usize]| {
        let len = 4 * shape.iter().product::<usize>();
        TensorView::new(Dtype::F32, shape.to_vec(), &values[..len]).unwrap()
    };
    let tensors = layers.iter().flat_map(|layer| {
        [(format!("{layer}.weight"), view(&[2, 3])), (format!("{layer}.bias"), view(&[2]))]
    });
    let metadata = classes.map(|classes| [("classes".to_string(), classes.to_string())].into());
    ::safetensors::serialize(tensors, metadata).unwrap()
}

#[test]
fn names_of_classes_are_taken_from_the_metadata_where_they_are_a_list() {
    let names = |classes| Weights::from_bytes(&file_with(&["conv1"], classes)).unwrap().classes;
    assert_eq!(names(Some(r#"["ant", "bee"]"#)), Some(vec!["ant".into(), "bee".into()]));
    assert_eq!([names(None), names(Some("ant, bee")), names(Some("[1, 2]"))], [None, None, None]);
}

#[test]
fn the_content_tells_the_kind() {
    let weights = Weights::from_bytes(&file(&["0", "2"])).unwrap();
    assert_eq!((weights.container(), weights.naming()), (Container::Safetensors, Naming::Sequential));
    assert!(Weights::from_bytes(b"\x80\x02\x8a\x0al\xfc\x9c").unwrap_err().contains("before version 1.6"));
    assert!(Weights::from_bytes(b"").unwrap_err().contains("neither"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), position in 0usize..600) {
        let _ = Weights::from_bytes(&bytes);
        fuzz::pytorch_pickle(&bytes);
        let mut real = file(&["0", "2"]);
        let end = real.len();
        if let Some(byte) = bytes.pop() {
            real[position % end] = byte;
        }
        let _ = Weights::from_bytes(&real);
        let _ = Weights::from_bytes(&real[..position % end]);
    }
}
