//! Losses and errors of queued steps, shard by shard: losses and logits stay in a log on the device until the host reads
//! many steps at once.
//!
//! How many depends on the device and on timing; the figures do not, and they are always read in step order.

use std::time::{Duration, Instant};

use allcnn_device::{Device, Error};

use crate::plan::Plan;

/// Approximate delay after which the host reads a step's figures; too short for a person to notice.
const LATENESS: Duration = Duration::from_millis(200);

/// Loss and error counts of one step, or of a shard of its batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    /// The number of images.
    pub(super) images: u64,
    /// The sum of the images' losses, each times the weight of its image.
    pub(super) loss_sum: f64,
    /// The sum of the weights.
    pub(super) weight: f64,
    /// The number of misclassified images.
    pub(super) wrong: u64,
}

impl Figures {
    /// The weighted mean loss.
    pub(super) fn loss(&self) -> f64 {
        if self.weight > 0.0 { self.loss_sum / self.weight } else { self.loss_sum }
    }

    /// The figures of a whole batch from those of its shards, a power of two: added in pairs, the pairs in pairs, and so on,
    /// as their gradients are.
    pub(super) fn sum(shards: &[Self]) -> Self {
        let [one] = shards else {
            let (left, right) = shards.split_at(shards.len() / 2);
            let (left, right) = (Self::sum(left), Self::sum(right));
            return Self {
                images: left.images + right.images,
                loss_sum: left.loss_sum + right.loss_sum,
                weight: left.weight + right.weight,
                wrong: left.wrong + right.wrong,
            };
        };
        *one
    }

    /// The length of what [`Figures::to_bytes`] gives.
    pub(super) const BYTES: usize = 32;

    /// The figures for another process.
    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let words = [self.images, self.loss_sum.to_bits(), self.weight.to_bits(), self.wrong];
        let mut bytes = [0; Self::BYTES];
        bytes
            .chunks_exact_mut(8)
            .zip(words)
            .for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
        bytes
    }

    /// Those of another process. Panics for another number of bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| u64::from_le_bytes(bytes[8 * at..][..8].try_into().expect("eight bytes"));
        let [loss_sum, weight] = [1, 2].map(|at| f64::from_bits(word(at)));
        Self { images: word(0), loss_sum, weight, wrong: word(3) }
    }

    /// Computes the figures of the images with these labels and this sum of weights from losses `[rows]` and logits
    /// `[rows, classes]`.
    fn of(labels: &[u32], weight: f64, losses: &[f32], logits: &[f32], classes: usize) -> Self {
        let loss_sum = losses[..labels.len()].iter().map(|&loss| f64::from(loss)).sum();
        Self { images: labels.len() as u64, loss_sum, weight, wrong: wrong(logits, labels, classes) }
    }
}

/// Queued steps whose figures were not read yet.
pub(super) struct Unread<D: Device> {
    /// One slot per shard of a step: its losses `[rows]`, then its logits `[rows, classes]`.
    log: D::Buffer,
    values: Vec<f32>,
    /// Shards of a step.
    shards: usize,
    rows: usize,
    classes: usize,
    /// For each shard, the end of its labels in `labels`.
    ends: Vec<usize>,
    labels: Vec<u32>,
    /// For each shard, the sum of its images' weights.
    weights: Vec<f64>,
    /// The most steps to accumulate, and the time the first was queued.
    most: usize,
    since: Instant,
}

impl<D: Device> Unread<D> {
    /// Allocates the log for steps of so many `shards` of `rows` images.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(super) fn new(device: &D, shards: usize, rows: usize, classes: usize) -> Result<Self, Error> {
        let slots = device.steps_between_reads().max(1) * shards;
        let len = slots * rows * (1 + classes);
        Ok(Self {
            log: device.alloc(len)?,
            values: vec![0.0; len],
            shards,
            rows,
            classes,
            ends: Vec::with_capacity(slots),
            labels: Vec::with_capacity(slots * rows),
            weights: Vec::with_capacity(slots),
            most: 1,
            since: Instant::now(),
        })
    }

    /// Appends the shard queued last, of images with these labels and this sum of weights.
    pub(super) fn note(&mut self, plan: &Plan<'_, D>, labels: &[u32], weight: f64) {
        if self.ends.is_empty() {
            self.since = Instant::now();
        }
        let at = self.ends.len() * self.slot();
        plan.log(&mut self.log, at);
        self.labels.extend(labels);
        self.weights.push(weight);
        self.ends.push(self.labels.len());
    }

    /// The number of unread steps.
    pub(super) fn len(&self) -> usize {
        self.ends.len() / self.shards
    }

    /// Whether the steps should be read now.
    pub(super) fn is_due(&self) -> bool {
        self.len() >= self.most
    }

    /// Downloads the log, waiting for the device; then [`Unread::steps`] returns the figures.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub(super) fn read(&mut self, device: &D) -> Result<(), Error> {
        if self.ends.is_empty() {
            return Ok(());
        }
        device.download(&self.log, &mut self.values)?;
        let step = self.since.elapsed() / self.len() as u32;
        let fitting = LATENESS.as_nanos() / step.as_nanos().max(1);
        self.most = (fitting as usize).clamp(1, self.values.len() / (self.shards * self.slot()));
        Ok(())
    }

    /// The figures of the steps read, those of each shard.
    pub(super) fn steps(&self) -> Vec<Vec<Figures>> {
        let step = |step: usize| {
            (step * self.shards..(step + 1) * self.shards).map(|shard| self.shard(shard)).collect()
        };
        (0..self.len()).map(step).collect()
    }

    /// The figures of one of the shards read.
    fn shard(&self, shard: usize) -> Figures {
        let begin = shard.checked_sub(1).map_or(0, |before| self.ends[before]);
        let (losses, logits) = self.values[shard * self.slot()..][..self.slot()].split_at(self.rows);
        Figures::of(&self.labels[begin..self.ends[shard]], self.weights[shard], losses, logits, self.classes)
    }

    /// Discards the steps.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.labels.clear();
        self.weights.clear();
    }

    /// Values per slot.
    fn slot(&self) -> usize {
        self.rows * (1 + self.classes)
    }
}

/// The number of images whose argmax (the first of ties) is not their label.
fn wrong(logits: &[f32], labels: &[u32], classes: usize) -> u64 {
    let rows = logits.chunks_exact(classes).zip(labels);
    rows.filter(|(row, label)| {
        let own = row[**label as usize];
        row.iter().enumerate().any(|(class, &x)| x > own || (x == own && class < **label as usize))
    })
    .count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_images_do_not_count_and_the_first_of_equal_logits_is_the_answer() {
        let (losses, logits) = ([0.5, 0.25, 9.0], [1.0, 1.0, 1.0, 1.0, 3.0, 2.0]);
        let figures = Figures::of(&[0, 1], 2.0, &losses, &logits, 2);
        assert_eq!(figures, Figures { images: 2, loss_sum: 0.75, weight: 2.0, wrong: 1 });
        assert_eq!(figures.loss(), 0.375);
        assert_eq!(Figures::of(&[0, 1], 0.5, &losses, &logits, 2).loss(), 1.5);
        assert_eq!(Figures::of(&[], 0.0, &losses, &logits, 2).loss(), 0.0);
    }
}
