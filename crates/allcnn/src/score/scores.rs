//! Predictions of a network on a set of images, and the metrics computed from them.

use serde::Serialize;

use super::softmax::add_softmax_at;

/// The predictions of a network on a set of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// The number of classes.
    pub classes: usize,
    /// The true class of each image.
    pub labels: Vec<u32>,
    /// The cross-entropy loss of each image.
    pub losses: Vec<f32>,
    answers: Vec<Answer>,
    /// `[images, classes]`; empty if larger than [`MAX_KEPT`].
    probabilities: Vec<f32>,
}

/// The most probabilities to keep: 256 MiB.
const MAX_KEPT: usize = 1 << 26;

/// The images of a class from which on it is remarkable that none is recognized.
const SHOWN: u32 = 10;

/// The prediction for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Answer {
    /// The most probable class, the first of ties.
    predicted: u32,
    probability: f32,
    /// The probability of the true class.
    own: f32,
    /// The number of classes ranked before it.
    rank: u32,
}

impl Answer {
    fn of(row: &[f32], label: u32) -> Self {
        let best = row
            .iter()
            .enumerate()
            .fold(0, |best, (class, value)| if value.total_cmp(&row[best]).is_gt() { class } else { best });
        let label = label as usize;
        let before = |(class, value): (usize, &f32)| {
            let order = value.total_cmp(&row[label]);
            order.is_gt() || order.is_eq() && class < label
        };
        let rank = row.iter().enumerate().filter(|&at| before(at)).count() as u32;
        Self { predicted: best as u32, probability: row[best], own: row[label], rank }
    }
}

/// A misclassified image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Misclassified {
    /// Its index in the set.
    pub image: usize,
    /// Its true class.
    pub label: u32,
    /// The predicted class.
    pub predicted: u32,
    /// The probability of the predicted class.
    pub probability: f32,
}

impl Scores {
    /// Predictions not yet filled in, for images with these labels.
    pub(super) fn none(classes: usize, labels: Vec<u32>) -> Self {
        let (losses, answers) = (Vec::with_capacity(labels.len()), Vec::with_capacity(labels.len()));
        Self { classes, labels, losses, answers, probabilities: vec![] }
    }

    /// Builds the scores from probabilities `[images, classes]`. Panics if the length does not match.
    pub fn new(classes: usize, labels: Vec<u32>, probabilities: &[f32]) -> Self {
        assert_eq!(labels.len() * classes, probabilities.len(), "a probability of each class for each image");
        let mut scores = Self::none(classes, labels);
        let sums: Vec<f64> = probabilities.iter().copied().map(f64::from).collect();
        let indices: Vec<u32> = (0..scores.labels.len() as u32).collect();
        scores.take(&indices, &sums, 1.0);
        scores
    }

    /// Stores the predictions for the images at indices `indices`, given their probabilities summed over `views`
    /// views.
    pub(super) fn take(&mut self, indices: &[u32], sums: &[f64], views: f64) {
        for (row, &index) in sums.chunks_exact(self.classes).zip(indices) {
            let own = row[self.labels[index as usize] as usize] / views;
            // If the probability underflowed: the loss of the smallest positive f64, not infinity.
            let loss = if own.is_nan() { f64::NAN } else { -own.max(f64::MIN_POSITIVE).ln() };
            self.losses.push(loss as f32);
            let row: Vec<f32> = row.iter().map(|sum| (sum / views) as f32).collect();
            self.answers.push(Answer::of(&row, self.labels[index as usize]));
            if self.labels.len().saturating_mul(self.classes) <= MAX_KEPT {
                self.probabilities.extend(row);
            }
        }
    }

    /// The classes that are not the answer to any image, though ten images or more show each.
    pub fn never_predicted(&self) -> Vec<u32> {
        let (mut shown, mut answered) = (vec![0; self.classes], vec![false; self.classes]);
        for (&label, answer) in self.labels.iter().zip(&self.answers) {
            shown[label as usize] += 1;
            answered[answer.predicted as usize] = true;
        }
        (0..self.classes as u32)
            .filter(|&class| shown[class as usize] >= SHOWN && !answered[class as usize])
            .collect()
    }

