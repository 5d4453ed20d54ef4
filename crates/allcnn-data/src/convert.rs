//! Writes a data set as an archive. The output's name decides the form:
//!
//! | name ends in | form |
//! |---|---|
//! | `.cifar.tar`, `.cifar.tar.gz`, `.cifar.tar.zst` | CIFAR-10 binary batches (32x32 images, at most ten classes) |
//! | `.tar`, `.tar.gz`, `.tgz`, `.tar.zst`, `.zip` | image folder: `train/CLASS/NNNNN.png`, `val/...`, `test/...` |
//!
//! The archive appears complete or not at all. Equal data becomes equal bytes.
use crate::atomic_file::write_atomically_with;
use crate::dataset::{DataSet, Images};
use crate::error::Error;
use crate::formats::cifar;
use crate::progress::{Progress, Stage};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use rayon::prelude::*;
use std::io::{self, Write};
use std::path::Path;

/// Images of one CIFAR batch.
const BATCH: usize = 10_000;
/// Images that are encoded at a time.
const BLOCK: usize = 1024;

/// Whether an archive of this name can be written, to be asked before data is read for it.
///
/// # Errors
/// An unknown ending.
pub fn check_name(to: &Path) -> Result<(), Error> {
    Form::of(to).map(|_| ())
}

/// Writes `set` to the file `to`; the module's table says in which form.
///
/// # Errors
/// An unknown ending, data that the form cannot hold, a path that cannot be written.
pub fn convert(set: &DataSet, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    let wrong = |what: String| Error::Convert { path: to.to_path_buf(), what };
    let form = Form::of(to)?;
    if form.cifar {
        check_cifar(set).map_err(wrong)?;
    }
    check_class_names(set).map_err(wrong)?;
    write_atomically_with(to, |file| write(set, &form, file, progress)).map_err(Error::io("write", to))
}

/// What is written.
struct Form {
    cifar: bool,
    packing: Packing,
}

/// How the archive is packed.
#[derive(Clone, Copy, PartialEq)]
enum Packing {
    Tar,
    TarGz,
    TarZst,
    Zip,
}

impl Form {
    fn of(to: &Path) -> Result<Form, Error> {
        let name = to.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let what = "expected a name ending in .tar, .tar.gz, .tgz, .tar.zst or .zip (images), or .cifar.tar.gz (CIFAR binary)";
        Form::ending(&name).ok_or_else(|| Error::Convert { path: to.to_path_buf(), what: what.into() })
    }

    fn ending(name: &str) -> Option<Form> {
        let endings = [
            (".tar", Packing::Tar),
            (".tar.gz", Packing::TarGz),
            (".tgz", Packing::TarGz),
            (".tar.zst", Packing::TarZst),
            (".zip", Packing::Zip),
        ];
        let (stem, packing) =
            endings.iter().find_map(|(ending, packing)| Some((name.strip_suffix(ending)?, *packing)))?;
        let cifar = stem.ends_with(".cifar");
        (!cifar || packing != Packing::Zip).then_some(Form { cifar, packing })
    }
}

fn check_cifar(set: &DataSet) -> Result<(), String> {
    let (height, width) = (set.train.height, set.train.width);
    if (height, width) != (cifar::SIDE, cifar::SIDE) {
        return Err(format!(
            "CIFAR batches hold 32x32 images, these are {height}x{width} (convert to .tar, or resize)"
        ));
    }
    if set.classes.len() != 10 {
        return Err(format!(
            "CIFAR-10 batches have ten classes, this has {} (convert to .tar)",
            set.classes.len()
        ));
    }
    Ok(())
}

/// Class names become folders.
fn check_class_names(set: &DataSet) -> Result<(), String> {
    let bad = |class: &&String| {
        class.is_empty() || class.starts_with('.') || class.contains(['/', '\\', '\0', '\n'])
    };
    match set.classes.iter().find(bad) {
        Some(class) => Err(format!("class '{class}' cannot be the name of a folder")),
        None => Ok(()),
    }
}

