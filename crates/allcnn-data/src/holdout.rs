//! How much of the data is held out for testing.
use crate::error::Error;
use std::fmt;
use std::str::FromStr;

/// How much of each class is kept for testing: its last images by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holdout {
    /// No image.
    Nothing,
    /// This number of images of each class.
    PerClass(usize),
    /// A share of each class in percent, rounded, at least one image of a class that has two.
    Percent(f64),
}

impl Default for Holdout {
    /// The last tenth.
    fn default() -> Self {
        Holdout::Percent(10.0)
    }
}

impl FromStr for Holdout {
    type Err = Error;

    /// Reads `500`, `10%` or `none`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadHoldout(text.to_string());
        if text.trim() == "none" {
            return Ok(Holdout::Nothing);
        }
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
            Holdout::Nothing => f.write_str("none"),
            Holdout::PerClass(images) => write!(f, "{images}"),
            Holdout::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Holdout {
    /// How many of `images` images of one class are kept for testing.
    fn of(self, images: usize) -> usize {
        match self {
            Holdout::Nothing => 0,
            Holdout::PerClass(kept) => kept,
            Holdout::Percent(percent) => {
                let kept = (images as f64 * percent / 100.0).round() as usize;
                kept.clamp(usize::from(images > 1), images.saturating_sub(1))
            }
        }
    }

    /// Splits images, given by label in the order of their names, into the indices of the training and of the
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
        Ok((0..labels.len()).partition(|&index| {
            let left = &mut training[labels[index] as usize];
            let trains = *left > 0;
            *left -= usize::from(trains);
            trains
        }))
    }
}

/// The number of images of each class.
pub(crate) fn count(labels: &[u32], classes: usize) -> Vec<usize> {
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
        assert_eq!("none".parse::<Holdout>().unwrap().to_string(), "none");
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
        let (train, test) = Holdout::Nothing.split(&labels, &names(2)).unwrap();
        assert_eq!((train.len(), test.len()), (7, 0));
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
}
