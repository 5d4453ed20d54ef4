//! What a format is, and what it hands over.
use crate::dataset::{Images, Kind, Skipped};
use crate::error::Error;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::{Labels, Options};
use crate::progress::Progress;
use crate::sizes::Sizes;
use crate::source::{Entry, Source};

/// The most bytes of a batch or a parquet file in an archive.
pub(super) const MAX_BATCH: u64 = 4 << 30;

/// Of several forms of data, one with this many times the images of any other is the one that is meant.
pub(super) const CLEAR: usize = 20;

/// Reads a source as the options say, and reports progress.
type Load = fn(&Source, &Options, &mut dyn FnMut(Progress)) -> Result<Loaded, Error>;

/// A format of data.
pub(super) struct Format {
    /// Its name for people.
    pub name: &'static str,
    /// Whether a source holds it, by names, sizes and first bytes.
    pub recognizes: fn(&Source) -> bool,
    /// Which files it may read; the others are counted.
    pub uses: fn(&Entry) -> bool,
    /// How many images it would read; asked where several formats recognize a source.
    pub images: fn(&Source, &Options) -> Result<usize, Error>,
    /// Reads a source that it recognizes.
    pub load: Load,
}

/// What a format hands over.
pub(crate) struct Loaded {
    /// The format.
    pub kind: Kind,
    /// The classes; labels index them.
    pub classes: Vec<String>,
    /// The training images.
    pub train: Images,
    /// The validation images; none where the data has no such split.
    pub validation: Images,
    /// The test images; none where the holdout is still to be taken.
    pub test: Images,
    /// Tables that were read beside the files which the format always reads.
    pub tables: Vec<String>,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
    /// Other files that were left out.
    pub ignored: Vec<Ignored>,
    /// Images that could not be decoded, of `total`.
    pub bad: usize,
    /// All images.
    pub total: usize,
    /// What was decided.
    pub notes: Vec<Note>,
    /// Holdout and limit are already applied.
    pub divided: bool,
    /// The labels that were read: the coarse ones only where there are some.
    pub labels: Labels,
    /// The sizes that the images have in their files; unknown of images on disk.
    pub sizes: Option<Sizes>,
}

impl Loaded {
    /// The splits as they are in the data, all of them decoded, in the order of [`crate::split_names::SplitName`]. The only held-out one is the
    /// test split.
    pub(crate) fn whole(
        kind: Kind,
        classes: Vec<String>,
        [train, mut validation, mut test]: [Images; 3],
    ) -> Self {
        if test.is_empty() {
            std::mem::swap(&mut validation, &mut test);
        }
        let total = train.len() + validation.len() + test.len();
        let (skipped, ignored, notes) = (vec![], vec![], vec![]);
        Self {
            kind,
            classes,
            train,
            validation,
            test,
            tables: vec![],
            skipped,
            ignored,
            bad: 0,
            total,
            notes,
            divided: false,
            labels: Labels::Fine,
            sizes: None,
        }
    }
}