fn write(
    set: &DataSet,
    form: &Form,
    file: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<()> {
    let mut members = Members { set, cifar: form.cifar, progress };
    match form.packing {
        Packing::Tar => write_tar(&mut members, file).map(drop),
        Packing::TarGz => {
            let encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            write_tar(&mut members, encoder)?.finish().map(drop)
        }
        Packing::TarZst => write_tar(&mut members, zstd::Encoder::new(file, 0)?)?.finish().map(drop),
        Packing::Zip => {
            let mut archive = zip::ZipWriter::new_stream(file);
            let stored =
                zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            members.each(&mut |name, bytes| {
                archive.start_file(name, stored)?;
                archive.write_all(bytes)
            })?;
            archive.finish().map(drop).map_err(io::Error::from)
        }
    }
}

fn write_tar<W: Write>(members: &mut Members, writer: W) -> io::Result<W> {
    let mut archive = tar::Builder::new(writer);
    members.each(&mut |name, bytes| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes)
    })?;
    archive.into_inner()
}

/// The files of the archive.
struct Members<'a> {
    set: &'a DataSet,
    cifar: bool,
    progress: &'a mut dyn FnMut(Progress),
}

type AddMember<'a> = &'a mut dyn FnMut(&str, &[u8]) -> io::Result<()>;

impl Members<'_> {
    fn each(&mut self, add: AddMember) -> io::Result<()> {
        if self.cifar { self.batches(add) } else { self.images(add) }
    }

    fn images(&mut self, add: AddMember) -> io::Result<()> {
        let mut done = 0;
        for (split, images) in
            [("train", &self.set.train), ("val", &self.set.validation), ("test", &self.set.test)]
        {
            let mut counts = vec![0; self.set.classes.len()];
            for start in (0..images.len()).step_by(BLOCK) {
                let block = start..(start + BLOCK).min(images.len());
                let files: Vec<io::Result<Vec<u8>>> =
                    block.clone().into_par_iter().map(|index| png(images, index)).collect();
                for (index, file) in block.zip(files) {
                    let class = images.labels[index] as usize;
                    add(&format!("{split}/{}/{:05}.png", self.set.classes[class], counts[class]), &file?)?;
                    counts[class] += 1;
                    done += 1;
                }
                self.report(done);
            }
        }
        Ok(())
    }

    fn batches(&mut self, add: AddMember) -> io::Result<()> {
        let folder = "cifar-10-batches-bin";
        add(&format!("{folder}/batches.meta.txt"), format!("{}\n", self.set.classes.join("\n")).as_bytes())?;
        let mut done = 0;
        for (split, images) in
            [("data", &self.set.train), ("val", &self.set.validation), ("test", &self.set.test)]
        {
            for start in (0..images.len()).step_by(BATCH) {
                let batch = start..(start + BATCH).min(images.len());
                done += batch.len();
                let name = match (split, start / BATCH) {
                    ("test" | "val", 0) => format!("{split}_batch.bin"),
                    (split, number) => format!("{split}_batch_{}.bin", number + 1),
                };
                add(
                    &format!("{folder}/{name}"),
                    &batch.flat_map(|index| record(images, index)).collect::<Vec<u8>>(),
                )?;
                self.report(done);
            }
        }
        Ok(())
    }

    fn report(&mut self, done: usize) {
        let total = (self.set.train.len() + self.set.validation.len() + self.set.test.len()) as u64;
        (self.progress)(Progress { stage: Stage::Writing, done: done as u64, total: Some(total) });
    }
}

fn png(images: &Images, index: usize) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let (width, height) = (images.width as u32, images.height as u32);
    PngEncoder::new(&mut file)
        .write_image(images.image(index), width, height, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    Ok(file)
}

/// One record of a CIFAR-10 batch: the label, then `[3, 32, 32]`.
fn record(images: &Images, index: usize) -> Vec<u8> {
    let mut record = vec![images.labels[index] as u8];
    for channel in 0..3 {
        record.extend(images.image(index).iter().skip(channel).step_by(3));
    }
    record
}
