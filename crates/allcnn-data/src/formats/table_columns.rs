//! Which columns of a table hold images, classes and splits: as a person says, else by what is in them and by their heads.
use super::split_name::of_folder;
use super::table::Table;
use crate::error::Error;
use crate::group_by::GroupBy;
use crate::reading::Reading;
use csv::StringRecord;
use std::collections::{BTreeSet, HashMap};

/// Heads of a column of classes, in small letters and without anything between them.
const LABEL_HEADS: [&str; 14] = [
    "label",
    "labels",
    "class",
    "classes",
    "classname",
    "labelname",
    "classid",
    "labelid",
    "category",
    "categoryname",
    "target",
    "species",
    "synset",
    "predictionstring",
];
/// Heads of a column of splits.
const SPLIT_HEADS: [&str; 6] = ["split", "set", "subset", "dataset", "partition", "usage"];

/// The indices of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub image: usize,
    /// None in a table of images without classes.
    pub label: Option<usize>,
    pub split: Option<usize>,
    /// What keeps images together, where a person names it.
    pub group: Option<usize>,
}

/// What a field says of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It names this file.
    File(usize),
    /// It is a file's name or an address, but of none that is here.
    Path,
    /// It names no file.
    Nothing,
}

/// What a field names.
pub(super) type Lookup<'l> = &'l mut dyn FnMut(&str) -> Named;

/// The columns of a table. A first row that names a file is no head.
pub(super) fn find(
    table: Table,
    reading: &Reading,
    group_by: Option<&GroupBy>,
    lookup: Lookup,
) -> Result<(Table, Columns), Error> {
    let given = reading.names_columns() || group_by.is_some();
    let head_is_row = !given && table.columns.iter().any(|field| matches!(lookup(field), Named::File(_)));
    let table = if head_is_row { table.without_head() } else { table };
    let named = images(&table, lookup);
    let image = match &reading.image_column {
        Some(name) => column_index(&table, name)?,
        None => image(&table, &named, lookup)?,
    };
    let is_split = |column: &usize| SPLIT_HEADS.contains(&plain(&table.columns[*column]).as_str());
    let split = (0..table.columns.len()).filter(is_split).find(|&column| holds_splits(&table, column));
    let label = match &reading.label_column {
        Some(name) => Some(column_index(&table, name)?),
        None => {
            let free = |column: &usize| *column != image && !named.contains(column) && Some(*column) != split;
            label(&table, &(0..table.columns.len()).filter(free).collect::<Vec<_>>())?
        }
    };
    let group = group_by.map(|by| column_index(&table, &by.to_string())).transpose()?;
    Ok((table, Columns { image, label, split, group }))
}

/// The class in a field: its first word where boxes follow, four numbers each.
pub(super) fn class(field: &str) -> &str {
    let mut words = field.split(' ');
    match words.next() {
        Some(first)
            if words.clone().count() >= 4
                && words.all(|word| word.parse::<f64>().is_ok() || word == first) =>
        {
            first
        }
        _ => field,
    }
}

/// A column that a person names.
fn column_index(table: &Table, name: &str) -> Result<usize, Error> {
    let exact = table.columns.iter().position(|column| column == name);
    let index = exact.or_else(|| table.columns.iter().position(|column| column.eq_ignore_ascii_case(name)));
    index.ok_or_else(|| Error::NoColumn {
        file: table.name.clone(),
        column: name.to_string(),
        columns: table.columns.join(", "),
    })
}

/// Columns most of whose fields name files, or would if the files were there. Classes may be called like files, `7` and `7.png`, but
/// they repeat.
fn images(table: &Table, lookup: Lookup) -> Vec<usize> {
    let sample = table.sample();
    let may_be = |column: &usize| {
        let fields: BTreeSet<&str> = sample.iter().filter_map(|row| row.get(*column)).collect();
        (2 * fields.len() > sample.len() || sample.len() < 3) && !is_label(&table.columns[*column])
    };
    let columns: Vec<usize> = (0..table.columns.len()).filter(may_be).collect();
    let mut most = |wanted: fn(Named) -> bool| -> Vec<usize> {
        let mut fits = |column: &usize| {
            let fields =
                sample.iter().filter(|row| row.get(*column).is_some_and(|field| wanted(lookup(field))));
            2 * fields.count() >= sample.len()
        };
        columns.iter().copied().filter(&mut fits).collect()
    };
    let files = most(|named| matches!(named, Named::File(_)));
    if files.is_empty() { most(|named| named == Named::Path) } else { files }
}

/// The column that names the files; several that name the same ones are one.
fn image(table: &Table, named: &[usize], lookup: Lookup) -> Result<usize, Error> {
    let mut files = |column: usize| -> Vec<Option<Named>> {
        table.sample().iter().map(|row| row.get(column).map(&mut *lookup)).collect()
    };
    match named {
        [] => Err(Error::NoImageColumn { file: table.name.clone(), columns: table.columns.join(", ") }),
        [first, others @ ..] => match others.iter().find(|other| files(**other) != files(*first)) {
            None => Ok(*first),
            Some(other) => Err(several(table, [*first, *other], "name images", "--image-column")),
        },
    }
}

fn is_label(head: &str) -> bool {
    LABEL_HEADS.contains(&plain(head).as_str())
}

