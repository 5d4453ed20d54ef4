//! Named rows with points along one axis, as hand-made SVG.

use super::curves::{Scale, tick_label};
use super::html;

const WIDTH: f64 = 720.0;
/// Where the axis begins and ends.
const AXIS: [f64; 2] = [190.0, 700.0];
const ROW: f64 = 24.0;

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
    let x = |value: f64| AXIS[0] + scale.part(value) * (AXIS[1] - AXIS[0]);
    let bottom = rows.len() as f64 * ROW + 8.0;
    let ticks = scale.ticks.iter().map(|&tick| {
        let (x, below) = (x(tick), bottom + 16.0);
        format!(
            "<path class=\"grid\" d=\"M{x:.1} 0V{bottom}\"/>\
             <text x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>\n",
            tick_label(tick)
        )
    });
    let lines = rows.iter().enumerate().map(|(index, (name, points))| {
        let y = index as f64 * ROW + 16.0;
        let dots: String = points
            .iter()
            .map(|point| {
                format!(
                    "<circle class=\"{} dot\" cx=\"{:.1}\" cy=\"{y}\" r=\"4\"><title>{}</title></circle>",
                    point.class,
                    x(point.value),
                    html::text(&point.said)
                )
            })
            .collect();
        let (left, below) = (AXIS[0] - 12.0, y + 4.0);
        format!("<text x=\"{left}\" y=\"{below}\" text-anchor=\"end\">{}</text>{dots}\n", html::text(name))
    });
    let (middle, foot, height) = ((AXIS[0] + AXIS[1]) / 2.0, bottom + 34.0, bottom + 40.0);
    let drawing: String = ticks.chain(lines).collect();
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n{drawing}\
         <text x=\"{middle}\" y=\"{foot}\" text-anchor=\"middle\">{}</text></svg>\n",
        html::text(title),
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
        assert!(drawn.contains("cx=\"190.0\"") && drawn.contains("cx=\"700.0\""), "{drawn}");
        assert!(drawn.contains("6 &lt;%&gt;") && drawn.contains("model-b"), "{drawn}");
        assert_eq!(chart("Errors", "error, %", &rows[1..]), "");
    }
}
