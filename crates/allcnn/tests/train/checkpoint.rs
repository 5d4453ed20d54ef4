//! Checkpoint files: exact, and refused with the reason when they are damaged, foreign or of another network.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::support::{Data, Pace, network, recipe};
use allcnn::net::Network;
use allcnn::recipe::Recipe;
use allcnn::run::{Checkpoint, CheckpointError};
use allcnn::train::TrainError;
use proptest::prelude::*;

/// The bytes of the checkpoint of a short training.
fn bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        Data::new(9, 4).train(&Recipe { epochs: 1, ..recipe() }, folder.path()).unwrap();
        fs::read(folder.path().join("last.safetensors")).unwrap()
    })
}

fn read(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::from_bytes(bytes, Path::new("x.safetensors"))
}

/// A file with the tensors of the checkpoint and this metadata.
fn with_metadata(change: impl FnOnce(&mut HashMap<String, String>)) -> Vec<u8> {
    let tensors = safetensors::SafeTensors::deserialize(bytes()).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes()).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    change(&mut metadata);
    safetensors::serialize(tensors.tensors(), Some(metadata)).unwrap()
}

#[test]
fn a_checkpoint_survives_its_file_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut checkpoint = read(bytes()).unwrap();
    checkpoint.progress.loss_sum = 0.1 + 0.2;
    checkpoint.progress.seconds = 1.0 / 3.0;
    checkpoint.values[0].values[0] = f32::MIN_POSITIVE;
    let path = folder.path().join("a.safetensors");
    checkpoint.write(&path).unwrap();
    checkpoint.progress = checkpoint.progress.without_times();
    assert_eq!(Checkpoint::read(&path).unwrap(), checkpoint);
}

/// The names and shapes are a contract: other programs read them.
#[test]
fn the_tensors_are_named_and_laid_out_as_in_pytorch() {
    let checkpoint = read(bytes()).unwrap();
    let names: Vec<_> = checkpoint.values.iter().map(|t| (t.name.as_str(), t.shape.clone())).collect();
    assert_eq!(names[0], ("conv1.bias", vec![6]));
    assert_eq!(names[1], ("conv1.weight", vec![6, 3, 3, 3]));
    assert_eq!(names[3], ("conv2.weight", vec![8, 6, 3, 3]));
    assert_eq!(names.len(), 6);
    let tensors = safetensors::SafeTensors::deserialize(bytes()).unwrap();
    assert_eq!(tensors.tensor("velocity.conv2.weight").unwrap().shape(), [8, 6, 3, 3]);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let header = 8 + u64::from_le_bytes(bytes()[..8].try_into().unwrap()) as usize;
    for length in (0..bytes().len()).step_by(97) {
        let error = read(&bytes()[..length]).unwrap_err();
        match (&error, length < header) {
            (CheckpointError::NotACheckpoint { .. }, true) | (CheckpointError::Damaged { .. }, false) => {}
            _ => panic!("cut to {length} of {}: {error}", bytes().len()),
        }
    }
    let half = read(&bytes()[..bytes().len() / 2]).unwrap_err().to_string();
    assert!(half.contains("x.safetensors") && half.lines().count() <= 3, "{half}");
}

#[test]
fn files_of_others_are_named_as_such() {
    let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(refused(b"this is a text").contains("is not a checkpoint of allcnn"));
    let foreign = with_metadata(|metadata| metadata.clear());
    assert!(refused(&foreign).contains("safetensors file of another program"));
    let newer = with_metadata(|metadata| drop(metadata.insert("version".into(), "2".into())));
    assert!(refused(&newer).contains("has version 2, this program reads version 1"));
    let lacking = with_metadata(|metadata| drop(metadata.remove("progress")));
    assert!(refused(&lacking).contains("no `progress`"));
    let other = with_metadata(|metadata| drop(metadata.insert("classes".into(), "[\"a\"]".into())));
    assert!(refused(&other).contains("names 1 classes, its network has 3"));
    let missing = Checkpoint::read(Path::new("/nowhere/last.safetensors")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read /nowhere/last.safetensors"), "{missing}");
}

#[test]
fn a_checkpoint_of_another_network_is_refused_with_both_names() {
    let (data, folder) = (Data::new(9, 4), tempfile::tempdir().unwrap());
    let text = network().to_toml().replace("name = \"tiny\"", "name = \"wide\"");
    let wide = Network::from_toml(&text).unwrap();
    let checkpoint = read(bytes()).unwrap();
    let resumed = data.train_with(
        &wide,
        &Recipe { epochs: 1, ..recipe() },
        folder.path(),
        Some(&checkpoint),
        Pace::default(),
        |_, _| (),
    );
    let error = resumed.unwrap_err();
    assert!(matches!(error, TrainError::Mismatch(_)));
    assert!(error.to_string().contains("tiny") && error.to_string().contains("wide"), "{error}");
}

#[test]
fn tensors_of_another_shape_are_refused_with_both_shapes() {
    let mut checkpoint = read(bytes()).unwrap();
    checkpoint.values[1].shape = vec![6, 3, 9, 1];
    let error = checkpoint.parameters(&allcnn_device::Reference).err().unwrap().to_string();
    assert!(error.contains("[6, 3, 9, 1]") && error.contains("[6, 3, 3, 3]"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(read(&bytes).is_err());
    }

    #[test]
    fn a_changed_file_is_read_or_refused(changes in prop::collection::vec((0usize..4000, any::<u8>()), 1..6)) {
        let mut changed = bytes().to_vec();
        for (place, byte) in changes {
            let length = changed.len();
            changed[place % length] = byte;
        }
        if let Ok(checkpoint) = read(&changed) {
            // What is read may still be another network's: it is refused, not crashed on, when it is put to use.
            let _ = checkpoint.parameters(&allcnn_device::Reference);
        }
    }
}