/// The column of the classes among the `free` ones: the one whose head says so, else the only one.
fn label(table: &Table, free: &[usize]) -> Result<Option<usize>, Error> {
    let headed: Vec<usize> = LABEL_HEADS
        .iter()
        .filter_map(|head| free.iter().copied().find(|&column| plain(&table.columns[column]) == *head))
        .collect();
    let numbered = |column: &usize| {
        matches!(plain(&table.columns[*column]).as_str(), "" | "unnamed0" | "index") // as pandas writes its index
    };
    let rest: Vec<usize> = free.iter().copied().filter(|column| !numbered(column)).collect();
    match (headed.as_slice(), rest.as_slice()) {
        ([], []) => Ok(None),
        ([], [only]) | ([only], _) => Ok(Some(*only)),
        ([], _) => Err(Error::NoLabelColumn { file: table.name.clone(), columns: table.columns.join(", ") }),
        ([first, others @ ..], _) => {
            if let Some(other) = others.iter().find(|other| !pair_up(table, *first, **other)) {
                return Err(several(table, [*first, *other], "may be the classes", "--label-column"));
            }
            // Names before their numbers.
            let is_text = |column: &&usize| {
                table
                    .sample()
                    .iter()
                    .any(|row| row.get(**column).is_some_and(|field| field.parse::<i64>().is_err()))
            };
            Ok(headed.iter().find(is_text).or(Some(first)).copied())
        }
    }
}

/// Whether each class of the one column is one of the other.
fn pair_up(table: &Table, one: usize, other: usize) -> bool {
    let pairs = |a: usize, b: usize| {
        let mut of: HashMap<&str, &str> = HashMap::new();
        let mut fields = table.rows.iter().map(|row| (row.get(a).unwrap_or(""), row.get(b).unwrap_or("")));
        fields.all(|(a, b)| *of.entry(a).or_insert(b) == b)
    };
    pairs(one, other) && pairs(other, one)
}

fn holds_splits(table: &Table, column: usize) -> bool {
    let is_split =
        |row: &StringRecord| table.field(row, column).is_some_and(|field| of_folder(field).is_some());
    !table.rows.is_empty() && table.rows.iter().all(is_split)
}

fn several(table: &Table, columns: [usize; 2], what: &'static str, flag: &'static str) -> Error {
    let columns = columns.map(|column| format!("'{}'", table.columns[column])).join(" and ");
    Error::SeveralColumns { file: table.name.clone(), columns, what, flag }
}

/// A head in small letters, without anything between them.
fn plain(head: &str) -> String {
    head.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of a table of a source that holds 1.png to 9.png.
    fn found(text: &str, reading: &Reading) -> Result<(usize, Option<usize>, Option<usize>), String> {
        let table = Table::parse("a.csv".into(), text).map_err(|error| error.to_string())?;
        let mut lookup = |field: &str| {
            let stem = field.strip_suffix(".png").unwrap_or(field);
            let number = stem.parse().ok().filter(|number| (1..=9).contains(number) && stem.len() == 1);
            number.map_or(if stem == field { Named::Nothing } else { Named::Path }, Named::File)
        };
        let (_, columns) = find(table, reading, None, &mut lookup).map_err(|error| error.to_string())?;
        Ok((columns.image, columns.label, columns.split))
    }

    #[test]
    fn columns_are_told_by_what_is_in_them_and_by_their_heads() {
        let own = Reading::default();
        for (text, expected) in [
            ("id,breed\n1,cat\n2,dog\n", (0, Some(1), None)),
            ("breed,id\ncat,1\ndog,2\n", (1, Some(0), None)),
            ("1.png,cat\n2.png,dog\n", (0, Some(1), None)),
            (",file,width,Class Name\n0,1.png,32,cat\n10,2.png,33,dog\n", (1, Some(3), None)),
            ("id,path,label,split\n1,1.png,cat,train\n2,2.png,dog,valid\n", (0, Some(2), Some(3))),
            ("class id,filepaths,labels\n17,1.png,cat\n18,2.png,dog\n", (1, Some(2), None)),
            ("id\n1\n2\n", (0, None, None)),
            ("file,label\nx.png,cat\n", (0, Some(1), None)),
            ("digit,id\n1,1.png\n1,2.png\n2,3.png\n2,4.png\n", (1, Some(0), None)),
            ("ImageId,PredictionString\n1,n01 1 2 3 4 n01 5 6 7 8\n", (0, Some(1), None)),
        ] {
            assert_eq!(found(text, &own), Ok(expected), "{text}");
        }
        let given = Reading { label_column: Some("SEX".into()), ..own };
        assert_eq!(found("id,sex,age,label\n1,f,30,x\n", &given), Ok((0, Some(1), None)));
    }

    #[test]
    fn what_is_not_told_is_asked_for() {
        let own = Reading::default();
        for (text, words) in [
            ("id,healthy,rust\n1,yes,no\n2,no,yes\n", "--label-column"),
            ("file,label\nx,cat\n", "names no image"),
            ("front,back,label\n1.png,2.png,cat\n", "--image-column"),
            ("id,label,category\n1,cat,pet\n2,dog,pet\n", "--label-column"),
        ] {
            let error = found(text, &own).unwrap_err();
            assert!(error.contains(words) && error.contains("'a.csv'"), "{error}");
        }
        let given = Reading { image_column: Some("picture".into()), ..own };
        let error = found("id,label\n1,cat\n", &given).unwrap_err();
        assert!(error.contains("no column 'picture'") && error.contains("id, label"), "{error}");
    }

    #[test]
    fn boxes_behind_a_class_are_left_out() {
        assert_eq!(class("n01 1 2 3 4"), "n01");
        assert_eq!(class("n01 1 2 3 4 n01 5 6 7 8"), "n01");
        assert_eq!(
            (class("a big dog"), class("a dog that is very old")),
            ("a big dog", "a dog that is very old")
        );
    }
}
