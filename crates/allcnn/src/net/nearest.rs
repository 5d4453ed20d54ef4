//! Suggestions for misspelled names.

/// The known name with the smallest edit distance from `given`, unless more than a third of its letters differ.
/// Case is ignored, and `_` and spaces count as `-`.
pub(crate) fn nearest(given: &str, known: &[String]) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let given = plain(given);
    let distance = |name: &String| strsim::levenshtein(&given, &plain(name));
    let (distance, name) = known.iter().map(|name| (distance(name), name)).min()?;
    (distance * 3 <= name.len()).then(|| name.clone())
}
