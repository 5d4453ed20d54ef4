//! Choosing images: the holdout that becomes the test split, and `--limit`.
use crate::error::Error;
use crate::holdout::count;
use crate::options::Options;

/// A split as a part of one of the two that were found, 0 or 1: whole, or some of its images.
pub(crate) struct Part {
    pub of: usize,
    /// The indices of its images; `None`: all of them.
    pub indices: Option<Vec<usize>>,
}

/// The training and the test images out of those that were found, given by their labels; and whether a holdout replaces
/// a test split.
pub(crate) fn divide(
    found: [&[u32]; 2],
    classes: &[String],
    options: &Options,
) -> Result<([Part; 2], bool), Error> {
    let whole = |of| Part { of, indices: None };
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
        parts = [kept, held].map(|indices| Part { of: train, indices: Some(indices) });
    }
    if let Some(most) = options.limit {
        let indices = match parts[0].indices.take() {
            Some(indices) => indices,
            None => (0..found[train].len()).collect(),
        };
        let labels: Vec<u32> = indices.iter().map(|&index| found[train][index]).collect();
        let chosen = limit(&labels, classes.len(), most);
        parts[0].indices = Some(chosen.into_iter().map(|at| indices[at]).collect());
    }
    Ok((parts, replaced))
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
