//! Confusion matrices: images counted by true and predicted class. Sparse: only pairs that occur are stored, so
//! memory does not grow with the square of the number of classes.

use std::collections::BTreeMap;

/// With more classes than this no dense matrix is made.
pub const MAX_DENSE: usize = 1000;

/// A sparse confusion matrix: image counts by (true class, predicted class).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: BTreeMap<(u32, u32), u64>,
}

impl Confusion {
    /// An empty matrix for `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: BTreeMap::new() }
    }

    /// Builds the matrix from dense rows, one per true class.
    pub fn from_rows(rows: &[Vec<u64>]) -> Self {
        let mut confusion = Self::new(rows.len());
        for (truth, row) in (0..).zip(rows) {
            (0..).zip(row).for_each(|(said, &images)| confusion.count(truth, said, images));
        }
        confusion
    }

    /// Adds `images` images of class `truth` that were predicted as `said`.
    pub fn count(&mut self, truth: u32, said: u32, images: u64) {
        if images > 0 {
            *self.counts.entry((truth, said)).or_default() += images;
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Iterates over the pairs that occur: true class, predicted class, images.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.counts.iter().map(|(&(truth, said), &images)| (truth as usize, said as usize, images))
    }

    /// Returns `(images, misclassified images)` for each true class.
    pub fn by_class(&self) -> Vec<(u64, u64)> {
        let mut classes = vec![(0, 0); self.classes];
        for (truth, said, images) in self.pairs() {
            classes[truth].0 += images;
            classes[truth].1 += if truth == said { 0 } else { images };
        }
        classes
    }

    /// Returns the error in percent, or `None` if no images were counted.
    pub fn error_pct(&self) -> Option<f64> {
        let (mut all, mut wrong) = (0, 0);
        for (truth, said, images) in self.pairs() {
            all += images;
            wrong += if truth == said { 0 } else { images };
        }
        (all > 0).then(|| 100.0 * wrong as f64 / all as f64)
    }

    /// Returns the dense matrix `[true class][predicted class]`, or `None` if there are more than [`MAX_DENSE`]
    /// classes.
    pub fn rows(&self) -> Option<Vec<Vec<u64>>> {
        if self.classes > MAX_DENSE {
            return None;
        }
        let mut rows = vec![vec![0; self.classes]; self.classes];
        self.pairs().for_each(|(truth, said, images)| rows[truth][said] = images);
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_and_many_classes_stay_sparse() {
        let rows = vec![vec![3, 1], vec![0, 2]];
        let confusion = Confusion::from_rows(&rows);
        assert_eq!(confusion.rows(), Some(rows));
        assert_eq!((confusion.by_class(), confusion.error_pct()), (vec![(4, 1), (2, 0)], Some(100.0 / 6.0)));
        let mut many = Confusion::new(65_536);
        many.count(65_535, 7, 2);
        assert_eq!((many.rows(), many.pairs().next()), (None, Some((65_535, 7, 2))));
        assert_eq!(Confusion::new(2).error_pct(), None);
    }
}
