//! Tests that apply to all formats.

use ::safetensors::tensor::{Dtype, TensorView};
use proptest::prelude::*;

use super::*;
use crate::net::Network;

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

/// Centers and rhos are the network's, by their names; what a network lacks or has no use for is named.
#[test]
fn learned_norms_take_what_has_their_names() {
    let network = Network::from_toml(
        "name = \"n\"\ninput = [4, 4, 3]\nclasses = 2\nlayers = [{ conv = 2, kernel = 1 }, { pool = \"learned-norm\", kernel = 2 }, \
         { conv = 2, kernel = 1 }, { global_average = true }]",
    )
    .unwrap();
    let plain = Network::from_toml(&network.to_toml().replace("learned-norm", "max")).unwrap();
    let fitted = |network: &Network, norms: &[(&str, f32)]| {
        let (weights, bias) = ([0u8; 24], [0u8; 8]);
        let norms: Vec<(String, [u8; 8])> = norms
            .iter()
            .map(|&(name, value)| {
                (name.into(), [value; 2].map(f32::to_le_bytes).concat().try_into().unwrap())
            })
            .collect();
        let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        let mut tensors = vec![
            ("conv1.weight".to_owned(), view(&[2, 3, 1, 1], &weights)),
            ("conv1.bias".to_owned(), view(&[2], &bias)),
            ("conv2.weight".to_owned(), view(&[2, 2, 1, 1], &weights[..16])),
            ("conv2.bias".to_owned(), view(&[2], &bias)),
        ];
        tensors.extend(norms.iter().map(|(name, bytes)| (name.clone(), view(&[2], bytes))));
        let file = ::safetensors::serialize(tensors, None).unwrap();
        Weights::from_bytes(&file).unwrap().fit(network)
    };
    let both = [("pool1.center", 0.5), ("pool1.rho", 1.5)];
    let tensors = fitted(&network, &both).unwrap().tensors;
    let center = tensors.iter().find(|tensor| tensor.name == "pool1.center").unwrap();
    assert_eq!((tensors.len(), &center.values[..]), (6, &[0.5, 0.5][..]));
    let refused = |network, norms: &[(&str, f32)]| fitted(network, norms).unwrap_err().to_string();
    assert!(refused(&network, &both[..1]).contains("it has no pool1.rho, which a learned norm takes"));
    let useless = refused(&plain, &both);
    assert!(useless.contains("belongs to no learned norm here"), "{useless}");
    let broken = refused(&network, &[both[0], ("pool1.rho", f32::NAN)]);
    assert!(broken.contains("pool1.rho holds NaN"), "{broken}");
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
