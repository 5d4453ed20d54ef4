//! Flags that say how to read data that does not describe itself; every command that takes data has them.

use std::path::PathBuf;

use allcnn::data::{Reading, SplitNames};
use clap::Args;

/// How data is read.
#[derive(Debug, Args)]
#[group(id = "reading", multiple = true, requires = "data")]
pub(crate) struct ReadingArgs {
    /// Folders or files of the data that are its splits, if their names do not say so
    #[arg(long, value_name = "train=NAME,val=NAME,test=NAME", value_parser = str::parse::<SplitNames>)]
    pub splits: Option<SplitNames>,
    /// The column of a table (CSV, TSV, parquet) that holds images or names their files
    #[arg(long, value_name = "NAME")]
    pub image_column: Option<String>,
    /// The column of a table that holds the classes
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
    /// Folder of the files that a table names [default: the table's]
    #[arg(long, value_name = "DIR")]
    pub image_root: Option<PathBuf>,
}

impl ReadingArgs {
    /// The flags as the library's options.
    pub(crate) fn reading(&self) -> Reading {
        let Self { splits, image_column, label_column, image_root } = self;
        Reading {
            splits: splits.clone().unwrap_or_default(),
            image_column: image_column.clone(),
            label_column: label_column.clone(),
            // Absolute: a resumed run may have another working folder.
            image_root: image_root
                .as_ref()
                .map(|root| std::path::absolute(root).unwrap_or_else(|_| root.clone())),
        }
    }
}
