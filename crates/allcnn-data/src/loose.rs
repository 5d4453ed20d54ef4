//! Pictures without classes: every image of a folder or an archive, whatever the folders in it are called.
use crate::collect::{Collector, Item};
use crate::dataset::{DataSet, Kind, fingerprint};
use crate::error::Error;
use crate::options::Options;
use crate::progress::{Progress, Stage};
use crate::source::{Entry, Source};
use crate::split_names::SplitName;
use std::ops::ControlFlow;
use std::path::Path;

/// The most bytes of a single image file.
const MAX_IMAGE_FILE: u64 = 256 << 20;

/// All images at `path` as the training images of a data set, in the order of their names; their class has no name. Of the
/// options only size and framing count.
///
/// # Errors
/// Missing data, a damaged archive, no image that can be read.
pub fn open_loose(
    path: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<DataSet, Error> {
    progress(Progress { stage: Stage::Listing, done: 0, total: None });
    let source = Source::open(path)?;
    let wanted = source.select(Entry::is_picture);
    progress(Progress { stage: Stage::Reading, done: 0, total: Some(wanted.len() as u64) });
    let mut collector = Collector::new(options.size, options.framing, Some(wanted.len() as u64), progress);
    let mut pushed = Ok(());
    source.read(&wanted, MAX_IMAGE_FILE, &mut |entry, file| {
        let (name, file) = (source.entries[entry].name.clone(), file.map_err(|error| error.to_string()));
        pushed = collector.push(Item { split: SplitName::Train, label: 0, name, file });
        if pushed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    pushed?;
    collector.finish()?;
    let Collector { splits: [images, validation, test], skipped, sizes, .. } = collector;
    if images.is_empty() {
        return Err(Error::Empty(path.to_path_buf()));
    }
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by(|&a, &b| images.names[a].cmp(&images.names[b]));
    let (train, classes) = (images.select(&order)?, vec![String::new()]);
    let mut ignored = source.left_out(Entry::is_picture);
    ignored.append(source.ignored);
    Ok(DataSet {
        name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        fingerprint: fingerprint(&classes, &train, &validation, &test),
        classes,
        train,
        validation,
        test,
        skipped,
        ignored: ignored.list(),
        notes: vec![],
        kind: Kind::ImageFolder,
        sizes: sizes.sizes(),
    })
}
