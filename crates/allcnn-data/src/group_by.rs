//! What keeps images together where images are dealt to folds.
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// What the images of a group have in common: pictures of one thing (a person, a place, a film) that must not be on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum GroupBy {
    /// The folder straight below the class folder: `cat/tom/1.jpg` is in the group `tom`.
    Folder,
    /// What the column of this name holds, of a table (CSV, TSV) that names the images.
    Column(String),
}

/// The word for the folder.
const FOLDER: &str = "folder";

impl From<String> for GroupBy {
    /// As `--group-by` takes it: `folder`, or the name of a column.
    fn from(text: String) -> Self {
        if text == FOLDER { GroupBy::Folder } else { GroupBy::Column(text) }
    }
}

impl FromStr for GroupBy {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_string().into())
    }
}

impl From<GroupBy> for String {
    fn from(by: GroupBy) -> String {
        by.to_string()
    }
}

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GroupBy::Folder => FOLDER,
            GroupBy::Column(name) => name,
        })
    }
}
