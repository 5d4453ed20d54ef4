//! What can go wrong with a data set: each message says what was given, what was expected and what to do.
use crate::counted::counted;
use crate::formats::pickle::PickleError;
use crate::group_by::GroupBy;
use std::path::{Path, PathBuf};

/// An error of reading, fetching or writing a data set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is at the path.
    #[error(
        "no data at '{0}': there is no such file or folder.\nGive a folder, an archive, or one of: shapes, cifar10, cifar100."
    )]
    Missing(PathBuf),
    /// A named data set is not in the data folder.
    #[error(
        "{name} is not in the data folder '{folder}'.\nDownload it with `allcnn data fetch {name}`, or set ALLCNN_DATA to the folder that holds {expected}."
    )]
    NotFetched {
        /// `cifar10` or `cifar100`.
        name: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
        /// The file that was expected.
        expected: &'static str,
    },
    /// Neither `ALLCNN_DATA` nor a home folder is known.
    #[error("no data folder: set ALLCNN_DATA to the folder that holds (or shall hold) the data sets")]
    NoDataFolder,
    /// A folder or an archive without a single file.
    #[error(
        "'{0}' holds no files.\nExpected an image folder (train/CLASS/*.jpg, or CLASS/*.jpg), CIFAR batches, parquet files or numpy files (.npz)."
    )]
    Empty(PathBuf),
    /// Files that are all left out.
    #[error("'{path}' holds no files but such as are left out.\n{what}")]
    AllLeftOut {
        /// What was opened.
        path: PathBuf,
        /// The first few reasons, with their files.
        what: String,
    },
    /// A pipe, a socket or a device.
    #[error("'{0}' is a pipe, a socket or a device: give a folder, an archive or a file")]
    Special(PathBuf),
    /// A folder or an archive of more files than can be listed, links counted as what they lead to.
    #[error(
        "'{path}' holds more than {most} files and folders: give a part of it, and see whether links in it lead to each other"
    )]
    TooManyFiles {
        /// What was opened.
        path: PathBuf,
        /// The most that are listed.
        most: usize,
    },
    /// Files, but none of a kind that can be read.
    #[error(
        "'{path}' holds nothing that can be read as a data set (found {found}).\nExpected an image folder (train/CLASS/*.jpg, or CLASS/*.jpg), CIFAR binary or python batches, Hugging Face parquet files, numpy files (.npz) of images and labels, or a table of image files (CSV, TSV)."
    )]
    UnknownKind {
        /// What was opened.
        path: PathBuf,
        /// A few of the files in it.
        found: String,
    },
    /// More than one data set.
    #[error("'{path}' holds several data sets, in the folders '{folders}': give one of those folders")]
    Several {
        /// What was opened.
        path: PathBuf,
        /// The folders.
        folders: String,
    },
    /// Images that lie in no class folder.
    #[error(
        "the images of '{0}' lie in no class folders.\nPut each image into a folder named after its class: cat/1.jpg, dog/2.jpg, ..."
    )]
    NoClasses(PathBuf),
    /// A single class cannot be told from anything.
    #[error(
        "'{path}' has one class only ('{class}'): a classifier needs at least two classes, each a folder of images"
    )]
    OneClass {
        /// What was opened.
        path: PathBuf,
        /// The only class.
        class: String,
    },
    /// A class that the training split does not have.
    #[error(
        "class '{class}' is in the {split} split of '{path}' but not in its training split: give both splits the same class folders"
    )]
    UnknownClass {
        /// What was opened.
        path: PathBuf,
        /// The class.
        class: String,
        /// `test` or `validation`.
        split: &'static str,
    },
    /// Too many images could not be decoded.
    #[error(
        "{bad} of {total} images cannot be read (at most {limit_percent} % may be left out), the first: {first}.\nRemove or repair them; `allcnn data verify` lists all."
    )]
    TooManyBad {
        /// Images that could not be decoded.
        bad: usize,
        /// All images.
        total: usize,
        /// The limit in percent.
        limit_percent: f64,
        /// The first few, with reasons.
        first: String,
    },
    /// Images that cannot be read one by one.
    #[error(
        "'{0}' is no folder of image files, as crop-flip and --on-disk need it: they read photographs one by one.\nUnpack it into a folder (train/CLASS/*.JPEG), or choose another --augment, or leave --on-disk out."
    )]
    NotOnDisk(PathBuf),
    /// An image on disk that cannot be decoded.
    #[error("'{file}' cannot be read ({reason}): repair it, then go on with --resume (a training) or the same command", file = .file.display())]
    Unreadable {
        /// The image.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Images without class folders, and no file that says their classes.
    #[error(
        "the images in '{folder}' of '{path}' lie in no class folders, and there is no file of their labels.\nPut {expected} into '{path}' (a line an image: FILE CLASS), sort them into class folders, or give a --holdout to test on training images.",
        path = .path.display()
    )]
    NoLabels {
        /// What was opened.
        path: PathBuf,
        /// The folder of the split.
        folder: String,
        /// The names that such a file may have.
        expected: String,
    },
    /// Labels by number without anything that the numbers count.
    #[error(
        "'{file}' numbers the classes, but nothing says which they are.\nPut {expected} into the same folder (a line a class: FOLDER NAME), or the training images in class folders."
    )]
    NoClassList {
        /// The file of the labels.
        file: String,
        /// The names that a class list may have.
        expected: String,
    },
    /// A list of labels or classes that does not fit the images.
    #[error("'{file}': {what}")]
    List {
        /// The file.
        file: String,
        /// What is wrong, what to do.
        what: String,
    },
    /// A table without a column that a person named.
    #[error("table '{file}' has no column '{column}': its columns are {columns}")]
    NoColumn {
        /// The table.
        file: String,
        /// As given.
        column: String,
        /// Those that there are.
        columns: String,
    },
    /// A table that names no image of the data.
    #[error(
        "table '{file}' names no image that is there (its columns: {columns}).\nThey were looked for beside it and below: give the folder that holds them with --image-root, or the column with --image-column."
    )]
    NoImageColumn {
        /// The table.
        file: String,
        /// Its columns.
        columns: String,
    },
    /// A table of which it is open where the classes are.
    #[error(
        "table '{file}' does not tell which of its columns holds the classes: {columns}.\nGive its name with --label-column."
    )]
    NoLabelColumn {
        /// The table.
        file: String,
        /// Its columns.
        columns: String,
    },
    /// Two columns of a table that may be meant.
    #[error("table '{file}': both {columns} {what}: give one of them with {flag}")]
    SeveralColumns {
        /// The table.
        file: String,
        /// Both.
        columns: String,
        /// What both are.
        what: &'static str,
        /// The flag that chooses.
        flag: &'static str,
    },
    /// Columns were named for data that is no table.
    #[error(
        "'{0}' holds no table (CSV, TSV or parquet), as --image-column, --label-column and --group-by COLUMN need one"
    )]
    NoTable(PathBuf),
    /// A holdout that leaves nothing to train on.
    #[error(
        "a holdout of {holdout} leaves class '{class}', which has {}, none to train on: give a smaller --holdout or --validation", counted(*images, "image")
    )]
    HoldoutTooLarge {
        /// As given.
        holdout: String,
        /// The class.
        class: String,
        /// Its images.
        images: usize,
    },
    /// A fold that there is not.
    #[error("fold {number} of {of} is none: expected one of at least 2 folds, the first of which is 1")]
    BadFold {
        /// Which one.
        number: usize,
        /// Of how many.
        of: usize,
    },
    /// A class that cannot be in every fold.
    #[error(
        "{folds} folds need at least {folds} {things}s of each class, but class '{class}' has {there}: give fewer --folds, or more images"
    )]
    TooManyFolds {
        /// The folds.
        folds: usize,
        /// The class.
        class: String,
        /// What is dealt: `image` or `group`.
        things: &'static str,
        /// How many of them the class has.
        there: usize,
    },
    /// A class all of whose images came into one fold, with other images of their groups.
    #[error(
        "all images of class '{class}' come into one fold with their groups, so that nothing would be trained on there: give fewer --folds, or another --group-by"
    )]
    ClassInOneFold {
        /// The class.
        class: String,
    },
    /// Groups were asked for of data that does not tell them.
    #[error(
        "no image is in a group by --group-by {0}: expected image files in folders below their class folders (folder), or a table of image files (CSV, TSV) with such a column"
    )]
    NoGroups(GroupBy),
    /// A holdout that is not understood.
    #[error(
        "holdout '{0}' is not understood: give images of each class (500), a share of each class above 0 and below 100 % (10%), or none"
    )]
    BadHoldout(String),
    /// Names of splits that are not understood.
    #[error(
        "splits '{0}' are not understood: give the folders or files that hold them, each at most once (train=NAME,val=NAME,test=NAME)"
    )]
    BadSplits(String),
    /// Nothing lies where a split was said to be.
    #[error("'{path}' has no folder or file '{name}', which --splits names: it holds {found}", path = .path.display())]
    NoSplit {
        /// What was opened.
        path: PathBuf,
        /// As given.
        name: String,
        /// What is there instead.
        found: String,
    },
    /// Two ways to read the data that differ in what is trained or tested on.
    #[error(
        "'{path}' can be read in two ways: {first}, or {second}.\nChoose by --splits, or move what does not belong to the data elsewhere.",
        path = .path.display()
    )]
    Readings {
        /// What was opened.
        path: PathBuf,
        /// One way, with the flag for it.
        first: String,
        /// The other.
        second: String,
    },
    /// A class of which no image can be read.
    #[error(
        "class '{class}' of '{path}' would be lost: of its {} none can be read, the first: {example}.\nConvert them to JPEG or PNG, or move the folder elsewhere.",
        counted(*files, "file"), path = .path.display()
    )]
    LostClass {
        /// What was opened.
        path: PathBuf,
        /// The class.
        class: String,
        /// Its files.
        files: usize,
        /// The first of them, with what is known of it.
        example: String,
    },
    /// Forms of data that lie beside each other.
    #[error(
        "'{path}' holds several forms of data: {forms}.\nGive the folder or file of one of them, or move the others elsewhere.",
        path = .path.display()
    )]
    Mixed {
        /// What was opened.
        path: PathBuf,
        /// Each form with its number of images.
        forms: String,
    },
    /// Files of one data set that number their classes differently.
    #[error(
        "'{one}' and '{other}' have different classes ({what}): they are not of one data set.\nGive one of them, or choose with --splits."
    )]
    OtherClasses {
        /// A file.
        one: String,
        /// Another.
        other: String,
        /// Where their lists differ.
        what: String,
    },
    /// A CIFAR binary batch whose size does not fit.
    #[error(
        "CIFAR batch '{file}' has {size} bytes, expected a multiple of {record} ({record} bytes an image): it is truncated or of another kind.\nFetch or unpack it again."
    )]
    TruncatedBatch {
        /// The batch.
        file: String,
        /// Its bytes.
        size: u64,
        /// Bytes of one record.
        record: u64,
    },
    /// A label outside the classes.
    #[error(
        "'{file}', image {image}: label {label} is not below the number of classes, {classes}: the file is damaged or of another kind"
    )]
    BadLabel {
        /// The file.
        file: String,
        /// Which image in it.
        image: usize,
        /// The label.
        label: i64,
        /// The number of classes.
        classes: usize,
    },
    /// A pickle that is damaged, or does more than hold data.
    #[error("'{file}' is not a CIFAR python batch that can be read: {source}")]
    Pickle {
        /// The file.
        file: String,
        /// Why.
        source: PickleError,
    },
    /// A python batch that lacks something.
    #[error("python batch '{file}': {what}")]
    Batch {
        /// The file.
        file: String,
        /// What is wrong, what was expected.
        what: String,
    },
    /// A parquet file that cannot be used.
    #[error("parquet file '{file}': {what}")]
    Parquet {
        /// The file.
        file: String,
        /// What is wrong, what was expected.
        what: String,
    },
    /// A file of numpy's arrays that cannot be used.
    #[error("numpy file '{file}': {what}")]
    Arrays {
        /// The file, or an array in it.
        file: String,
        /// What is wrong, what was expected.
        what: String,
    },
    /// A damaged or unsupported archive.
    #[error("archive '{path}' cannot be read: {what}")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong, what to do.
        what: String,
    },
    /// A member of a folder or an archive that is larger than any sensible one.
    #[error("'{file}' has {size} bytes, more than the {limit} that a file of its kind may have: remove it")]
    TooLarge {
        /// The file.
        file: String,
        /// Its declared bytes.
        size: u64,
        /// The most accepted.
        limit: u64,
    },
    /// The decoded images do not fit into memory.
    #[error(
        "{images} images of {height}x{width} need {gib:.1} GiB of memory, which cannot be had: use --limit, or a smaller input size"
    )]
    Memory {
        /// How many.
        images: usize,
        /// Rows of one.
        height: usize,
        /// Columns of one.
        width: usize,
        /// Memory needed.
        gib: f64,
    },
    /// The system refused.
    #[error("cannot {action} '{path}': {source}")]
    Io {
        /// What was tried: "read", "write", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A download that did not come about.
    #[error("cannot download {url}: {what}")]
    Download {
        /// The address.
        url: String,
        /// What happened, what to do.
        what: String,
    },
    /// A download with other content than expected.
    #[error(
        "{url} has the md5 checksum {found}, expected {expected}: the file was altered or replaced by a page; it was removed.\nTry again, or give another address with ALLCNN_DATA_URL."
    )]
    Checksum {
        /// The address.
        url: String,
        /// Of what arrived.
        found: String,
        /// Of the official file.
        expected: String,
    },
    /// A data set that cannot be written in the wanted form.
    #[error("cannot convert to '{path}': {what}")]
    Convert {
        /// The output.
        path: PathBuf,
        /// Why, what to do.
        what: String,
    },
}

impl Error {
    /// No name of a source is below what a person calls `name`.
    pub(crate) fn no_split<'n>(path: &Path, name: &str, names: impl Iterator<Item = &'n str>) -> Error {
        let mut found: Vec<&str> = names.collect();
        found.sort_unstable();
        found.dedup();
        let more = if found.len() > 8 { ", ..." } else { "" };
        let found = format!("{}{more}", found[..found.len().min(8)].join(", "));
        Error::NoSplit { path: path.to_path_buf(), name: name.to_string(), found }
    }

    /// For `map_err`: the system refused to `action` the `path`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}
