//! Decodes image files in blocks on all threads and gathers them, in order, in the splits.
use crate::dataset::{Images, Skipped};
use crate::decode::{decode, own_size};
use crate::error::Error;
use crate::framing::Framing;
use crate::picture::Picture;
use crate::progress::{Progress, Stage};
use crate::sizes::SizeCounts;
use crate::split_names::SplitName;
use rayon::prelude::*;

/// A block is decoded when it has this number of files ...
const BLOCK_FILES: usize = 2048;
/// ... or this number of bytes.
const BLOCK_BYTES: usize = 64 << 20;

/// An image file and where it belongs.
pub(crate) struct Item {
    pub split: SplitName,
    /// The class.
    pub label: u32,
    /// Its name.
    pub name: String,
    /// Its bytes, or why there are none.
    pub file: Result<Vec<u8>, String>,
}

/// Gathers images of one size.
pub(crate) struct Collector<'p> {
    /// Height and width of all images; by default those of the first that can be read.
    size: Option<(usize, usize)>,
    framing: Framing,
    block: Vec<Item>,
    block_bytes: usize,
    /// The images of each split, in the order of [`SplitName`].
    pub splits: [Images; 3],
    /// What could not be read.
    pub skipped: Vec<Skipped>,
    /// Images that had another size.
    pub resized: usize,
    /// The sizes that they had.
    pub sizes: SizeCounts,
    /// All images, the skipped ones too.
    pub done: usize,
    total: Option<u64>,
    progress: &'p mut dyn FnMut(Progress),
}

impl<'p> Collector<'p> {
    /// Gathers images of a size, or of the size of the first.
    pub(crate) fn new(
        size: Option<(usize, usize)>,
        framing: Framing,
        total: Option<u64>,
        progress: &'p mut dyn FnMut(Progress),
    ) -> Self {
        let (block, splits) = (Vec::new(), Default::default());
        Self {
            size,
            framing,
            block,
            block_bytes: 0,
            splits,
            skipped: vec![],
            resized: 0,
            sizes: SizeCounts::default(),
            done: 0,
            total,
            progress,
        }
    }

    /// Adds an image file; it is decoded with its block.
    pub(crate) fn push(&mut self, item: Item) -> Result<(), Error> {
        self.block_bytes += item.file.as_ref().map_or(0, Vec::len);
        self.block.push(item);
        if self.block.len() >= BLOCK_FILES || self.block_bytes >= BLOCK_BYTES { self.flush() } else { Ok(()) }
    }

    /// Decodes what is left.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.flush()?;
        if let Some((height, width)) = self.size {
            for split in &mut self.splits {
                (split.height, split.width) = (height, width);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.tell(Stage::Decoding);
        let block = std::mem::take(&mut self.block);
        self.block_bytes = 0;
        if self.size.is_none() {
            self.size = block.iter().find_map(|item| {
                let picture = decode(item.file.as_ref().ok()?).ok()?;
                Some((picture.height, picture.width))
            });
        }
        let (size, framing) = (self.size, self.framing);
        let pictures: Vec<Result<(Picture, [usize; 2]), String>> = block
            .par_iter()
            .map(|item| {
                let file = item.file.as_ref().map_err(String::clone)?;
                let (height, width) = size.unwrap_or_default(); // nothing here can be decoded then
                let picture = framing.decode(file, height, width)?;
                // Large files are decoded at a part of their size.
                let own = own_size(file).unwrap_or([picture.height, picture.width]);
                Ok((framing.apply(picture, height, width)?, own))
            })
            .collect();
        for (item, picture) in block.into_iter().zip(pictures) {
            self.done += 1;
            match picture {
                Ok((picture, own)) => {
                    self.resized += usize::from(own != [picture.height, picture.width]);
                    self.sizes.add(own);
                    self.keep(item, &picture)?;
                }
                Err(reason) => self.skipped.push(Skipped { file: item.name, reason }),
            }
        }
        self.tell(Stage::Reading);
        Ok(())
    }

    fn tell(&mut self, stage: Stage) {
        (self.progress)(Progress { stage, done: self.done as u64, total: self.total });
    }

    fn keep(&mut self, item: Item, picture: &Picture) -> Result<(), Error> {
        let split = &mut self.splits[item.split as usize];
        (split.height, split.width) = (picture.height, picture.width);
        split.pixels.try_reserve(picture.pixels.len()).map_err(|_| {
            let gib = split.pixels.len() as f64 / (1u64 << 30) as f64;
            Error::Memory { images: split.len() + 1, height: picture.height, width: picture.width, gib }
        })?;
        split.push(&picture.pixels, item.label, item.name);
        Ok(())
    }
}
