//! Tables 3 and 4 of the paper: the experiments and their published errors, and those from the literature; and a table that asks
//! the paper's question again.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::net::{Base, Network, Variant};

/// A table of the paper, or one that asks its question again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaperTable {
    /// The base networks and their derived variants, on CIFAR-10 without augmentation.
    Table3,
    /// All-CNN compared with the literature, on CIFAR-10 and CIFAR-100.
    Table4,
    /// Base C with its pooling, or the activation of its hidden layers, replaced by each kind, on CIFAR-10 without augmentation.
    Ablation,
}

/// A test error in percent published in the paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The error.
    pub error_pct: f64,
    /// Whether it was recalled rather than read: the available copies of the paper lack it.
    pub is_recalled: bool,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}{}", self.error_pct, if self.is_recalled { " (?)" } else { "" })
    }
}

/// The data set of one of the paper's experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Benchmark {
    /// CIFAR-10.
    Cifar10,
    /// CIFAR-100.
    Cifar100,
}

/// A table row: network, data and augmentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The row's name.
    pub name: String,
    /// The network's name or file.
    pub model: String,
    /// The data.
    pub benchmark: Benchmark,
    /// The augmentation, in a recipe's syntax.
    pub augment: &'static str,
    /// The paper's result.
    pub published: Option<Published>,
}

impl Entry {
    fn plain(name: &str, model: &str) -> Self {
        let (benchmark, augment) = (Benchmark::Cifar10, "none");
        let (name, model) = (name.into(), model.into());
        Self { name, model, benchmark, augment, published: None }
    }
}

/// A result from the literature printed in Table 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Literature {
    /// Data set and augmentation.
    pub group: &'static str,
    /// The method's name.
    pub method: &'static str,
    /// Its result.
    pub published: Published,
}

/// The test errors of Table 3, a row per base network: base, Strided, ConvPool, All-CNN.
const TABLE_3: [(Base, [f64; 4]); 3] = [
    (Base::A, [12.47, 13.46, 10.21, 10.30]),
    (Base::B, [10.20, 10.98, 9.33, 9.10]),
    (Base::C, [9.74, 10.19, 9.31, 9.08]),
];

impl PaperTable {
    /// `table3`, `table4` or `ablation`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table3 => "table3",
            Self::Table4 => "table4",
            Self::Ablation => "ablation",
        }
    }

    /// The table's title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Table3 => "Table 3: test error on CIFAR-10 without augmentation, %",
            Self::Table4 => "Table 4: test error on CIFAR-10 and CIFAR-100, %",
            Self::Ablation => {
                "Which parts are necessary: base C with one part replaced, test error on CIFAR-10, %"
            }
        }
    }

    /// The default learning rates: for Table 3 the paper's four; for Table 4, where the paper uses All-CNN-C's
    /// best from Table 3 without stating it, and for the ablation the one that was best in reproductions.
    pub fn learning_rates(self) -> Vec<f64> {
        match self {
            Self::Table3 => vec![0.25, 0.1, 0.05, 0.01],
            Self::Table4 | Self::Ablation => vec![0.05],
        }
    }

    /// The paper's rows.
    pub fn entries(self) -> Vec<Entry> {
        match self {
            Self::Table3 => table_3(),
            Self::Table4 => table_4(),
            Self::Ablation => ablation(),
        }
    }

    /// The row called `name`; for any other network, by name or file, a row without published result.
    pub fn entry(self, name: &str) -> Entry {
        let own = || {
            let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let shown = stem.filter(|_| name.ends_with(".toml")).unwrap_or_else(|| name.into());
            Entry::plain(&shown, name)
        };
        self.entries().into_iter().find(|entry| entry.name == name).unwrap_or_else(own)
    }

    /// The results from the literature in this table.
    pub fn literature(self) -> Vec<Literature> {
        match self {
            Self::Table3 | Self::Ablation => Vec::new(),
            Self::Table4 => literature(),
        }
    }
}

fn table_3() -> Vec<Entry> {
    let row = |(base, errors): (Base, [f64; 4])| {
        Variant::ALL.into_iter().zip(errors).map(move |(variant, error_pct)| {
            let name = base.derive(variant, 10).name().to_owned();
            let published = Some(Published { error_pct, is_recalled: false });
            Entry { published, ..Entry::plain(&name, &name) }
        })
    };
    TABLE_3.into_iter().flat_map(row).collect()
}

