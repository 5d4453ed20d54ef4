//! What a person says about the data where the data itself does not say it.
use crate::split_names::SplitNames;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a person says about the data; the default leaves everything to what is found in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Which folders or files are the splits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub splits: SplitNames,
    /// The column of a table (CSV, TSV, parquet) that holds images or names their files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_column: Option<String>,
    /// The column of a table that holds the classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The folder that holds the files which a table names; without it they lie in the table's own folder or below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_root: Option<PathBuf>,
}

impl Reading {
    /// Whether everything is left to the data.
    pub fn is_default(&self) -> bool {
        is_default(self)
    }

    /// Whether columns are named: then the data is a table.
    pub(crate) fn names_columns(&self) -> bool {
        self.image_column.is_some() || self.label_column.is_some()
    }

    /// This reading without the folder of the images: where they are changes nothing about what they are.
    pub fn anywhere(&self) -> Self {
        Self { image_root: None, ..self.clone() }
    }
}

/// The flags that say it.
impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let splits = Some(self.splits.to_string()).filter(|splits| !splits.is_empty());
        let root = self.image_root.as_ref().map(|root| root.display().to_string());
        let flags = [
            ("splits", splits),
            ("image-column", self.image_column.clone()),
            ("label-column", self.label_column.clone()),
            ("image-root", root),
        ];
        let flags = flags.into_iter().filter_map(|(flag, value)| Some(format!("--{flag} {}", value?)));
        f.write_str(&flags.collect::<Vec<_>>().join(" "))
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_as_it_was_given() {
        let reading = Reading {
            splits: "train=a,test=b c".parse().unwrap(),
            label_column: Some("breed".into()),
            ..Reading::default()
        };
        let text = serde_json::to_string(&reading).unwrap();
        assert_eq!(text, r#"{"splits":"train=a,test=b c","label_column":"breed"}"#);
        assert_eq!(serde_json::from_str::<Reading>(&text).unwrap(), reading);
        assert_eq!(reading.to_string(), "--splits train=a,test=b c --label-column breed");
        assert!(!reading.is_default() && Reading::default().to_string().is_empty());
        assert!(
            serde_json::from_str::<Reading>(r#"{"splits":"a"}"#)
                .unwrap_err()
                .to_string()
                .contains("train=NAME")
        );
    }
}
