//! How much of each method's maps lies on the object: pictures of `shapes`, whose objects are known, through a network that was
//! trained on them.
//!
//! `cargo run --release -p allcnn --example map_scores -- RUN [PICTURES_A_CLASS]`
//!
//! Of each picture the map of its own class; the share is the sum of magnitudes on the object, times its coverage of each pixel, of
//! the sum of all. Beside it the share that a map without any structure would have: the object's part of the picture.

use std::error::Error;
use std::path::Path;

use allcnn::data::shapes;
use allcnn::prelude::*;
use allcnn::run::WhichCheckpoint;
use allcnn::visualise::{Attribution, AttributionSettings, Attributor, Explainer, Target, Unit};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let run = arguments.next().ok_or("expected a run folder")?;
    let each: usize = arguments.next().map_or(Ok(20), |number| number.parse())?;

    let device = Cpu::new(CpuOptions::default())?;
    let run = RunFolder::open(Path::new(&run))?;
    let checkpoint = WhichCheckpoint::Best.read(&run)?;
    let (network, transform) = (&checkpoint.network, run.input_transform(&checkpoint.network)?);
    let parameters = checkpoint.parameters(&device)?;
    let pictures = shapes::draw(0, 0, each).test;
    let mut images = vec![0.0; pictures.len() * transform.input().len()];
    transform.apply(&pictures.pixels, &mut images);

    let target = Target::of_classes(network, vec![])?;
    let classes = pictures.labels.iter().map(|&label| Unit::Channel(label as usize));
    let pairs: Vec<(usize, Unit)> = classes.enumerate().collect();
    let mut attributor =
        Attributor::new(Explainer::new(&device, network, 64)?, AttributionSettings::default());
    let explained = attributor.explain_pairs(&parameters, &images, &target, &pairs, &Attribution::EVERY)?;

    let objects: Vec<Vec<f32>> =
        pairs.iter().map(|&(image, _)| shapes::test_figure(0, image / each, image % each)).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / objects.len() as f64;
    let part = |object: &Vec<f32>| f64::from(object.iter().sum::<f32>()) / object.len() as f64;
    println!("| method | on the object |\n|---|---|");
    println!(
        "| none: the object's part of the picture | {:.1} % |",
        100.0 * mean(&mut objects.iter().map(part))
    );
    for (index, way) in Attribution::EVERY.iter().enumerate() {
        let maps = explained.iter().map(|one| &one.maps[index]);
        let share = mean(&mut maps.zip(&objects).map(|(map, object)| share(map, object)));
        println!("| `{}` | {:.1} % |", way.word(), 100.0 * share);
    }
    Ok(())
}

/// The share of a map's magnitudes, `[pixels, 3]`, that lies on the object.
fn share(map: &[f32], object: &[f32]) -> f64 {
    let sizes =
        map.chunks_exact(3).map(|pixel| f64::from(pixel.iter().map(|value| value.abs()).sum::<f32>()));
    let sizes: Vec<f64> = sizes.collect();
    let on: f64 = sizes.iter().zip(object).map(|(size, &part)| size * f64::from(part)).sum();
    on / sizes.iter().sum::<f64>().max(f64::MIN_POSITIVE)
}
