//! Choosing images: the holdout or the fold that becomes the test split, and `--limit`.
use crate::error::Error;
use crate::holdout::count;
use crate::note::Note;
use crate::options::Options;

/// The images of a split that was found.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    /// The class of each.
    pub labels: &'a [u32],
    /// The group of each; empty where the data has none.
    pub groups: &'a [Option<&'a str>],
}

/// A split as a part of one of the two that were found, 0 or 1: whole, or some of its images.
pub(crate) struct Part {
    pub of: usize,
    /// The indices of its images; `None`: all of them.
    pub indices: Option<Vec<usize>>,
}

/// The training and the test images out of those that were found, and what was decided.
pub(crate) fn divide(
    found: [Found<'_>; 2],
    classes: &[String],
    options: &Options,
) -> Result<([Part; 2], Vec<Note>), Error> {
    let whole = |of| Part { of, indices: None };
    let is_empty = |of: usize| found[of].labels.is_empty();
    let lone = usize::from(is_empty(0)); // the one that has images, where only one has
    if options.whole {
        let test = if is_empty(1) { 0 } else { 1 };
        return Ok(([whole(1 - test), whole(test)], vec![]));
    }
    let mut notes = vec![];
    let train = if options.takes_test_images() { lone } else { 0 };
    let mut parts = [whole(train), whole(1 - train)];
    let Found { labels, groups } = found[train];
    if let Some(fold) = &options.fold {
        let (kept_and_held, decided) = fold.split(labels, groups, classes)?;
        parts = kept_and_held.map(|indices| Part { of: train, indices: Some(indices) });
        notes = decided;
        notes.extend((!is_empty(1 - train)).then_some(Note::FoldsReplaceTest));
    } else if is_empty(1 - train) || options.holdout.is_some() {
        let (kept, held) = options.holdout.unwrap_or_default().split(labels, classes)?;
        parts = [kept, held].map(|indices| Part { of: train, indices: Some(indices) });
        let replaced = options.holdout.is_some() && !is_empty(0) && !is_empty(1);
        notes.extend(replaced.then_some(Note::HoldoutReplacesTest));
    }
    if let Some(most) = options.limit {
        let indices = match parts[0].indices.take() {
            Some(indices) => indices,
            None => (0..labels.len()).collect(),
        };
        let of_class: Vec<u32> = indices.iter().map(|&index| labels[index]).collect();
        let chosen = limit(&of_class, classes.len(), most);
        parts[0].indices = Some(chosen.into_iter().map(|at| indices[at]).collect());
    }
    Ok((parts, notes))
}

/// The indices of at most `limit` images: as many of each class as can be, the first of each class.
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
        .filter(|&index| {
            let quota = &mut quota[labels[index] as usize];
            let taken = *quota > 0;
            *quota -= usize::from(taken);
            taken
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_balanced_and_takes_the_first() {
        let labels = [0, 0, 0, 1, 1, 2, 0, 1];
        assert_eq!(limit(&labels, 3, 5), [0, 1, 3, 4, 5]);
        assert_eq!(limit(&labels, 3, 7), [0, 1, 2, 3, 4, 5, 7]);
        assert_eq!(limit(&labels, 3, 100), (0..8).collect::<Vec<_>>());
    }
}
