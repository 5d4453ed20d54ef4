//! A training ends with the same weights, but for rounding, whatever instruction set computes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{command, finish, tensors, train_arguments, workspace};

/// Channels between a vector and the rows of a register tile, for each kernel that has transforms of its own.
const NETWORK: &str = r#"
name = "uneven"
input = [32, 32, 3]
layers = [
  { conv = 20, kernel = 3, padding = 1 },
  { conv = 28, kernel = 3, stride = 2, padding = 1 },
  { conv = 20, kernel = 5, padding = 2 },
  { conv = 36, kernel = 2, padding = 0 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"#;
/// Differences after 20 steps, in length relative to a tensor of weights or velocities: rounding, and the few units whose
/// sum it moves to the other side of zero. A gradient that is wrong in one vector differs by a tenth and more.
const ROUNDING: f32 = 3e-2;

/// Those of this kind of machine; where one is missing, a narrower one stands in for it.
const SETS: &[&str] =
    if cfg!(target_arch = "aarch64") { &["neon"] } else { &["avx2", "avx512", "avx512-bf16", "amx"] };

fn train(folder: &Path, isa: &str) -> BTreeMap<String, Vec<f32>> {
    let arguments = train_arguments(isa, &["--limit", "640", "--iterations", "20", "--lr", "0.01"]);
    finish(command(folder, &arguments).env("ALLCNN_MAX_ISA", isa)).done();
    let values =
        |bytes: Vec<u8>| bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let tensors = tensors(&folder.join(isa).join("last.safetensors")).into_iter();
    tensors.map(|(name, (_, bytes))| (name, values(bytes))).collect()
}

fn length(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|x| x * x).sum::<f32>().sqrt()
}

#[test]
fn every_instruction_set_trains_like_plain_code() {
    let folder = workspace();
    fs::write(folder.path().join("tiny.toml"), NETWORK).unwrap();
    let plain = train(folder.path(), "portable");
    for isa in SETS {
        let tensors = train(folder.path(), isa);
        assert!(tensors.keys().eq(plain.keys()), "{isa}");
        for (name, values) in &tensors {
            let plain = &plain[name];
            let difference =
                length(values.iter().zip(plain).map(|(a, b)| a - b)) / length(plain.iter().copied());
            assert!(difference < ROUNDING, "{isa}, {name}: a difference of {difference:e}");
        }
    }
}
