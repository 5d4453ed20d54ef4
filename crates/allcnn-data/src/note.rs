//! What a person should know about how data was read.
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;

/// A decision that was made while data was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A holdout was given for data that has a test split.
    HoldoutReplacesTest,
    /// There are a test and a validation split.
    ValidationNotUsed,
    /// There is a test split, and no other.
    TestOnly,
    /// Images of one split are files of another one too, by links.
    SharedImages {
        /// How many.
        images: usize,
        /// The first of them, in the one split ...
        earlier: String,
        /// ... and in the other.
        later: String,
    },
    /// Images of several sizes, and no wanted size.
    Resized {
        /// Images of other sizes.
        images: usize,
        /// Rows that all have now.
        height: usize,
        /// Columns that all have now.
        width: usize,
    },
}

impl Note {
    /// Its name for programs; it never changes.
    pub fn kind(&self) -> &'static str {
        match self {
            Note::HoldoutReplacesTest => "holdout-replaces-test",
            Note::ValidationNotUsed => "validation-not-used",
            Note::TestOnly => "test-only",
            Note::SharedImages { .. } => "shared-images",
            Note::Resized { .. } => "resized",
        }
    }
}

/// Its words for people.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::HoldoutReplacesTest => {
                f.write_str("a holdout was given: the data's own test split was not used")
            }
            Note::ValidationNotUsed => {
                f.write_str("the test split is 'test'; the validation images were not used")
            }
            Note::TestOnly => f.write_str("there is a test split only: nothing to train on"),
            Note::SharedImages { images, earlier, later } => {
                let are = if *images == 1 {
                    "image is the same file as one"
                } else {
                    "images are the same files as some"
                };
                write!(f, "{images} {are} of another split, by links ({later} = {earlier})")
            }
            Note::Resized { images, height, width } => {
                write!(f, "{images} images of other sizes were resized to {height}x{width}")
            }
        }
    }
}

/// `{"kind", "text"}`.
impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut note = serializer.serialize_struct("Note", 2)?;
        note.serialize_field("kind", self.kind())?;
        note.serialize_field("text", &self.to_string())?;
        note.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_written_with_its_kind_and_its_words() {
        let note = Note::Resized { images: 31, height: 24, width: 32 };
        let text = "31 images of other sizes were resized to 24x32";
        assert_eq!(
            serde_json::to_value(&note).unwrap(),
            serde_json::json!({ "kind": "resized", "text": text })
        );
    }
}
