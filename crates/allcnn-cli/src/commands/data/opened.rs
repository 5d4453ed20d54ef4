//! Opens data for inspection, and its number of images in words.

use std::ffi::OsStr;

use allcnn::data::{self, DataSet, Framing, Options};

use crate::args::{DataInfoArgs, OutputFlags};
use crate::output::counted;
use crate::progress::Progress;
use crate::training_progress::LoadingProgress;

/// Height and width at which photographs on disk are compared: the input size of ImageNet networks.
const PHOTOGRAPH: (usize, usize) = (224, 224);

/// Opens data with a progress bar.
pub(super) fn open(data: &OsStr, options: &Options, output: OutputFlags) -> anyhow::Result<DataSet> {
    let mut loading = LoadingProgress::new(Progress::of(output));
    Ok(data::open(data, options, &mut |at| loading.show(at))?)
}

/// The options to read data for inspection.
pub(super) fn options(arguments: &DataInfoArgs) -> Options {
    let reading = arguments.reading.reading();
    let options = Options { holdout: arguments.holdout, reading, one_class: true, ..Options::default() };
    if !arguments.on_disk {
        return options;
    }
    Options { on_disk: true, size: Some(PHOTOGRAPH), framing: Framing::Middle, ..options }
}

/// The number of images per split, in words.
pub(super) fn images(train: usize, validation: usize, test: usize) -> String {
    let validation = match validation {
        0 => String::new(),
        images => counted(images, "validation image") + ", ",
    };
    format!("{}, {validation}{}", counted(train, "training image"), counted(test, "test image"))
}
