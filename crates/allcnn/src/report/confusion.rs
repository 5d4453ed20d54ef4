//! Which classes are taken for which: a table for few classes, the worst pairs and a picture for many.

use std::io;

use super::html::{percent, section as make_section, text, thousands};
use super::pictures::png;
use crate::confusion::Confusion;

/// Up to this many classes the whole matrix is a table.
const TABLE: usize = 30;
/// Rows of the lists that stand for a bigger matrix.
const LISTED: usize = 15;

/// The section, or nothing without images; `evaluated` says what was measured on what.
pub fn section(classes: &[String], confusion: &Confusion, evaluated: &str) -> io::Result<String> {
    let empty = confusion.error_pct().is_none();
    let rows = confusion.rows();
    if let Some(rows) = rows.as_ref().filter(|_| classes.len() <= TABLE) {
        let note = format!(
            "The {evaluated}. Rows are the true classes, columns what the network said; the last column is the error of \
             the class."
        );
        return Ok(make_section(empty, "Confusion", &note, &table(classes, rows)));
    }
    let by_class = confusion.by_class();
    let picture = rows.as_deref().map(heat_map).transpose()?;
    let (whole, picture) =
        if picture.is_some() { (", and the whole matrix as a picture", picture) } else { ("", None) };
    let body = format!(
        "<div class=\"columns\">{}{}{}</div>",
        pairs(classes, confusion, &by_class),
        hardest(classes, &by_class),
        picture.unwrap_or_default()
    );
    let note = format!("The {evaluated}: the classes most often taken for another{whole}.");
    Ok(make_section(empty, "Confusion", &note, &body))
}

/// The share of a class's images that are wrong, in percent; no number without images.
fn class_error((images, wrong): (u64, u64)) -> f64 {
    100.0 * wrong as f64 / images as f64
}

/// The largest share of a class that goes to one other class.
fn largest_confusion(confusion: &[Vec<u64>]) -> f64 {
    let shares = confusion.iter().enumerate().flat_map(|(truth, row)| {
        let total = row.iter().sum::<u64>().max(1) as f64;
        row.iter().enumerate().filter(move |(said, _)| *said != truth).map(move |(_, &n)| n as f64 / total)
    });
    shares.fold(0.0, f64::max)
}

fn table(classes: &[String], confusion: &[Vec<u64>]) -> String {
    let heads: String =
        classes.iter().map(|name| format!("<th scope=\"col\"><span>{}</span></th>", text(name))).collect();
    let largest = largest_confusion(confusion).max(f64::MIN_POSITIVE);
    let cell = |truth: usize, said: usize, count: u64, total: u64| {
        let share = count as f64 / total.max(1) as f64;
        let (kind, shade) = if truth == said { ("right", share) } else { ("wrong", share / largest * 0.8) };
        let tone = if count == 0 {
            " zero"
        } else if shade > 0.55 {
            " full"
        } else {
            ""
        };
        let title =
            format!("{} taken for {}: {count} of {total}", text(&classes[truth]), text(&classes[said]));
        format!("<td class=\"{kind}{tone}\" style=\"--v:{shade:.2}\" title=\"{title}\">{count}</td>")
    };
    let row = |(truth, row): (usize, &Vec<u64>)| {
        let total: u64 = row.iter().sum();
        let cells: String =
            row.iter().enumerate().map(|(said, &count)| cell(truth, said, count, total)).collect();
        let name = text(&classes[truth]);
        format!(
            "<tr><th scope=\"row\">{name}</th>{cells}<th class=\"error\">{}</th></tr>\n",
            percent(class_error((total, total - row[truth])))
        )
    };
    let rows: String = confusion.iter().enumerate().map(row).collect();
    format!(
        "<div class=\"card scroll\"><table class=\"confusion\"><thead><tr><td></td>{heads}<th class=\"error\">error</th></tr></thead>\n\
         <tbody>{rows}</tbody></table></div>"
    )
}

/// The pairs of classes that are confused most often.
fn pairs(classes: &[String], confusion: &Confusion, by_class: &[(u64, u64)]) -> String {
    let mut pairs: Vec<_> = confusion.pairs().filter(|(truth, said, _)| truth != said).collect();
    pairs.sort_by_key(|&(truth, said, count)| (std::cmp::Reverse(count), truth, said));
    let rows = pairs.iter().take(LISTED).map(|&(truth, said, count)| {
        let of = format!("{} of {}", thousands(count as f64), thousands(by_class[truth].0 as f64));
        [text(&classes[truth]), text(&classes[said]), of]
    });
    list("Most confused", ["True class", "Taken for", "Images"], rows)
}

/// The classes with the highest error.
fn hardest(classes: &[String], by_class: &[(u64, u64)]) -> String {
    let seen = by_class.iter().enumerate().filter(|(_, (images, _))| *images > 0);
    let mut errors: Vec<_> = seen.map(|(class, &counted)| (class_error(counted), class)).collect();
    errors.sort_by(|a, b| b.0.total_cmp(&a.0));
    let rows = errors
        .iter()
        .take(LISTED)
        .map(|&(error, class)| [text(&classes[class]), thousands(by_class[class].0 as f64), percent(error)]);
    list("Hardest classes", ["Class", "Images", "Error"], rows)
}

/// A card with a small table; cells are safe already.
fn list(title: &str, heads: [&str; 3], rows: impl Iterator<Item = [String; 3]>) -> String {
    let heads = heads.map(|head| format!("<th>{head}</th>")).concat();
    let rows: String = rows
        .map(|row| format!("<tr>{}</tr>\n", row.map(|cell| format!("<td>{cell}</td>")).concat()))
        .collect();
    format!(
        "<div class=\"card\"><h3>{title}</h3><table class=\"list\"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )
}

/// One pixel a pair of classes: blue on the diagonal, red beside it, as strong as its share (its square root, so
/// that rare ones are seen), and see-through where there is nothing.
fn heat_map(confusion: &[Vec<u64>]) -> io::Result<String> {
    let side = confusion.len();
    let mut rgba = Vec::with_capacity(4 * side * side);
    for (truth, row) in confusion.iter().enumerate() {
        let total = row.iter().sum::<u64>().max(1) as f64;
        for (said, &count) in row.iter().enumerate() {
            let color = if truth == said { [64, 124, 222] } else { [214, 72, 60] };
            rgba.extend(color);
            rgba.push((255.0 * (count as f64 / total).sqrt()).round() as u8);
        }
    }
    Ok(format!(
        "<div class=\"card\"><h3>All {side} classes</h3><img class=\"heat\" alt=\"Confusion matrix of {side} classes\" \
         src=\"{}\"><p class=\"note\">Down: true class. Across: what the network said.</p></div>",
        png(&rgba, side, side, ::png::ColorType::Rgba)?
    ))
}