    /// What was taken so far, for [`Scores::append`] in another process.
    pub(crate) fn taken(&self) -> Vec<u8> {
        let mut bytes = (self.losses.len() as u64).to_le_bytes().to_vec();
        bytes.extend(self.losses.iter().flat_map(|loss| loss.to_le_bytes()));
        for Answer { predicted, probability, own, rank } in &self.answers {
            let words = [*predicted, probability.to_bits(), own.to_bits(), *rank];
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        bytes.extend(self.probabilities.iter().flat_map(|probability| probability.to_le_bytes()));
        bytes
    }

    /// Appends what another process took: of the images after those that are here. Panics if it is of another number of classes.
    pub(crate) fn append(&mut self, taken: &[u8]) {
        let (images, rest) = taken.split_at(size_of::<u64>());
        let images = u64::from_le_bytes(images.try_into().expect("eight bytes")) as usize;
        let mut words =
            rest.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")));
        self.losses.extend(words.by_ref().take(images).map(f32::from_bits));
        for _ in 0..images {
            let [predicted, probability, own, rank] = [(); 4].map(|()| words.next().expect("an answer"));
            let [probability, own] = [probability, own].map(f32::from_bits);
            self.answers.push(Answer { predicted, probability, own, rank });
        }
        let probabilities = self.probabilities.len();
        self.probabilities.extend(words.map(f32::from_bits));
        let kept = self.probabilities.len() - probabilities;
        assert!(kept == 0 || kept == images * self.classes, "{kept} probabilities for {images} images");
    }

    /// Returns the scores of the mean probabilities of several networks for the same images, or `None` if a network's
    /// probabilities were too many to keep. Panics if the networks have other labels or classes.
    pub fn mean(all: &[Scores]) -> Option<Scores> {
        let (first, others) = all.split_first()?;
        let mut scores = Self::none(first.classes, first.labels.clone());
        for image in 0..first.labels.len() {
            let mut sums: Vec<f64> = first.of(image)?.iter().copied().map(f64::from).collect();
            for other in others {
                assert_eq!((other.classes, &other.labels), (first.classes, &first.labels), "the same images");
                sums.iter_mut().zip(other.of(image)?).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            scores.take(&[image as u32], &sums, all.len() as f64);
        }
        Some(scores)
    }

    /// Returns the scores at a temperature: probabilities in proportion to p^(1 / temperature), which is softmax(logits /
    /// temperature) where p = softmax(logits). The predictions stay. `None` if the probabilities were too many to keep.
    pub fn at_temperature(&self, temperature: f64) -> Option<Scores> {
        let mut scores = Self::none(self.classes, self.labels.clone());
        let mut row = vec![0.0; self.classes];
        for (image, before) in self.answers.iter().enumerate() {
            row.fill(0.0);
            add_softmax_at(&self.log_probabilities(image)?, temperature, &mut row);
            scores.take(&[image as u32], &row, 1.0);
            // Probabilities that differ in the last bit may have become equal.
            let probability = row[before.predicted as usize] as f32;
            let own = row[self.labels[image] as usize] as f32;
            scores.answers[image] = Answer { probability, own, ..*before };
        }
        Some(scores)
    }

    /// The logarithms of an image's probabilities, or `None` if there were too many to keep.
    pub(super) fn log_probabilities(&self, image: usize) -> Option<Vec<f32>> {
        const SMALLEST: f32 = 1e-45; // what is smaller was rounded to zero
        let mut logs: Vec<f32> = self.of(image)?.iter().map(|p| p.max(SMALLEST).ln()).collect();
        logs[self.labels[image] as usize] = -self.losses[image]; // which keeps more digits
        Some(logs)
    }

    /// Returns the scores of the images at indices `indices` only. Panics if an index is out of range.
    pub fn select(&self, indices: &[usize]) -> Scores {
        let probabilities = indices.iter().filter_map(|&image| self.of(image)).flatten().copied().collect();
        Scores {
            classes: self.classes,
            labels: indices.iter().map(|&image| self.labels[image]).collect(),
            losses: indices.iter().map(|&image| self.losses[image]).collect(),
            answers: indices.iter().map(|&image| self.answers[image]).collect(),
            probabilities,
        }
    }

    /// The probabilities of image `image`, or `None` if there were too many to keep.
    pub fn of(&self, image: usize) -> Option<&[f32]> {
        self.probabilities.get(image * self.classes..(image + 1) * self.classes)
    }

    /// The most probable class of image `image`, the first of ties.
    pub fn predicted(&self, image: usize) -> u32 {
        self.answers[image].predicted
    }

    /// The probability of that class.
    pub fn probability(&self, image: usize) -> f32 {
        self.answers[image].probability
    }

    /// The probability of the image's true class.
    pub fn own_probability(&self, image: usize) -> f32 {
        self.answers[image].own
    }

    /// The number of misclassified images.
    pub fn wrong(&self) -> usize {
        (0..self.labels.len()).filter(|&image| self.predicted(image) != self.labels[image]).count()
    }

    /// The mean cross-entropy.
    pub fn loss(&self) -> f64 {
        self.losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / self.losses.len().max(1) as f64
    }

    /// The top-`top` error in percent.
    pub fn error_pct(&self, top: usize) -> f64 {
        let wrong = (0..self.labels.len()).filter(|&image| self.answers[image].rank as usize >= top).count();
        percent(wrong as f64, self.labels.len() as f64)
    }

    /// The `top` images whose labels are least probable, the least probable first; ties go to the higher probability of
    /// another class. Among the first are those whose labels are wrong.
    pub fn doubtful(&self, top: usize) -> Vec<usize> {
        let (label, predicted) = (|image| self.own_probability(image), |image| self.probability(image));
        let mut images: Vec<usize> = (0..self.labels.len()).collect();
        images.sort_by(|&a, &b| {
            label(a).total_cmp(&label(b)).then(predicted(b).total_cmp(&predicted(a))).then(a.cmp(&b))
        });
        images.truncate(top);
        images
    }

    /// The misclassified images with the highest predicted probabilities, in decreasing order.
    pub fn worst_mistakes(&self, most: usize) -> Vec<Misclassified> {
        let mut mistakes: Vec<Misclassified> = (0..self.labels.len())
            .map(|image| {
                let predicted = self.predicted(image);
                let probability = self.probability(image);
                Misclassified { image, label: self.labels[image], predicted, probability }
            })
            .filter(|mistake| mistake.label != mistake.predicted)
            .collect();
        mistakes.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.image.cmp(&b.image)));
        mistakes.truncate(most);
        mistakes
    }
}

