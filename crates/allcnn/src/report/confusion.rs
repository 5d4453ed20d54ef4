//! The confusion matrix: a table if there are few classes, else the most confused pairs and a heat map.

use std::io;

use maud::{Markup, html};

use super::html::{percent, section as make_section, thousands};
use super::pictures::png;
use crate::confusion::Confusion;

/// The largest number of classes for which the matrix is shown as a table.
const TABLE: usize = 30;
/// The pairs that are listed in the place of a larger matrix.
const LISTED: usize = 15;

/// The section of the confusion matrix; empty without test images. `evaluated` names the checkpoint and the images.
pub(super) fn section(classes: &[String], confusion: &Confusion, evaluated: &str) -> io::Result<Markup> {
    if confusion.error_pct().is_none() {
        return Ok(html! {});
    }
    let rows = confusion.rows();
    if let Some(rows) = rows.as_ref().filter(|_| classes.len() <= TABLE) {
        let note = format!(
            "The {evaluated}. Rows are the true classes, columns what the network said; the last column is the error of \
             the class."
        );
        return Ok(make_section(false, "Confusion", &note, &table(classes, rows)));
    }
    let body = html! {
        div.columns {
            (pairs(classes, confusion))
            @if let Some(rows) = &rows { (heat_map(rows)?) }
        }
    };
    let whole = if rows.is_some() { ", and the whole matrix as a picture" } else { "" };
    let note = format!("The {evaluated}: the classes most often taken for another{whole}.");
    Ok(make_section(false, "Confusion", &note, &body))
}

/// The error of a class in percent; NaN if it has no images.
fn class_error((images, wrong): (u64, u64)) -> f64 {
    100.0 * wrong as f64 / images as f64
}

/// The largest off-diagonal element of the row-normalized matrix.
fn largest_confusion(confusion: &[Vec<u64>]) -> f64 {
    let shares = confusion.iter().enumerate().flat_map(|(truth, row)| {
        let total = row.iter().sum::<u64>().max(1) as f64;
        row.iter().enumerate().filter(move |(said, _)| *said != truth).map(move |(_, &n)| n as f64 / total)
    });
    shares.fold(0.0, f64::max)
}

fn table(classes: &[String], confusion: &[Vec<u64>]) -> Markup {
    let largest = largest_confusion(confusion).max(f64::MIN_POSITIVE);
    html! {
        div.card.scroll {
            table.confusion {
                thead {
                    tr {
                        td {}
                        @for name in classes { th scope="col" { span { (name) } } }
                        th.error { "error" }
                    }
                }
                tbody {
                    @for (truth, row) in confusion.iter().enumerate() {
                        @let total = row.iter().sum::<u64>();
                        tr {
                            th scope="row" { (classes[truth]) }
                            @for (said, &count) in row.iter().enumerate() {
                                @let share = count as f64 / total.max(1) as f64;
                                @let (class, other) = (&classes[truth], &classes[said]);
                                @let title = format!("{class} taken for {other}: {count} of {total}");
                                @if said == truth {
                                    (cell("right", share, count, &title))
                                } @else {
                                    (cell("wrong", share / largest * 0.8, count, &title))
                                }
                            }
                            th.error { (percent(class_error((total, total - row[truth])))) }
                        }
                    }
                }
            }
        }
    }
}

/// A table cell with a count; `shade` is the intensity of its background, from 0 to 1.
fn cell(kind: &str, shade: f64, count: u64, title: &str) -> Markup {
    let tone = if count == 0 {
        " zero"
    } else if shade > 0.55 {
        " full"
    } else {
        ""
    };
    html! {
        td class={ (kind) (tone) } style={ "--v:" (format_args!("{shade:.2}")) } title=(title) { (count) }
    }
}

/// The pairs of classes that are confused most.
fn pairs(classes: &[String], confusion: &Confusion) -> Markup {
    let by_class = confusion.by_class();
    let mut pairs: Vec<_> = confusion.pairs().filter(|(truth, said, _)| truth != said).collect();
    pairs.sort_by_key(|&(truth, said, count)| (std::cmp::Reverse(count), truth, said));
    html! {
        div.card {
            h3 { "Most confused" }
            table.list {
                thead { tr { th { "True class" } th { "Taken for" } th { "Images" } } }
                tbody {
                    @for &(truth, said, count) in pairs.iter().take(LISTED) {
                        tr {
                            td { (classes[truth]) }
                            td { (classes[said]) }
                            td { (thousands(count as f64)) " of " (thousands(by_class[truth].0 as f64)) }
                        }
                    }
                }
            }
        }
    }
}

/// The matrix as a picture of one pixel per pair of classes: blue on the diagonal, red elsewhere. The opacity is the
/// square root of the pair's share of the true class, which keeps rare confusions visible.
fn heat_map(confusion: &[Vec<u64>]) -> io::Result<Markup> {
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
    let picture = png(&rgba, side, side, ::png::ColorType::Rgba)?;
    Ok(html! {
        div.card {
            h3 { "All " (side) " classes" }
            img.heat alt={ "Confusion matrix of " (side) " classes" } src=(picture);
            p.note { "Down: true class. Across: what the network said." }
        }
    })
}
