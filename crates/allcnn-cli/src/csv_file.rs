//! Results as CSV files (RFC 4180, UTF-8).

use std::io;
use std::path::Path;

use allcnn::atomic_file::write_atomically_with;
use allcnn::evaluate::Evaluated;
use allcnn::predict::Prediction;

/// Writes a row for each picture: `file,class,probability,class2,probability2,...`, with as many classes as were asked for.
/// The classes of a picture that cannot be read are empty.
pub(crate) fn write_predictions(path: &Path, predictions: &[Prediction]) -> io::Result<()> {
    let listed = |prediction: &Prediction| match prediction {
        Prediction::Seen { predictions, .. } => predictions.len(),
        Prediction::Unread { .. } => 1,
    };
    let classes = predictions.iter().map(listed).max().unwrap_or(1);
    let mut head = vec!["file".to_owned(), "class".to_owned(), "probability".to_owned()];
    head.extend((2..=classes).flat_map(|rank| [format!("class{rank}"), format!("probability{rank}")]));
    let row = |prediction: &Prediction| {
        let (file, guesses) = match prediction {
            Prediction::Seen { file, predictions, .. } => (file, predictions.as_slice()),
            Prediction::Unread { file, .. } => (file, [].as_slice()),
        };
        let mut row = vec![file.clone()];
        row.extend(guesses.iter().flat_map(|guess| [guess.class.clone(), guess.probability.to_string()]));
        row.resize(head.len(), String::new());
        row
    };
    write(path, &head, predictions.iter().map(row))
}

/// Writes a row for each evaluated image: its true and its predicted class, and their probabilities.
pub(crate) fn write_evaluation(path: &Path, evaluated: &Evaluated) -> io::Result<()> {
    let head =
        ["file", "class", "predicted", "probability", "class_probability", "correct"].map(String::from);
    let Evaluated { scores, images, checkpoint, .. } = evaluated;
    let class = |label: u32| checkpoint.classes[label as usize].clone();
    let row = |image: usize| {
        let (label, predicted) = (images.labels[image], scores.predicted(image));
        vec![
            images.names.get(image).cloned().unwrap_or_default(),
            class(label),
            class(predicted),
            scores.probability(image).to_string(),
            scores.own_probability(image).to_string(),
            (label == predicted).to_string(),
        ]
    };
    write(path, &head, (0..images.len()).map(row))
}

fn write(path: &Path, head: &[String], rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
    write_atomically_with(path, |file| {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(file);
        writer.write_record(head)?;
        for row in rows {
            writer.write_record(&row)?;
        }
        writer.flush()
    })
}
