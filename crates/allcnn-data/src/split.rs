//! Choosing images: the holdout that becomes the test split, and `--limit`.
use crate::error::Error;
use crate::options::Options;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How much of each class is kept for testing: its last images by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holdout {
    /// So many images of each class.
    PerClass(usize),
    /// A share of each class in percent, rounded, at least one image of a class that has two.
    Percent(f64),
}

/// A split of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SplitName {
    /// The images to train on.
    Train,
    /// The images that choose the best checkpoint.
    Validation,
    /// The images to test on.
    Test,
}

impl SplitName {
    /// All of them, each at the place of its number.
    pub const ALL: [SplitName; 3] = [SplitName::Train, SplitName::Validation, SplitName::Test];

    /// Its name in `--splits`.
    pub fn flag(self) -> &'static str {
        match self {
            SplitName::Train => "train",
            SplitName::Validation => "val",
            SplitName::Test => "test",
        }
    }

    /// Its name for people.
    pub fn word(self) -> &'static str {
        match self {
            SplitName::Train => "training",
            SplitName::Validation => "validation",
            SplitName::Test => "test",
        }
    }
}

/// Names of folders or files that hold the data's own splits, as a person gives them: `train=NAME,val=NAME,test=NAME`, each
/// at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SplitNames {
    /// Of the training images.
    pub train: Option<String>,
    /// Of the validation images.
    pub validation: Option<String>,
    /// Of the test images.
    pub test: Option<String>,
}

impl FromStr for SplitNames {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadSplits(text.to_string());
        let mut names = Self::default();
        for part in text.split(',') {
            let (split, name) = part.split_once('=').ok_or_else(bad)?;
            let place = match split.trim() {
                "train" => &mut names.train,
                "val" | "validation" => &mut names.validation,
                "test" => &mut names.test,
                _ => return Err(bad()),
            };
            let name = name.trim().trim_matches('/');
            if name.is_empty() || place.replace(name.to_string()).is_some() {
                return Err(bad());
            }
        }
        Ok(names)
    }
}

impl TryFrom<String> for SplitNames {
    type Error = Error;

    /// As `--splits` takes it; nothing named by an empty text.
    fn try_from(text: String) -> Result<Self, Error> {
        if text.is_empty() { Ok(Self::default()) } else { text.parse() }
    }
}

impl From<SplitNames> for String {
    fn from(names: SplitNames) -> String {
        names.to_string()
    }
}

impl fmt::Display for SplitNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("train", &self.train), ("val", &self.validation), ("test", &self.test)];
        let parts = parts.into_iter().filter_map(|(split, name)| Some(format!("{split}={}", name.as_ref()?)));
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

impl Default for Holdout {
    /// The last tenth.
    fn default() -> Self {
        Holdout::Percent(10.0)
    }
}

impl FromStr for Holdout {
    type Err = Error;

    /// Reads `500` or `10%`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadHoldout(text.to_string());
        match text.trim().strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.trim().parse().map_err(|_| bad())?;
                if percent > 0.0 && percent < 100.0 { Ok(Holdout::Percent(percent)) } else { Err(bad()) }
            }
            None => match text.trim().parse() {
                Ok(images) if images > 0 => Ok(Holdout::PerClass(images)),
                _ => Err(bad()),
            },
        }
    }
}

impl fmt::Display for Holdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holdout::PerClass(images) => write!(f, "{images}"),
            Holdout::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Holdout {
    /// How many of `images` images of one class are kept for testing.
    fn of(self, images: usize) -> usize {
        match self {
            Holdout::PerClass(kept) => kept,
            Holdout::Percent(percent) => {
                let kept = (images as f64 * percent / 100.0).round() as usize;
                kept.clamp(usize::from(images > 1), images.saturating_sub(1))
            }
        }
    }

    /// Splits images, given by label in the order of their names, into the places of the training and of the
    /// test images.
    pub(crate) fn split(self, labels: &[u32], classes: &[String]) -> Result<(Vec<usize>, Vec<usize>), Error> {
        let mut training: Vec<usize> = count(labels, classes.len());
        for (images, class) in training.iter_mut().zip(classes) {
            let kept = self.of(*images);
            if *images > 0 && kept >= *images && matches!(self, Holdout::PerClass(_)) {
                let holdout = self.to_string();
                return Err(Error::HoldoutTooLarge { holdout, class: class.clone(), images: *images });
            }
            *images -= kept.min(*images);
        }
        Ok((0..labels.len()).partition(|&place| {
            let left = &mut training[labels[place] as usize];
            let trains = *left > 0;
            *left -= usize::from(trains);
            trains
        }))
    }
}

/// What becomes a split: one of the two that were found, 0 or 1, whole or some of its images.
pub(crate) struct Part {
    pub of: usize,
    /// `None`: all of them.
    pub places: Option<Vec<usize>>,
}

