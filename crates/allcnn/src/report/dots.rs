//! Named rows with points along one axis. It is laid out by the page, not drawn, so that its words have one size at any width.

use super::curves::{Scale, tick_label};
use super::html;

/// A point of a row.
pub(crate) struct Point {
    /// The classes of its looks: a color from `a` to `d`, `hollow`.
    pub(crate) class: &'static str,
    /// Where it lies.
    pub(crate) value: f64,
    /// What is said when the mouse is over it.
    pub(crate) said: String,
}

/// The rows, one below the other, over their common axis from 0; nothing without a point.
pub(crate) fn chart(title: &str, axis: &str, rows: &[(String, Vec<Point>)]) -> String {
    let values: Vec<f64> = rows.iter().flat_map(|(_, points)| points).map(|point| point.value).collect();
    if values.is_empty() {
        return String::new();
    }
    let scale = Scale::new(&values, false);
    let left = |value: f64| format!("style=\"left:{:.2}%\"", 100.0 * scale.part(value));
    let grid: String = scale.ticks.iter().map(|&tick| format!("<i {}></i>", left(tick))).collect();
    let labels = scale.ticks.iter().map(|&tick| format!("<span {}>{}</span>", left(tick), tick_label(tick)));
    let point = |point: &Point| {
        format!(
            "<b class=\"{}\" {} title=\"{}\"></b>",
            point.class,
            left(point.value),
            html::text(&point.said)
        )
    };
    let row = |(name, points): &(String, Vec<Point>)| {
        let points: String = points.iter().map(point).collect();
        format!("<div><span>{}</span><div class=\"track\">{grid}{points}</div></div>\n", html::text(name))
    };
    format!(
        "<div class=\"dots\" role=\"img\" aria-label=\"{}\">\n{}\
         <div><span></span><div class=\"track\">{}</div></div>\n\
         <div><span></span><div class=\"axis\">{}</div></div>\n</div>\n",
        html::text(title),
        rows.iter().map(row).collect::<String>(),
        labels.collect::<String>(),
        html::text(axis)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_lies_where_its_value_is_and_says_so() {
        let point = |value: f64| Point { class: "a", value, said: format!("{value} <%>") };
        let rows = [("model-a".to_owned(), vec![point(0.0), point(6.0)]), ("model-b".to_owned(), vec![])];
        let drawn = chart("Errors", "error, %", &rows);
        for part in [
            "<b class=\"a\" style=\"left:0.00%\" title=\"0 &lt;%&gt;\">",
            "<b class=\"a\" style=\"left:100.00%\" title=\"6 &lt;%&gt;\">",
            "<span>model-b</span>",
            "<span style=\"left:100.00%\">6</span>",
        ] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert_eq!(chart("Errors", "error, %", &rows[1..]), "");
    }
}
