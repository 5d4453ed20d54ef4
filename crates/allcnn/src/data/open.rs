//! [`open`]: finds out what DATA is, has it read, and divides it into the two splits.
use super::cifar::{self, PythonFile, Variant};
use super::collect::{Collector, Item};
use super::dataset::fingerprint;
use super::decode::{Picture, resize};
use super::parquet::{self, RowLabel};
use super::source::{Entry, Source};
use super::{
    DataSet, Error, Holdout, Images, Kind, Labels, Loaded, Options, Progress, Stage, data_folder, folder,
    shapes, split,
};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A batch or a parquet file in an archive has at most so many bytes.
const MAX_BATCH: u64 = 4 << 30;

/// Opens DATA: `shapes`, `cifar10`, `cifar100`, or the path of a folder or an archive (`./cifar10` for a folder of
/// that name). See [`Options`] for what becomes the test split.
///
/// # Errors
/// Missing or unknown data, damaged files, fewer than two classes, more unreadable images than
/// [`Options::max_bad_percent`].
pub fn open(data: &str, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<DataSet, Error> {
    let (name, loaded, path) = match data {
        "shapes" => ("shapes".to_string(), load_shapes(), PathBuf::from("shapes")),
        "cifar10" | "cifar100" => {
            let path = fetched(data)?;
            (data.to_string(), load(&path, options, progress)?, path)
        }
        _ => {
            let path = PathBuf::from(data);
            let name = path.file_name().map_or(data.into(), |name| name.to_string_lossy());
            (name.into_owned(), load(&path, options, progress)?, path)
        }
    };
    finish(name, &path, loaded, options)
}

/// Whether DATA has a test split of its own; reads as little as it can.
///
/// # Errors
/// As [`open`], but for unreadable images.
pub fn has_test_split(data: &str, progress: &mut dyn FnMut(Progress)) -> Result<bool, Error> {
    let size = Some((cifar::SIDE, cifar::SIDE));
    let holdout = Some(Holdout::default());
    let few = Options { size, holdout, limit: Some(1), max_bad_percent: 100.0, ..Options::default() };
    let notes = open(data, &few, progress)?.notes;
    Ok(notes.iter().any(|note| note == folder::HOLDOUT_REPLACES))
}

/// The archive or folder of a named data set.
fn fetched(data: &str) -> Result<PathBuf, Error> {
    let (name, files): (_, [_; 4]) = match data {
        "cifar10" => (
            "cifar10",
            [
                "cifar-10-binary.tar.gz",
                "cifar-10-batches-bin",
                "cifar-10-python.tar.gz",
                "cifar-10-batches-py",
            ],
        ),
        _ => (
            "cifar100",
            ["cifar-100-binary.tar.gz", "cifar-100-binary", "cifar-100-python.tar.gz", "cifar-100-python"],
        ),
    };
    let folder = data_folder()?;
    let found = files.iter().map(|file| folder.join(file)).find(|path| path.exists());
    found.ok_or(Error::NotFetched { name, folder, expected: files[0] })
}

fn load_shapes() -> Loaded {
    let DataSet { kind, classes, train, test, skipped, notes, .. } =
        shapes::draw(0, shapes::TRAIN_PER_CLASS, shapes::TEST_PER_CLASS);
    let total = train.len() + test.len();
    Loaded { kind, classes, train, test, skipped, bad: 0, total, notes, divided: false }
}

/// Reads whatever is at `path`.
fn load(path: &Path, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    progress(Progress { stage: Stage::Listing, done: 0, total: None });
    let source = Source::open(path)?;
    let select = |wanted: &dyn Fn(&Entry) -> bool| -> Vec<usize> {
        let mut found: Vec<usize> =
            (0..source.entries.len()).filter(|&entry| wanted(&source.entries[entry])).collect();
        found.sort_by(|&a, &b| source.entries[a].name.cmp(&source.entries[b].name));
        found
    };
    let tables = select(&|entry| entry.head.starts_with(b"PAR1"));
    if !tables.is_empty() {
        return load_parquet(&source, &tables, options, progress);
    }
    if source.entries.iter().any(folder::is_image) {
        return folder::load(&source, options, progress);
    }
    let pickles = select(&|entry| matches!(entry.head.as_slice(), [0x80, 2..=5, ..]));
    if !pickles.is_empty() {
        return load_python(&source, &pickles, options);
    }
    let batches = select(&is_binary_batch);
    if !batches.is_empty() {
        return load_binary(&source, &batches, options);
    }
    let names: Vec<&str> = source.entries.iter().take(5).map(|entry| entry.name.as_str()).collect();
    let more = if source.entries.len() > names.len() { ", ..." } else { "" };
    let found = format!("{} files: {}{more}", source.entries.len(), names.join(", "));
    Err(Error::UnknownKind { path: path.to_path_buf(), found })
}

/// True for what may be a CIFAR binary batch: its size and first label fit, or it is named like one.
fn is_binary_batch(entry: &Entry) -> bool {
    let label = entry.head.first().copied().unwrap_or(u8::MAX);
    let fits = |variant: Variant, labels: u8| {
        entry.size > 0 && entry.size.is_multiple_of(variant.record() as u64) && label < labels
    };
    let named = entry.name.to_ascii_lowercase().ends_with(".bin");
    named || fits(Variant::Cifar10, 10) || fits(Variant::Cifar100, 20)
}

/// True for names of test batches: `test_batch.bin`, `test`, `test-00000-of-00001.parquet`.
fn is_test(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    file.starts_with("test") || file.starts_with("val")
}

/// One folder must hold all batches, else two data sets would be mixed.
fn check_one_folder(source: &Source, batches: &[usize]) -> Result<(), Error> {
    let folder =
        |&entry: &usize| source.entries[entry].name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folders: BTreeSet<&str> = batches.iter().map(folder).collect();
    if folders.len() < 2 {
        return Ok(());
    }
    let folders = folders.into_iter().collect::<Vec<_>>().join("', '");
    Err(Error::Several { path: source.path().to_path_buf(), folders })
}

fn load_binary(source: &Source, batches: &[usize], options: &Options) -> Result<Loaded, Error> {
    check_one_folder(source, batches)?;
    let guess = |&entry: &usize| {
        let Entry { name, size, .. } = &source.entries[entry];
        let variant = cifar::variant_of_binary(name, *size);
        (size.is_multiple_of(variant.record() as u64), variant)
    };
    // A truncated batch takes the variant of a whole one.
    let guesses: Vec<(bool, Variant)> = batches.iter().map(guess).collect();
    let variant = guesses.iter().find(|(whole, _)| *whole).unwrap_or(&guesses[0]).1;
    let mut splits = [Images::new(cifar::SIDE, cifar::SIDE), Images::new(cifar::SIDE, cifar::SIDE)];
    for &batch in batches {
        let name = &source.entries[batch].name;
        let file = source.read_one(batch, MAX_BATCH)?;
        splits[usize::from(is_test(name))].append(cifar::read_binary(name, &file, variant, options.labels)?);
    }
    let listed = match (variant, options.labels) {
        (Variant::Cifar10, _) => "batches.meta.txt",
        (Variant::Cifar100, Labels::Fine) => "fine_label_names.txt",
        (Variant::Cifar100, Labels::Coarse) => "coarse_label_names.txt",
    };
    let listed = source.entries.iter().position(|entry| entry.name.rsplit('/').next() == Some(listed));
    let names = match listed {
        Some(entry) => {
            let text = source.read_one(entry, 1 << 20)?;
            let text = String::from_utf8_lossy(&text);
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect()
        }
        None => Vec::new(),
    };
    cifar_loaded(Kind::CifarBinary, names, variant, splits, options)
}

fn load_python(source: &Source, pickles: &[usize], options: &Options) -> Result<Loaded, Error> {
    check_one_folder(source, pickles)?;
    let mut splits = [Images::new(cifar::SIDE, cifar::SIDE), Images::new(cifar::SIDE, cifar::SIDE)];
    let (mut names, mut variant) = (Vec::new(), None);
    for &entry in pickles {
        let name = &source.entries[entry].name;
        let file = source.read_one(entry, MAX_BATCH)?;
        match cifar::read_python(name, &file, options.labels)? {
            PythonFile::Names(list) => names = list,
            PythonFile::Other => {}
            PythonFile::Batch(images, found) => {
                splits[usize::from(is_test(name))].append(images);
                variant = Some(found);
            }
        }
    }
    let Some(variant) = variant else {
        let found = format!("{} pickles without image data", pickles.len());
        return Err(Error::UnknownKind { path: source.path().to_path_buf(), found });
    };
    cifar_loaded(Kind::CifarPython, names, variant, splits, options)
}

/// What CIFAR batches yield; listed class names count when they are as many as the variant has.
fn cifar_loaded(
    kind: Kind,
    names: Vec<String>,
    variant: Variant,
    [train, test]: [Images; 2],
    options: &Options,
) -> Result<Loaded, Error> {
    let built_in = variant.classes(options.labels);
    let classes = if names.len() == built_in.len() { names } else { built_in };
    let total = train.len() + test.len();
    Ok(Loaded { kind, classes, train, test, skipped: vec![], bad: 0, total, notes: vec![], divided: false })
}

fn load_parquet(
    source: &Source,
    tables: &[usize],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded, Error> {
    let has_train = tables.iter().any(|&entry| !is_test(&source.entries[entry].name));
    let has_test = |start: &str| tables.iter().any(|&entry| file_starts(&source.entries[entry].name, start));
    let mut notes = Vec::new();
    let skip_validation = has_test("test") && has_test("val");
    if skip_validation {
        notes.push("the test split is 'test'; the validation images were not used".to_string());
    }
    if !has_train && options.holdout.is_none() {
        notes.push("there is a test split only: nothing to train on".to_string());
    }
    let mut labels = Vec::new();
    let mut classes: Option<Vec<String>> = None;
    let mut collector = Collector::new(options.size, options.framing, None, progress);
    for &table in tables {
        let name = &source.entries[table].name;
        if skip_validation && file_starts(name, "val") {
            continue;
        }
        let split = usize::from(is_test(name));
        let mut each = |row: usize, file: Option<Vec<u8>>, label: RowLabel| {
            // The place of the label; the class itself is known when all have been seen.
            let item = Item {
                split,
                label: labels.len() as u32,
                name: format!("{name}#{row:06}"),
                file: file.ok_or_else(|| "the row holds no image bytes".to_string()),
            };
            labels.push(label);
            collector.push(item)
        };
        let found = match source.file(table) {
            Some(path) => {
                let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
                parquet::read(name, file, options.labels, &mut each)?
            }
            None => {
                let file = bytes::Bytes::from(source.read_one(table, MAX_BATCH)?);
                parquet::read(name, file, options.labels, &mut each)?
            }
        };
        classes = classes.or(found);
    }
    collector.finish()?;
    let (bad, total) = (collector.skipped.len(), collector.done);
    let Collector { splits: [mut train, mut test], skipped, .. } = collector;
    let (classes, numbers) = number_classes(source, classes, &labels)?;
    for label in train.labels.iter_mut().chain(&mut test.labels) {
        *label = numbers[*label as usize];
    }
    Ok(Loaded { kind: Kind::Parquet, classes, train, test, skipped, bad, total, notes, divided: false })
}

fn file_starts(name: &str, start: &str) -> bool {
    name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase().starts_with(start)
}

/// The classes, and the number of the class of each label.
fn number_classes(
    source: &Source,
    listed: Option<Vec<String>>,
    labels: &[RowLabel],
) -> Result<(Vec<String>, Vec<u32>), Error> {
    let highest =
        labels.iter().filter_map(|label| if let RowLabel::Number(n) = label { Some(*n) } else { None }).max();
    let classes = match (listed, highest) {
        (Some(listed), _) => listed,
        (None, Some(highest)) => (0..highest.clamp(0, 99_999) + 1).map(|class| class.to_string()).collect(),
        (None, None) => {
            let names: BTreeSet<&RowLabel> = labels.iter().collect();
            let name =
                |label: &&RowLabel| if let RowLabel::Name(name) = label { Some(name.clone()) } else { None };
            names.iter().filter_map(name).collect()
        }
    };
    let number = |(row, label): (usize, &RowLabel)| {
        let found = match label {
            RowLabel::Number(number) => {
                usize::try_from(*number).ok().filter(|&number| number < classes.len())
            }
            RowLabel::Name(name) => classes.iter().position(|class| class == name),
        };
        let label = if let RowLabel::Number(number) = label { *number } else { -1 };
        let file = source.path().display().to_string();
        found.map(|n| n as u32).ok_or(Error::BadLabel { file, image: row, label, classes: classes.len() })
    };
    let numbers = labels.iter().enumerate().map(number).collect::<Result<Vec<u32>, Error>>()?;
    Ok((classes, numbers))
}

/// Checks what was read, divides it and takes its fingerprint.
fn finish(name: String, path: &Path, loaded: Loaded, options: &Options) -> Result<DataSet, Error> {
    let Loaded { kind, classes, mut train, mut test, skipped, bad, total, mut notes, divided } = loaded;
    if bad as f64 > total as f64 * options.max_bad_percent / 100.0
        || (total > 0 && train.is_empty() && test.is_empty())
    {
        let named = skipped.iter().rev().take(bad).rev().take(3);
        let first: Vec<String> =
            named.map(|skipped| format!("{} ({})", skipped.file, skipped.reason)).collect();
        let limit_percent = options.max_bad_percent;
        return Err(Error::TooManyBad { bad, total, limit_percent, first: first.join("; ") });
    }
    if options.on_disk && !train.are_on_disk() && !test.are_on_disk() {
        return Err(Error::NotOnDisk(path.to_path_buf()));
    }
    if let [class] = classes.as_slice() {
        return Err(Error::OneClass { path: path.to_path_buf(), class: class.clone() });
    }
    if total == 0 {
        return Err(Error::Empty(path.to_path_buf()));
    }
    if !divided {
        if options.holdout.is_some() && train.is_empty() {
            (train, test) = (test, train);
        }
        if test.is_empty() || options.holdout.is_some() {
            if !test.is_empty() {
                notes.push(folder::HOLDOUT_REPLACES.to_string());
            }
            let (kept, held) = options.holdout.unwrap_or_default().split(&train.labels, &classes)?;
            (train, test) = (train.select(&kept), train.select(&held));
        }
        if let Some(limit) = options.limit {
            train = train.select(&split::limit(&train.labels, classes.len(), limit));
        }
    }
    if let Some((height, width)) = options.size {
        (train, test) = (resize_all(train, height, width), resize_all(test, height, width));
    }
    let fingerprint = fingerprint(&classes, [&train, &test]);
    Ok(DataSet { name, classes, train, test, skipped, notes, fingerprint, kind })
}

/// All images in another size.
fn resize_all(images: Images, height: usize, width: usize) -> Images {
    if (images.height, images.width) == (height, width) || images.is_empty() {
        return Images { height, width, ..images };
    }
    let resized: Vec<Vec<u8>> = (0..images.len())
        .into_par_iter()
        .map(|index| {
            let (rows, columns) = (images.height, images.width);
            let picture = Picture { height: rows, width: columns, pixels: images.image(index).to_vec() };
            // Both sizes are above 0, which is all that resizing asks for.
            resize(picture, height, width)
                .map_or_else(|_| vec![0; height * width * 3], |picture| picture.pixels)
        })
        .collect();
    Images { height, width, pixels: resized.concat(), ..images }
}
