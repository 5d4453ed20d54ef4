//! Numbers of things in sentences.

/// `1 image`, `2 images`: a number of things whose plural takes an s.
pub fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The verb for a number of things: the first of `[is, are]` for one.
pub(crate) fn verb(number: usize, [one, many]: [&str; 2]) -> &str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_has_no_s() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "file")), ["0 files", "1 file", "2 files"]);
        assert_eq!([1, 2].map(|number| verb(number, ["is", "are"])), ["is", "are"]);
    }
}
