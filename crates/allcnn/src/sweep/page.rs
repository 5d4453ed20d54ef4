//! The table of a sweep as a self-contained HTML page with plots.

use maud::{Markup, html};

use super::published::Literature;
use super::record::TrialOutcome;
use super::table::{Row, Table};
use super::text;
use crate::report::curves::{Series, chart};
use crate::report::dots::{self, Point};
use crate::report::html as report;
use crate::run::EpochRow;
use crate::run::PROGRAM;

/// The color classes of the learning rates, cycled.
const COLORS: [&str; 4] = ["a", "b", "c", "d"];

/// Renders the page.
pub(super) fn page(table: &Table) -> String {
    let body = html! { (figures(table)) (errors(table)) (curves(table)) (literature(table)) };
    report::page(table.plan.table.title(), &table.terms(), &body, PROGRAM)
}

/// Renders the table.
fn figures(table: &Table) -> Markup {
    let head = text::head(table);
    // Cells carry their column names: narrow pages stack them.
    let rows = html! {
        @for row in &table.rows {
            tr { @for (name, cell) in head.iter().zip(text::cells(table, row)) { td data-name=(name) { (cell) } } }
        }
    };
    let fates = table.fates();
    let body = html! {
        (list("named words", &head, &rows))
        @if !fates.is_empty() {
            ul.notes { @for (word, what) in fates { li { (word) ": " (what) } } }
        }
    };
    report::section(false, "Errors", "", &body)
}

/// A scrollable table with a heading row.
fn list(class: &str, head: &[String], rows: &Markup) -> Markup {
    html! {
        div.card.scroll {
            table class={ "list " (class) } {
                thead { tr { @for cell in head { th { (cell) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// Plots the error of each network at its best learning rate next to the paper's.
fn errors(table: &Table) -> Markup {
    let points = |row: &Row| {
        let paper = row.entry.published.map(|figure| Point {
            class: "b hollow",
            value: figure.error_pct,
            said: format!("{}, the paper: {figure} %", row.name),
        });
        let best = row.best();
        let ours = best.into_iter().flat_map(|rate| {
            let said = format!("{}, ours at lr {}", row.name, rate.learning_rate);
            rate.errors().into_iter().map(move |value| Point {
                class: "a",
                value,
                said: format!("{said}: {value:.2} %"),
            })
        });
        (row.name.clone(), paper.into_iter().chain(ours).collect())
    };
    let rows: Vec<(String, Vec<Point>)> = table.rows.iter().map(points).collect();
    let drawing = dots::chart("Test error by network", "test error, %", &rows);
    let body = html! {
        div.card {
            div.legend {
                span { i.a {} "ours, a point a seed" }
                span { i.b {} "the paper" }
            }
            @if let Some(drawing) = &drawing { (drawing) }
        }
    };
    let note = "Ours at the best learning rate beside the paper's figure.";
    report::section(drawing.is_none(), "Error by network", note, &body)
}

/// Plots, for each network, the error by epoch on the images that select the best epoch, a curve per learning
/// rate.
fn curves(table: &Table) -> Markup {
    let several = table.plan.seeds > 1;
    let drawn = table.rows.iter().filter_map(|row| {
        let curves: Vec<(String, &str, Vec<Option<f64>>)> = row
            .rates
            .iter()
            .zip(COLORS.iter().cycle())
            .filter_map(|(rate, class)| {
                let (trial, record) = rate.typical()?;
                let errors = record.history.iter().map(EpochRow::choosing_error_pct).collect();
                let mut name = format!("lr {}", rate.learning_rate);
                if several || trial.records.len() > 1 {
                    name += &format!(", seed {}", record.seed);
                }
                if record.fate != TrialOutcome::Finished {
                    name += &format!(", {}", record.fate.word());
                }
                Some((name, *class, errors))
            })
            .collect();
        let epochs = curves.iter().map(|(_, _, errors)| errors.len()).max()? as u32;
        let series =
            curves.iter().map(|(name, class, values)| Series { name, class, values: values.clone() });
        Some(chart(&row.name, &(1..=epochs).collect::<Vec<_>>(), series))
    });
    let drawn: Vec<Markup> = drawn.collect();
    let split = if table.is_validated() { "Validation" } else { "Test" };
    let which = match several {
        true => {
            ", at each rate of the training with the median error of those that learned, or of the first where none did"
        }
        false => "",
    };
    let body = html! { div.charts { @for chart in &drawn { (chart) } } };
    let note = format!("{split} error, %{which}.");
    report::section(drawn.is_empty(), "Learning curves by learning rate", &note, &body)
}

/// Renders the results from the literature.
fn literature(table: &Table) -> Markup {
    let figures = table.plan.table.literature();
    let rows = html! {
        @for Literature { group, method, published } in &figures {
            tr { td { (group) } td { (method) } td { (published.to_string()) } }
        }
    };
    report::section(
        figures.is_empty(),
        "The literature",
        "As the paper prints them, not run here. (?) marks figures that were recalled, not read.",
        &list("words", &["data", "method", "error, %"].map(str::to_owned), &rows),
    )
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table;
    use super::*;

    #[test]
    fn the_page_has_the_table_the_points_and_the_curves_and_nothing_from_outside() {
        let mut table = table();
        table.rows[1].name = "<script>".into();
        let page = page(&table);
        assert!(page.contains("model-c, the paper: 9.74 %") && page.contains("ours at lr 0.05: 9.50 %"));
        assert_eq!(page.matches("class=\"charts\"").count(), 1);
        assert!(page.contains("10.00 ± 0.71") && page.contains("stuck, 1 to do"));
        assert!(page.contains("stuck: all of its steps are done, and the loss is still that of guessing"));
        assert!(
            page.contains("</i>lr 0.05, seed 0</span>") && page.contains("</i>lr 0.1, seed 0, stuck</span>")
        );
        for outside in ["<script>", "http:", "https:", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(!page.contains("not run here"), "Table 3 has no literature");
    }
}
