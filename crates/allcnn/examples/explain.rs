//! Shows on a sheet what in pictures speaks for the class that a trained network says.
//!
//! `cargo run --release -p allcnn --example explain -- RUN SHEET.png PICTURE...`

use std::error::Error;
use std::path::{Path, PathBuf};

use allcnn::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(run), Some(sheet)) = (arguments.next(), arguments.next()) else {
        return Err("expected a run folder, the name of the sheet, and pictures".into());
    };
    let pictures: Vec<PathBuf> = arguments.map(PathBuf::from).collect();

    let device = Cpu::new(CpuOptions::default())?;
    let run = RunFolder::open(Path::new(&run))?;
    explain_files(&device, &run, &ExplainRequest::default(), &pictures, Path::new(&sheet), &mut ())?;
    println!("the maps are in {}", sheet.display());
    Ok(())
}
