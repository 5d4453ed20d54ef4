//! The folds of a cross-validation: each training image is held out in one of them.
//!
//! Images (or groups of them) are shuffled, always in the same way, and dealt one after the other, the largest group first: each
//! to the fold that has the smallest share of its classes so far. So every fold has each class in its proportion, and the folds
//! of the same images are the same for every network and every seed.
use crate::error::Error;
use crate::group_by::GroupBy;
use crate::holdout::count;
use crate::note::Note;
use crate::random::Sequence;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// One of several folds of the training images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// The one that is held out, from 1.
    pub number: usize,
    /// How many folds there are, at least 2.
    pub of: usize,
    /// What keeps images together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<GroupBy>,
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.number, self.of)?;
        self.group_by.iter().try_for_each(|by| write!(f, " by {by}"))
    }
}

impl Fold {
    /// Splits images, given by label and group in the order of their names, into the indices of the training images and of those
    /// that the fold holds out; says what was decided of the groups.
    pub(crate) fn split(
        &self,
        labels: &[u32],
        groups: &[Option<&str>],
        classes: &[String],
    ) -> Result<([Vec<usize>; 2], Vec<Note>), Error> {
        let &Fold { number, of, ref group_by } = self;
        if of < 2 || !(1..=of).contains(&number) {
            return Err(Error::BadFold { number, of });
        }
        let mut notes = vec![];
        if let Some(by) = group_by {
            if groups.iter().all(Option::is_none) {
                return Err(Error::NoGroups(by.clone()));
            }
            let images = groups.iter().filter(|group| group.is_none()).count();
            notes.extend((images > 0).then_some(Note::Ungrouped { images }));
            notes.extend(shared(labels, groups).filter(|_| *by == GroupBy::Folder));
        }
        let units =
            if group_by.is_some() { grouped(groups) } else { (0..labels.len()).map(|i| vec![i]).collect() };
        let things = if group_by.is_some() { "group" } else { "image" };
        self.check_classes(&units, labels, classes, things)?;
        let fold_of = deal(units, labels, of, classes.len());
        for (class, name) in classes.iter().enumerate() {
            let mut folds = fold_of.iter().zip(labels).filter(|(_, label)| **label as usize == class);
            let first = folds.next().map(|(fold, _)| *fold);
            if folds.all(|(fold, _)| Some(*fold) == first) {
                return Err(Error::ClassInOneFold { class: name.clone() });
            }
        }
        let (train, held) = (0..labels.len()).partition(|&image| fold_of[image] + 1 != number);
        Ok(([train, held], notes))
    }

    /// Every fold is to hold out something of each class.
    fn check_classes(
        &self,
        units: &[Vec<usize>],
        labels: &[u32],
        classes: &[String],
        things: &'static str,
    ) -> Result<(), Error> {
        let mut there = vec![0; classes.len()];
        for unit in units {
            let of_unit: BTreeSet<u32> = unit.iter().map(|&image| labels[image]).collect();
            of_unit.into_iter().for_each(|label| there[label as usize] += 1);
        }
        match there.iter().zip(classes).find(|(there, _)| **there < self.of) {
            None => Ok(()),
            Some((&there, class)) => {
                Err(Error::TooManyFolds { folds: self.of, class: class.clone(), things, there })
            }
        }
    }
}

/// The images of each group, in the order of their first images; an image in no group is one by itself.
fn grouped(groups: &[Option<&str>]) -> Vec<Vec<usize>> {
    let (mut units, mut unit_of): (Vec<Vec<usize>>, HashMap<&str, usize>) = Default::default();
    for (image, group) in groups.iter().enumerate() {
        let unit = group.map_or(units.len(), |group| *unit_of.entry(group).or_insert(units.len()));
        if unit == units.len() {
            units.push(vec![]);
        }
        units[unit].push(image);
    }
    units
}

/// The groups that hold images of several classes, if there are any.
fn shared(labels: &[u32], groups: &[Option<&str>]) -> Option<Note> {
    let mut classes: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for (group, &label) in groups.iter().zip(labels) {
        group.map(|group| classes.entry(group).or_default().insert(label));
    }
    classes.retain(|_, labels| labels.len() > 1);
    let example = classes.keys().next()?.to_string();
    Some(Note::SharedGroups { groups: classes.len(), example })
}

