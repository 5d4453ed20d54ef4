//! The names of classes, compared and shown in one Unicode form.
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A class's name in NFC, the form that all spellings of it share.
pub(super) fn nfc(name: &str) -> String {
    if is_nfc(name) { name.to_string() } else { name.nfc().collect() }
}