/// The training and the test images out of those that were found, of which labels are given; and whether a holdout took the
/// place of a test split.
pub(crate) fn divide(
    found: [&[u32]; 2],
    classes: &[String],
    options: &Options,
) -> Result<([Part; 2], bool), Error> {
    let whole = |of| Part { of, places: None };
    let lone = usize::from(found[0].is_empty()); // the one that has images, where only one has
    if options.whole {
        let test = if found[1].is_empty() { 0 } else { 1 };
        return Ok(([whole(1 - test), whole(test)], false));
    }
    let replaced = options.holdout.is_some() && found.iter().all(|labels| !labels.is_empty());
    let train = if options.holdout.is_some() { lone } else { 0 };
    let mut parts = [whole(train), whole(1 - train)];
    if found[1 - train].is_empty() || options.holdout.is_some() {
        let (kept, held) = options.holdout.unwrap_or_default().split(found[train], classes)?;
        parts = [kept, held].map(|places| Part { of: train, places: Some(places) });
    }
    if let Some(most) = options.limit {
        let places = match parts[0].places.take() {
            Some(places) => places,
            None => (0..found[train].len()).collect(),
        };
        let labels: Vec<u32> = places.iter().map(|&place| found[train][place]).collect();
        let chosen = limit(&labels, classes.len(), most);
        parts[0].places = Some(chosen.into_iter().map(|place| places[place]).collect());
    }
    Ok((parts, replaced))
}

/// The places of at most `limit` images: as many of each class as can be, the first of each class.
pub(crate) fn limit(labels: &[u32], classes: usize, limit: usize) -> Vec<usize> {
    let available = count(labels, classes);
    let mut quota = vec![0; classes];
    let mut left = limit.min(labels.len());
    while left > 0 {
        for class in 0..classes {
            if left > 0 && quota[class] < available[class] {
                quota[class] += 1;
                left -= 1;
            }
        }
    }
    (0..labels.len())
        .filter(|&place| {
            let quota = &mut quota[labels[place] as usize];
            let taken = *quota > 0;
            *quota -= usize::from(taken);
            taken
        })
        .collect()
}

/// Images of each class.
fn count(labels: &[u32], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &label in labels {
        counts[label as usize] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| format!("class{class}")).collect()
    }

    #[test]
    fn a_holdout_is_read_and_printed() {
        assert_eq!("500".parse::<Holdout>().unwrap(), Holdout::PerClass(500));
        assert_eq!("10%".parse::<Holdout>().unwrap(), Holdout::Percent(10.0));
        assert_eq!("12.5 %".parse::<Holdout>().unwrap().to_string(), "12.5%");
        for wrong in ["", "0", "-1", "x", "0%", "100%", "nan%", "%"] {
            assert!(wrong.parse::<Holdout>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_of_each_class_are_held_out() {
        let labels = [0, 1, 0, 1, 0, 1, 0];
        let (train, test) = Holdout::PerClass(2).split(&labels, &names(2)).unwrap();
        assert_eq!((train, test), (vec![0, 1, 2], vec![3, 4, 5, 6]));
        let (train, test) = Holdout::Percent(10.0).split(&labels, &names(2)).unwrap();
        assert_eq!((train, test), (vec![0, 1, 2, 3, 4], vec![5, 6]));
        let error = Holdout::PerClass(3).split(&labels, &names(2)).unwrap_err().to_string();
        assert!(error.contains("class1") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_class_of_one_image_is_trained_on() {
        let (train, test) = Holdout::default().split(&[0, 1], &names(2)).unwrap();
        assert_eq!((train, test), (vec![0, 1], vec![]));
    }

    #[test]
    fn names_of_splits_are_read_and_written() {
        let text = "train=a/b,test=c d";
        let names: SplitNames = text.parse().unwrap();
        assert_eq!((names.train.as_deref(), names.test.as_deref()), (Some("a/b"), Some("c d")));
        assert_eq!(names.to_string(), text);
        assert_eq!("validation=x".parse::<SplitNames>().unwrap().to_string(), "val=x");
        for bad in ["", "train", "train=", "other=a", "train=a,train=b"] {
            let error = bad.parse::<SplitNames>().unwrap_err().to_string();
            assert!(error.contains("train=NAME"), "{error}");
        }
    }

    #[test]
    fn a_limit_is_balanced_and_takes_the_first() {
        let labels = [0, 0, 0, 1, 1, 2, 0, 1];
        assert_eq!(limit(&labels, 3, 5), [0, 1, 3, 4, 5]);
        assert_eq!(limit(&labels, 3, 7), [0, 1, 2, 3, 4, 5, 7]);
        assert_eq!(limit(&labels, 3, 100), (0..8).collect::<Vec<_>>());
    }
}
