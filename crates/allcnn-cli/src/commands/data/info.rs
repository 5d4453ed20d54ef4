//! `allcnn data info`: kind, classes, counts and sizes of data.

use allcnn::data::verify::Summary;
use allcnn::data::{Ignored, Kind, Sizes};
use allcnn::text::shown::escaped;

use super::opened::{images, open, options};
use crate::args::DataInfoArgs;
use crate::exit::Exit;
use crate::output::{self, Align, Table, counted};

/// Findings of a kind that are listed at most.
pub(super) const MAX_LISTED: usize = 50;

/// Opens the data and prints its summary.
pub(super) fn run(arguments: &DataInfoArgs) -> anyhow::Result<Exit> {
    let summary = Summary::of(&open(&arguments.data, &options(arguments), arguments.output)?);
    if arguments.output.json {
        output::json(&summary)?;
    } else {
        output::text(&words(&summary))?;
    }
    Ok(Exit::DONE)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Shapes => "drawn by the program",
        Kind::CifarBinary => "CIFAR binary batches",
        Kind::CifarPython => "CIFAR python batches",
        Kind::ImageFolder => "image folder",
        Kind::Table => "a table of image files",
        Kind::Parquet => "parquet files",
        Kind::Npz => "numpy arrays",
    }
}

/// The summary as text.
pub(super) fn words(summary: &Summary) -> String {
    let validates = summary.validation > 0;
    let mut text = format!(
        "{}: {}, {} class{}, {}x{}, {}\n{}\n",
        escaped(&summary.name),
        kind(summary.kind),
        summary.classes.len(),
        if summary.classes.len() == 1 { "" } else { "es" },
        summary.height,
        summary.width,
        images(summary.train, summary.validation, summary.test),
        summary.sizes.as_ref().map(|sizes| own_sizes(sizes, summary)).unwrap_or_default()
    );
    let mut columns = vec![("class", Align::Left), ("training", Align::Right)];
    columns.extend(validates.then_some(("validation", Align::Right)));
    columns.push(("test", Align::Right));
    let mut table = Table::new(&columns);
    for class in &summary.classes {
        let mut row = vec![class.name.clone(), class.train.to_string()];
        row.extend(validates.then(|| class.validation.to_string()));
        row.push(class.test.to_string());
        table.row(row);
    }
    text += &format!("{table}\nfingerprint {}\n", summary.fingerprint);
    for note in &summary.notes {
        text += &format!("note: {}\n", escaped(&note.to_string()));
    }
    text += &ignored(&summary.ignored);
    if !summary.skipped.is_empty() {
        text += &format!("{} left out:\n", counted(summary.skipped.len(), "image"));
        for file in summary.skipped.iter().take(MAX_LISTED) {
            text += &format!("  {}: {}\n", escaped(&file.file), escaped(&file.reason));
        }
    }
    text
}

/// The sizes of the image files, if they differ from the size that the images are loaded at.
fn own_sizes(sizes: &Sizes, summary: &Summary) -> String {
    let alike = [sizes.min, sizes.max] == [[summary.height, summary.width]; 2];
    let all = summary.train + summary.validation + summary.test;
    let of = match sizes.images {
        images if images < all => format!(" (of {}, evenly spread)", counted(images, "image")),
        _ => String::new(),
    };
    if alike { String::new() } else { format!("the images' own sizes: {sizes}{of}\n") }
}

/// A line per reason why files were left out; for unsupported kinds of pictures one per folder.
fn ignored(ignored: &[Ignored]) -> String {
    let line = |one: &Ignored| format!("{}\n", escaped(&one.to_string()));
    let mut text: String = ignored.iter().take(MAX_LISTED).map(line).collect();
    if let Some(more) = ignored.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        text += &format!("... and {more} more such lines; --json has all\n");
    }
    text
}
