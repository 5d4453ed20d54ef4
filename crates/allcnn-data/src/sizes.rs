//! The sizes that images have in their files, before they are brought to one size.
use crate::decode::own_size;
use crate::open_file;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The most images on disk whose sizes are read.
const MAX_SAMPLED: usize = 1000;

/// The images' own sizes, `[height, width]`, ordered by their pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// How many images were looked at.
    pub images: usize,
    /// That of the smallest.
    pub min: [usize; 2],
    /// That of the one in the middle.
    pub median: [usize; 2],
    /// That of the largest.
    pub max: [usize; 2],
}

impl Sizes {
    /// Of images of one size.
    pub(crate) fn all_alike(images: usize, size: [usize; 2]) -> Option<Self> {
        (images > 0).then_some(Self { images, min: size, median: size, max: size })
    }

    /// Of images in files: of all of them, or of some evenly spread where they are many.
    pub(crate) fn of_files(files: &[&PathBuf]) -> Option<Self> {
        let step = files.len().div_ceil(MAX_SAMPLED).max(1);
        let size = |index: usize| own_size(&open_file::read(files[index], open_file::PICTURE).ok()?);
        let indices = (0..files.len()).into_par_iter().step_by(step);
        let mut counts = SizeCounts::default();
        indices.filter_map(size).collect::<Vec<_>>().into_iter().for_each(|size| counts.add(size));
        counts.sizes()
    }
}

/// `375x500`, or `120x160 to 1200x1600 (median 375x500)`.
impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |[height, width]: [usize; 2]| format!("{height}x{width}");
        if self.min == self.max {
            return f.write_str(&text(self.max));
        }
        write!(f, "{} to {} (median {})", text(self.min), text(self.max), text(self.median))
    }
}

/// How many images have each size. Sizes of equally many pixels are ordered by their rows.
#[derive(Debug, Default)]
pub(crate) struct SizeCounts(BTreeMap<(usize, [usize; 2]), usize>);

impl SizeCounts {
    /// Counts an image.
    pub(crate) fn add(&mut self, size: [usize; 2]) {
        *self.0.entry((size[0] * size[1], size)).or_default() += 1;
    }

    /// What was counted, where that is anything.
    pub(crate) fn sizes(&self) -> Option<Sizes> {
        let images = self.0.values().sum();
        let mut seen = 0;
        let middle = self.0.iter().find(|(_, count)| {
            seen += *count;
            2 * seen >= images
        });
        let ((_, min), _) = self.0.first_key_value()?;
        let ((_, max), _) = self.0.last_key_value()?;
        let ((_, median), _) = middle?;
        Some(Sizes { images, min: *min, median: *median, max: *max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_ordered_by_their_pixels() {
        let mut counts = SizeCounts::default();
        assert_eq!(counts.sizes(), None);
        for size in [[375, 500], [375, 500]] {
            counts.add(size);
        }
        assert_eq!(counts.sizes().unwrap().to_string(), "375x500");
        for size in [[1200, 100], [500, 375], [20, 30]] {
            counts.add(size);
        }
        let sizes = counts.sizes().unwrap();
        assert_eq!((sizes.images, sizes.median), (5, [375, 500]));
        assert_eq!(sizes.to_string(), "20x30 to 500x375 (median 375x500)");
    }
}
