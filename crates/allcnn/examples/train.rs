//! Trains a network on a folder of pictures, CIFAR or the embedded data set, and says how good it is.
//!
//! `cargo run --release -p allcnn --example train -- [DATA] [RUN] [EPOCHS]`

use std::error::Error;

use allcnn::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().unwrap_or_else(|| "shapes".into());
    let out = arguments.next().unwrap_or_else(|| "runs/example".into());
    let mut request = TrainRequest::new("all-cnn-c", data);
    if let Some(epochs) = arguments.next() {
        request.recipe.epochs = epochs.parse()?;
    }

    let device = Cpu::new(CpuOptions::default())?;
    let trained = train(&device, &request, &out)?;
    for row in &trained.outcome.progress.history {
        let error = row.test_error_pct.map_or("not measured".into(), |error| format!("{error:.2} %"));
        println!("epoch {}: training loss {:.3}, test error {error}", row.epoch, row.train_loss);
    }
    println!("the run is in {out}");
    Ok(())
}
