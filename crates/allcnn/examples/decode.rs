//! Reads photographs as a training on ImageNet does: decoded, a random 224x224 of the size where the shortest side is
//! 256, mirrored in half of the cases, normalized to f32. `bench/decode.py` measures it beside torchvision and PIL.
//!
//! ```text
//! RAYON_NUM_THREADS=1 cargo run --release -p allcnn --example decode FOLDER IMAGES
//! ```
use std::error::Error;

use allcnn::augment::{Augment, SeededAugment};
use allcnn::data::{self, Framing, Options};
use allcnn::input::Samples;
use allcnn::preprocess::{Geometry, Preprocessor};

const SIDE: usize = 224;
const BATCH: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(images)) = (arguments.next(), arguments.next()) else {
        return Err("usage: decode FOLDER IMAGES".into());
    };
    let images: usize = images.parse()?;
    let options =
        Options { size: Some((SIDE, SIDE)), framing: Framing::Middle, on_disk: true, ..Options::default() };
    let data = data::open(&folder, &options, &mut |_| ())?;
    let photos = if data.train.is_empty() { data.test } else { data.train };
    let geometry = Geometry { height: SIDE, width: SIDE, channels: 3 };
    let preprocessor = Preprocessor::mean_std(geometry, vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
    let samples = Samples::new(&photos, &preprocessor)?;
    let mut batch = vec![0.0; BATCH * geometry.len()];
    let indices: Vec<u32> = (0..images).map(|number| (number % photos.len()) as u32).collect();
    let mut sum = 0.0;
    for (round, indices) in indices.chunks(BATCH).enumerate() {
        let augment = SeededAugment { augment: Augment::CropFlip, seed: 0, round: round as u64 };
        samples.fill(indices, augment, &mut batch)?;
        sum += batch.iter().step_by(997).map(|&value| f64::from(value)).sum::<f64>();
    }
    println!("{images} images, checksum {sum:.3}");
    Ok(())
}