fn table_4() -> Vec<Entry> {
    let entry = |name, augment, benchmark, error_pct, is_recalled| Entry {
        augment,
        benchmark,
        published: Some(Published { error_pct, is_recalled }),
        ..Entry::plain(name, "all-cnn-c")
    };
    vec![
        entry("all-cnn-c", "none", Benchmark::Cifar10, 9.08, false),
        entry("all-cnn-c-augmented", "flip-shift", Benchmark::Cifar10, 7.25, false),
        entry("all-cnn-c-cifar100", "flip-shift", Benchmark::Cifar100, 33.71, false),
        Entry {
            model: "large-all-cnn".into(),
            ..entry("large-all-cnn", "heavy", Benchmark::Cifar10, 4.41, true)
        },
    ]
}

/// Base C and its forms of Table 3, then those with another pooling, then with another activation.
fn ablation() -> Vec<Entry> {
    let of_table_3 = table_3().into_iter().filter(|entry| entry.name.ends_with("-c"));
    let replaced = Network::with_a_part_replaced().map(|name| Entry::plain(&name, &name));
    of_table_3.chain(replaced).collect()
}

fn literature() -> Vec<Literature> {
    let figure = |group, method, error_pct, is_recalled| Literature {
        group,
        method,
        published: Published { error_pct, is_recalled },
    };
    let plain = "CIFAR-10";
    let augmented = "CIFAR-10, flips and translations";
    let large = "CIFAR-10, heavy augmentation";
    let hundred = "CIFAR-100";
    vec![
        figure(plain, "Maxout", 11.68, false),
        figure(plain, "Network in Network", 10.41, false),
        figure(plain, "Deeply Supervised", 9.69, false),
        figure(augmented, "Maxout", 9.38, false),
        figure(augmented, "DropConnect", 9.32, true),
        figure(augmented, "dasNet", 9.22, true),
        figure(augmented, "Network in Network", 8.81, false),
        figure(augmented, "Deeply Supervised", 7.97, false),
        figure(hundred, "CNN + tree prior", 36.85, true),
        figure(hundred, "Network in Network", 35.68, false),
        figure(hundred, "Deeply Supervised", 34.57, false),
        figure(hundred, "Maxout (larger)", 34.54, true),
        figure(hundred, "dasNet", 33.78, true),
        figure(hundred, "Fractional pooling, 1 test", 31.45, true),
        figure(hundred, "Fractional pooling, 12 tests", 26.39, true),
        figure(large, "Spatially sparse CNN", 4.47, true),
        figure(large, "Fractional pooling, 1 test", 4.50, false),
        figure(large, "Fractional pooling, 100 tests", 3.47, true),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_3_has_the_twelve_networks_under_the_names_that_train_knows() {
        let entries = PaperTable::Table3.entries();
        assert_eq!(entries.len(), 12);
        for entry in &entries {
            assert_eq!(crate::net::Network::named(&entry.model, 10).unwrap().name(), entry.name);
        }
        let of = |name| PaperTable::Table3.entry(name).published.unwrap().to_string();
        assert_eq!([of("model-a"), of("all-cnn-c"), of("strided-cnn-b")], ["12.47", "9.08", "10.98"]);
    }

    #[test]
    fn the_ablation_begins_with_base_c_and_its_forms() {
        let entries = PaperTable::Ablation.entries();
        let names: Vec<&str> = entries.iter().map(|entry| &*entry.name).collect();
        assert_eq!(names[..4], ["model-c", "strided-cnn-c", "convpool-cnn-c", "all-cnn-c"]);
        assert!(names.contains(&"model-c-stochastic") && names.contains(&"model-c-probout"), "{names:?}");
        assert_eq!(entries[0].published.unwrap().to_string(), "9.74");
    }

    #[test]
    fn other_networks_are_rows_without_a_figure() {
        let entry = PaperTable::Table4.entry("nets/mine.toml");
        assert_eq!((entry.name.as_str(), entry.model.as_str()), ("mine", "nets/mine.toml"));
        assert_eq!((entry.published, entry.augment), (None, "none"));
        assert_eq!(PaperTable::Table4.entry("model-a").published, None);
        assert_eq!(PaperTable::Table4.entry("large-all-cnn").published.unwrap().to_string(), "4.41 (?)");
    }
}