/// The fold of each image, from 0, where the images of a unit stay together.
fn deal(mut units: Vec<Vec<usize>>, labels: &[u32], folds: usize, classes: usize) -> Vec<usize> {
    let mut random = Sequence::of_folds();
    for last in (1..units.len()).rev() {
        units.swap(last, random.below(last as u32 + 1) as usize);
    }
    units.sort_by_key(|unit| std::cmp::Reverse(unit.len())); // stable
    let all = count(labels, classes);
    let mut dealt = vec![vec![0; classes]; folds];
    let mut sizes = vec![0; folds];
    let mut fold_of = vec![0; labels.len()];
    for unit in units {
        let share = |fold: usize| -> f64 {
            let of = |&image: &usize| labels[image] as usize;
            unit.iter().map(of).map(|class| dealt[fold][class] as f64 / all[class] as f64).sum()
        };
        let order = |a: &usize, b: &usize| share(*a).total_cmp(&share(*b)).then(sizes[*a].cmp(&sizes[*b]));
        let fold = (0..folds).min_by(order).unwrap_or_default(); // the first of equals
        for &image in &unit {
            dealt[fold][labels[image] as usize] += 1;
            fold_of[image] = fold;
        }
        sizes[fold] += unit.len();
    }
    fold_of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| format!("class{class}")).collect()
    }

    fn fold(number: usize, of: usize, group_by: Option<GroupBy>) -> Fold {
        Fold { number, of, group_by }
    }

    /// What each fold holds out.
    fn held_out(of: usize, labels: &[u32], classes: usize) -> Vec<Vec<usize>> {
        let held = |number| fold(number, of, None).split(labels, &[], &names(classes)).unwrap().0[1].clone();
        (1..=of).map(held).collect()
    }

    #[test]
    fn each_image_is_held_out_once_and_each_class_in_its_proportion() {
        let labels: Vec<u32> =
            (0..103).map(|image| if image % 5 == 0 { 1 } else { image % 3 / 2 * 2 }).collect();
        let folds = held_out(4, &labels, 3);
        let mut all = folds.concat();
        all.sort_unstable();
        assert_eq!(all, (0..103).collect::<Vec<_>>());
        for class in 0..3 {
            let of = |fold: &Vec<usize>| fold.iter().filter(|&&image| labels[image] == class).count();
            let (least, most) = (folds.iter().map(of).min().unwrap(), folds.iter().map(of).max().unwrap());
            assert!(most - least <= 1, "class {class}: {least} to {most}");
        }
        let sizes: Vec<usize> = folds.iter().map(Vec::len).collect();
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        // They are shuffled, and always in the same way.
        assert!(folds[0].windows(2).any(|pair| pair[1] - pair[0] > 4), "{folds:?}");
        assert_eq!(folds, held_out(4, &labels, 3));
        // Runs rely on it for ever.
        assert_eq!(held_out(2, &[0, 0, 0, 1, 1], 2), [vec![2, 4], vec![0, 1, 3]]);
    }

    #[test]
    fn groups_stay_together_and_folds_alike() {
        // Ten groups of class 0 and four of class 1 with three images each, and six images of class 1 alone.
        let labels: Vec<u32> = (0..48).map(|image| u32::from(image >= 30)).collect();
        let group = |image: usize| (image < 42).then(|| format!("g{}", image / 3));
        let groups: Vec<Option<String>> = (0..48).map(group).collect();
        let groups: Vec<Option<&str>> = groups.iter().map(Option::as_deref).collect();
        let mut held_of = BTreeMap::new();
        for number in 1..=2 {
            let ([train, held], notes) =
                fold(number, 2, Some(GroupBy::Folder)).split(&labels, &groups, &names(2)).unwrap();
            assert_eq!((train.len(), held.len()), (24, 24), "{held:?}");
            assert_eq!(held.iter().filter(|&&image| labels[image] == 1).count(), 9);
            assert_eq!(notes, [Note::Ungrouped { images: 6 }]);
            for image in held {
                if let Some(group) = groups[image] {
                    assert_eq!(*held_of.entry(group).or_insert(number), number, "{group} is in both folds");
                }
            }
        }
        assert_eq!(held_of.len(), 14);
    }

    #[test]
    fn what_cannot_be_dealt_is_named() {
        let of = |folds, labels: &[u32], groups: &[Option<&str>]| {
            let by = (!groups.is_empty()).then_some(GroupBy::Folder);
            fold(1, folds, by).split(labels, groups, &names(2)).unwrap_err().to_string()
        };
        let error = of(3, &[0, 0, 0, 1, 1], &[]);
        assert!(
            error.contains("3 folds need at least 3 images of each class, but class 'class1' has 2"),
            "{error}"
        );
        let error = of(2, &[0, 0, 0, 1, 1], &[Some("a"), Some("b"), Some("b"), Some("c"), Some("c")]);
        assert!(error.contains("2 groups of each class, but class 'class1' has 1"), "{error}");
        assert!(of(2, &[0, 1], &[None, None]).contains("no image is in a group by --group-by folder"));
        for (number, folds) in [(0, 2), (3, 2), (1, 1), (1, 0)] {
            let error = fold(number, folds, None).split(&[0, 1], &[], &names(2)).unwrap_err();
            assert!(matches!(error, Error::BadFold { .. }), "{number} of {folds}: {error}");
        }
    }

    #[test]
    fn a_name_in_several_classes_is_one_group() {
        let groups = [Some("a"), Some("a"), Some("b"), Some("c"), Some("d"), Some("e")];
        let ([train, held], notes) =
            fold(1, 2, Some(GroupBy::Folder)).split(&[0, 1, 0, 0, 1, 1], &groups, &names(2)).unwrap();
        assert_eq!(notes, [Note::SharedGroups { groups: 1, example: "a".into() }]);
        assert_eq!(held.contains(&0), held.contains(&1), "{train:?} {held:?}");
    }
}