/// `part` of `whole` in percent; 0 if `whole` is 0.
fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn scores() -> Scores {
        let mut scores = Scores::none(3, vec![0, 1, 2, 1]);
        let sums = [0.5, 0.3, 0.2, 0.7, 0.1, 0.2, 0.2, 0.2, 0.6, 0.4, 0.4, 0.2];
        scores.take(&[0, 1, 2, 3], &sums.map(|p| 2.0 * p), 2.0);
        scores
    }

    #[test]
    fn several_networks_predict_by_their_mean_probability() {
        let one = Scores::new(2, vec![0, 1], &[0.875, 0.125, 0.625, 0.375]);
        let other = Scores::new(2, vec![0, 1], &[0.375, 0.625, 0.125, 0.875]);
        let mean = Scores::mean(&[one.clone(), other]).unwrap();
        assert_eq!(
            (mean.of(0).unwrap(), mean.predicted(0), mean.predicted(1)),
            ([0.625, 0.375].as_slice(), 0, 1)
        );
        assert_eq!(Scores::mean(std::slice::from_ref(&one)), Some(one));
    }

    #[test]
    fn a_temperature_changes_probabilities_and_no_prediction() {
        let before = scores();
        let after = before.at_temperature(2.0).unwrap();
        let row: Vec<f64> = [0.7f64, 0.1, 0.2].map(f64::sqrt).to_vec();
        let sum: f64 = row.iter().sum();
        for (got, expected) in after.of(1).unwrap().iter().zip(&row) {
            assert!((f64::from(*got) - expected / sum).abs() < 1e-6, "{after:?}");
        }
        assert!((f64::from(after.losses[1]) + (row[1] / sum).ln()).abs() < 1e-6);
        for image in 0..4 {
            assert_eq!(after.predicted(image), before.predicted(image));
            assert!(
                (before.at_temperature(1.0).unwrap().probability(image) - before.probability(image)).abs()
                    < 1e-6
            );
        }
        assert_eq!(after.error_pct(2), before.error_pct(2));
        // What becomes equal keeps its order.
        let close = Scores::new(2, vec![0], &[0.499_999_97, 0.500_000_06]);
        assert_eq!(close.at_temperature(100.0).unwrap().predicted(0), 1);
    }

    #[test]
    fn the_least_probable_label_comes_first() {
        let probabilities = [0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.1, 0.9, 0.9, 0.1];
        let scores = Scores::new(2, vec![0, 0, 0, 1, 1], &probabilities);
        assert_eq!(scores.doubtful(3), [4, 1, 2]);
        assert_eq!(scores.doubtful(10), [4, 1, 2, 0, 3]);
    }

    #[test]
    fn the_surest_mistake_comes_first() {
        let mistakes = scores().worst_mistakes(5);
        assert_eq!(mistakes.iter().map(|m| (m.image, m.predicted)).collect::<Vec<_>>(), [(1, 0), (3, 0)]);
        assert_eq!(scores().worst_mistakes(1).len(), 1);
    }
}
