//! Names of runs in addresses.

use std::path::Path;

/// The name of a run folder by its path below the folder that is listed: letters, digits, `-`, `_` and `.` stay, every other byte
/// becomes `~` and two hexadecimal digits.
pub(super) fn of(relative: &Path) -> String {
    let text = relative.as_os_str().as_encoded_bytes();
    let mut name = String::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("~{byte:02X}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_mean_something_in_an_address_is_written_out() {
        assert_eq!(of(Path::new("20261130-1200-all-cnn-c")), "20261130-1200-all-cnn-c");
        assert_eq!(of(Path::new("folds/fold-1")), "folds~2Ffold-1");
        assert_eq!(of(Path::new("<b>~é?")), "~3Cb~3E~7E~C3~A9~3F");
    }
}
