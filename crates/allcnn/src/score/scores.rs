//! Predictions of a network on a set of images, and the metrics computed from them.

use serde::Serialize;

use crate::confusion::Confusion;

/// The predictions of a network on a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The number of classes.
    pub classes: usize,
    /// The true class of each image.
    pub labels: Vec<u32>,
    /// The cross-entropy loss of each image.
    pub losses: Vec<f32>,
    answers: Vec<Answer>,
    /// `[images, classes]`; empty if larger than [`MOST_KEPT`].
    probabilities: Vec<f32>,
}

/// The most probabilities to keep: 256 MiB.
const MOST_KEPT: usize = 1 << 26;

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
pub struct Mistake {
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
        let places: Vec<u32> = (0..scores.labels.len() as u32).collect();
        scores.take(&places, &sums, 1.0);
        scores
    }

    /// Stores the predictions for the images at indices `places`, given their probabilities summed over `views`
    /// views.
    pub(super) fn take(&mut self, places: &[u32], sums: &[f64], views: f64) {
        for (row, &place) in sums.chunks_exact(self.classes).zip(places) {
            let own = row[self.labels[place as usize] as usize] / views;
            // If the probability underflowed: the loss of the smallest positive f64, not infinity.
            let loss = if own.is_nan() { f64::NAN } else { -own.max(f64::MIN_POSITIVE).ln() };
            self.losses.push(loss as f32);
            let row: Vec<f32> = row.iter().map(|sum| (sum / views) as f32).collect();
            self.answers.push(Answer::of(&row, self.labels[place as usize]));
            if self.labels.len().saturating_mul(self.classes) <= MOST_KEPT {
                self.probabilities.extend(row);
            }
        }
    }

    /// Returns the scores of the images at indices `places` only. Panics if an index is out of range.
    pub fn select(&self, places: &[usize]) -> Scores {
        let probabilities = places.iter().filter_map(|&image| self.of(image)).flatten().copied().collect();
        Scores {
            classes: self.classes,
            labels: places.iter().map(|&image| self.labels[image]).collect(),
            losses: places.iter().map(|&image| self.losses[image]).collect(),
            answers: places.iter().map(|&image| self.answers[image]).collect(),
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

    /// The misclassified images with the highest predicted probabilities, in decreasing order.
    pub fn worst_mistakes(&self, most: usize) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> = (0..self.labels.len())
            .map(|image| {
                let predicted = self.predicted(image);
                let probability = self.probability(image);
                Mistake { image, label: self.labels[image], predicted, probability }
            })
            .filter(|mistake| mistake.label != mistake.predicted)
            .collect();
        mistakes.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.image.cmp(&b.image)));
        mistakes.truncate(most);
        mistakes
    }

    /// Computes all metrics, with these class names.
    pub fn evaluation(&self, names: &[String]) -> Evaluation {
        let mut confusion = Confusion::new(self.classes);
        for (image, &label) in self.labels.iter().enumerate() {
            confusion.count(label, self.predicted(image), 1);
        }
        let classes = names.iter().zip(confusion.by_class()).map(|(name, (images, wrong))| {
            let error = percent(wrong as f64, images as f64);
            ClassError { name: name.clone(), images, error_pct: (images > 0).then_some(error) }
        });
        Evaluation {
            images: self.labels.len(),
            top1_error_pct: self.error_pct(1),
            top5_error_pct: self.error_pct(5),
            loss: self.loss(),
            classes: classes.collect(),
            confusion,
        }
    }
}

/// The metrics of an evaluation, as `allcnn eval --json` prints them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The number of images.
    pub images: usize,
    /// The top-1 error in percent.
    pub top1_error_pct: f64,
    /// The top-5 error in percent.
    pub top5_error_pct: f64,
    /// The mean cross-entropy.
    pub loss: f64,
    /// The error of each class.
    pub classes: Vec<ClassError>,
    /// The confusion matrix: `confusion`, rows of true classes, or null above 1,000 classes; then
    /// `confusion_sparse` lists the pairs that occur: `[true, predicted, images]`.
    #[serde(flatten, serialize_with = "confusion_fields")]
    pub confusion: Confusion,
}

/// Serializes a confusion matrix as the fields of `allcnn eval --json`.
fn confusion_fields<S: serde::Serializer>(confusion: &Confusion, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Fields {
        confusion: Option<Vec<Vec<u64>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        confusion_sparse: Option<Vec<(usize, usize, u64)>>,
    }
    let rows = confusion.rows();
    let confusion_sparse = rows.is_none().then(|| confusion.pairs().collect());
    Fields { confusion: rows, confusion_sparse }.serialize(serializer)
}

/// The error of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassError {
    /// The class.
    pub name: String,
    /// The number of its images.
    pub images: u64,
    /// Its error in percent; absent without images.
    pub error_pct: Option<f64>,
}

/// `part` of `whole` in percent; 0 if `whole` is 0.
fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Scores {
        let mut scores = Scores::none(3, vec![0, 1, 2, 1]);
        let sums = [0.5, 0.3, 0.2, 0.7, 0.1, 0.2, 0.2, 0.2, 0.6, 0.4, 0.4, 0.2];
        scores.take(&[0, 1, 2, 3], &sums.map(|p| 2.0 * p), 2.0);
        scores
    }

    #[test]
    fn errors_loss_and_confusion_are_counted_by_hand() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let evaluation = scores().evaluation(&names);
        let rows = vec![vec![1, 0, 0], vec![2, 0, 0], vec![0, 0, 1]];
        assert_eq!(evaluation.confusion.rows(), Some(rows));
        assert_eq!((evaluation.images, evaluation.top1_error_pct, evaluation.top5_error_pct), (4, 50.0, 0.0));
        let errors: Vec<_> = evaluation.classes.iter().map(|class| class.error_pct).collect();
        assert_eq!(errors, [Some(0.0), Some(100.0), Some(0.0)]);
        let expected = -(0.5f64.ln() + 0.1f64.ln() + 0.6f64.ln() + 0.4f64.ln()) / 4.0;
        assert!((evaluation.loss - expected).abs() < 1e-6);
        assert_eq!(scores().error_pct(2), 25.0);
    }

    #[test]
    fn of_very_many_classes_no_square_is_made() {
        let classes = 65_536;
        let mut scores = Scores::none(classes, vec![7; 2000]); // 524 MiB of probabilities
        let mut row = vec![0.0; classes];
        (row[65_535], row[7]) = (0.75, 0.25);
        (0..2000).for_each(|place| scores.take(&[place], &row, 1.0));
        assert_eq!((scores.of(0), scores.predicted(0), scores.own_probability(0)), (None, 65_535, 0.25));
        assert_eq!((scores.error_pct(1), scores.error_pct(2)), (100.0, 0.0));
        let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
        let json = serde_json::to_value(scores.evaluation(&names)).unwrap();
        assert_eq!(json["confusion"], serde_json::Value::Null);
        assert_eq!(json["confusion_sparse"], serde_json::json!([[7, 65_535, 2000]]));
    }

    #[test]
    fn the_surest_mistake_comes_first() {
        let mistakes = scores().worst_mistakes(5);
        assert_eq!(mistakes.iter().map(|m| (m.image, m.predicted)).collect::<Vec<_>>(), [(1, 0), (3, 0)]);
        assert_eq!(scores().worst_mistakes(1).len(), 1);
    }
}
