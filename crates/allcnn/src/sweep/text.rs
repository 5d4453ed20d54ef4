//! The table of a sweep as Markdown, for people, and as CSV, one line per attempt, for programs.

use std::fmt::Write;

use super::published::{Literature, PaperTable};
use super::table::{Rate, Row, Table};
use crate::net::Network;
use crate::report::html::thousands;
use crate::text::csv_text;

impl Table {
    /// The table as Markdown, with the conditions and the results from the literature.
    pub fn markdown(&self) -> String {
        markdown(self)
    }
}

/// Formats the table, its conditions, and the results from the literature.
fn markdown(table: &Table) -> String {
    let rows = table.rows.iter().map(|row| cells(table, row)).collect();
    let mut text =
        format!("# {}\n\n{}\n{}\n", table.plan.table.title(), grid(head(table), rows), table.terms());
    let fates: Vec<String> = table.fates().iter().map(|(word, what)| format!("- {word}: {what}\n")).collect();
    if !fates.is_empty() {
        text += &format!("\n{}", fates.concat());
    }
    let literature = table.plan.table.literature();
    if !literature.is_empty() {
        let columns = ["data", "method", "error"].map(str::to_owned).to_vec();
        let row = |figure: &Literature| {
            vec![figure.group.to_owned(), figure.method.into(), figure.published.to_string()]
        };
        let rows = literature.iter().map(row).collect();
        let _ = write!(
            text,
            "\n## The literature's figures, as the paper prints them (not run here)\n\n{}",
            grid(columns, rows)
        );
    }
    let marked = table.rows.iter().filter_map(|row| row.entry.published);
    if marked.chain(literature.iter().map(|figure| figure.published)).any(|figure| figure.is_recalled) {
        text += "\n(?) marks figures of the paper that were recalled, not read.\n";
    }
    text
}

/// The names of the columns.
pub(super) fn head(table: &Table) -> Vec<String> {
    let costs: &[&str] = match table.plan.table {
        PaperTable::Ablation => &["95 % interval", "parameters", "million multiply-adds", "images/s"],
        PaperTable::Table3 | PaperTable::Table4 => &[],
    };
    let rates = table.plan.learning_rates.iter().map(|rate| format!("lr {rate}"));
    let names = ["network", "paper", "ours"].iter().chain(costs).chain(&["best rate"]);
    names.map(|&name| name.to_owned()).chain(rates).collect()
}

/// The cells of a row.
pub(super) fn cells(table: &Table, row: &Row) -> Vec<String> {
    let dash = || "–".to_owned();
    let best = row.best();
    let mut cells = vec![
        row.name.clone(),
        row.entry.published.map_or_else(dash, |figure| figure.to_string()),
        best.and_then(mean).unwrap_or_else(dash),
    ];
    if table.plan.table == PaperTable::Ablation {
        cells.extend(costs(row).map(|cell| cell.unwrap_or_else(dash)));
    }
    cells.push(best.map_or_else(dash, |rate| rate.learning_rate.to_string()));
    cells.extend(row.rates.iter().map(rate_cell));
    cells
}

/// What the error of a network is worth and what it costs: its interval, parameters, multiply-adds, images trained per second.
fn costs(row: &Row) -> [Option<String>; 4] {
    let info = Network::open(&row.entry.model, 10, None).ok().map(|network| network.info());
    let typical = row.best().and_then(|rate| Some(rate.typical()?.1));
    [
        row.best().and_then(Rate::interval).map(|[low, high]| format!("{low:.2} to {high:.2}")),
        info.as_ref().map(|info| thousands(info.parameters as f64)),
        info.as_ref().map(|info| format!("{:.1}", info.multiply_adds as f64 / 1e6)),
        typical.and_then(|record| Some(format!("{:.0}", record.images_per_s()?))),
    ]
}

/// Mean and deviation, such as `10.00 ± 0.71`.
fn mean(rate: &Rate) -> Option<String> {
    let deviation = rate.deviation().map_or_else(String::new, |deviation| format!(" ± {deviation:.2}"));
    rate.mean().map(|mean| format!("{mean:.2}{deviation}"))
}

