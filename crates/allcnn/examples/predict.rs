//! Says what a trained network sees in pictures.
//!
//! `cargo run --release -p allcnn --example predict -- RUN PICTURE...`

use std::error::Error;
use std::path::{Path, PathBuf};

use allcnn::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let run = arguments.next().ok_or("expected a run folder and pictures")?;
    let pictures: Vec<PathBuf> = arguments.map(PathBuf::from).collect();

    let device = Cpu::new(CpuOptions::default())?;
    let run = RunFolder::open(Path::new(&run))?;
    for answer in Predictor::open(&device, &run)?.predict(&pictures, 3)? {
        match answer {
            Prediction::Seen { file, predictions, .. } => {
                for guess in predictions {
                    println!("{file}: {} {:.1} %", guess.class, 100.0 * guess.probability);
                }
            }
            Prediction::Unread { file, error } => println!("{file}: {error}"),
        }
    }
    Ok(())
}