/// The mean, the failed trainings and those not done.
fn rate_cell(rate: &Rate) -> String {
    let failures = rate.failures().into_iter().map(|(fate, count)| match count {
        1 => fate.to_owned(),
        _ => format!("{count} {fate}"),
    });
    let left = match rate.left() {
        0 => None,
        left if left == rate.trials.len() => Some("–".to_owned()),
        left => Some(format!("{left} to do")),
    };
    mean(rate).into_iter().chain(failures).chain(left).collect::<Vec<_>>().join(", ")
}

/// Formats a Markdown table with aligned columns.
fn grid(head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
        if number == 0 {
            let rules = widths.iter().map(|&width| "-".repeat(width));
            let _ = writeln!(text, "| {} |", rules.collect::<Vec<_>>().join(" | "));
        }
    }
    text
}

/// One CSV line per finished attempt.
pub(super) fn csv(table: &Table) -> String {
    let head = [
        "network",
        "learning_rate",
        "seed",
        "begun_again",
        "fate",
        "epochs",
        "train_loss",
        "test_error_pct",
        "best_test_error_pct",
        "paper_error_pct",
        "validation_error_pct",
    ];
    let optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let mut lines = Vec::new();
    for row in &table.rows {
        for rate in &row.rates {
            for (again, record) in rate.trials.iter().flat_map(|trial| trial.records.iter().enumerate()) {
                lines.push([
                    row.entry.name.clone(),
                    rate.learning_rate.to_string(),
                    record.seed.to_string(),
                    again.to_string(),
                    record.fate.word().to_owned(),
                    record.history.len().to_string(),
                    optional(record.history.last().map(|epoch| epoch.train_loss)),
                    optional(record.test_error_pct()),
                    optional(record.best_error_pct()),
                    optional(row.entry.published.map(|figure| figure.error_pct)),
                    optional(record.validation_error_pct()),
                ]);
            }
        }
    }
    csv_text::write(head, lines)
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{table, validated};
    use super::*;

    #[test]
    fn the_markdown_has_the_papers_figure_ours_and_every_rate() {
        let text = markdown(&table());
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            lines[0].split('|').map(str::trim).collect::<Vec<_>>().join("|"),
            "|network|paper|ours|best rate|lr 0.1|lr 0.05|"
        );
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(
            cells(lines[2])[1..7],
            ["model-c", "9.74", "10.00 ± 0.71", "0.05", "11.00, diverged", "10.00 ± 0.71"]
        );
        assert_eq!(cells(lines[3])[1..7], ["all-cnn-c", "9.08", "–", "–", "stuck, 1 to do", "–"]);
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
        assert!(
            text.contains("- diverged: given up, because the loss") && !text.contains("- dead: "),
            "{text}"
        );
    }

    #[test]
    fn the_ablation_says_what_a_network_costs() {
        let mut table = table();
        table.plan.table = PaperTable::Ablation;
        let text = markdown(&table);
        let cells = |line: usize| {
            let line = text.lines().filter(|line| line.starts_with('|')).nth(line).unwrap();
            line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            cells(0)[3..9],
            ["ours", "95 % interval", "parameters", "million multiply-adds", "images/s", "best rate"]
        );
        assert_eq!(cells(2)[3..9], ["10.00 ± 0.71", "8.29 to 12.02", "954,730", "228.3", "100", "0.05"]);
        assert_eq!(cells(3)[4..8], ["–", "1,369,738", "270.8", "–"]);
    }

    #[test]
    fn the_literature_stands_apart_and_recalled_figures_are_marked() {
        let mut table = table();
        table.plan.table = super::super::PaperTable::Table4;
        let text = markdown(&table);
        assert!(text.contains("not run here") && text.contains("Network in Network"), "{text}");
        assert!(text.contains("9.32 (?)") && text.contains("recalled"), "{text}");
    }

    #[test]
    fn the_csv_keeps_every_beginning() {
        let text = csv(&table());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 6);
        assert_eq!(lines[1], "model-c,0.1,0,0,diverged,2,1.5,80,80,9.74,");
        assert_eq!(lines[3], "model-c,0.1,0,1,finished,2,1.5,11,11,9.74,");
        let text = csv(&validated());
        assert_eq!(text.lines().nth(1).unwrap(), "model-c,0.1,0,0,finished,2,1.5,9,,9.74,13");
    }
}
