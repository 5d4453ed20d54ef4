//! A dot plot: named rows of points on a common axis. It is HTML rather than SVG so that the text keeps its size at any
//! page width.

use maud::{Markup, html};

use super::curves::{Scale, tick_label};

/// A point of a row.
pub(crate) struct Point {
    /// Its CSS classes: a color from `a` to `d`, `hollow`.
    pub(crate) class: &'static str,
    /// Its value on the axis.
    pub(crate) value: f64,
    /// Its tooltip.
    pub(crate) said: String,
}

/// The rows with their common axis, which begins at 0; `None` without points.
pub(crate) fn chart(title: &str, axis: &str, rows: &[(String, Vec<Point>)]) -> Option<Markup> {
    let values: Vec<f64> = rows.iter().flat_map(|(_, points)| points).map(|point| point.value).collect();
    if values.is_empty() {
        return None;
    }
    let scale = Scale::new(&values, false);
    let left = |value: f64| format!("left:{:.2}%", 100.0 * scale.part(value));
    Some(html! {
        div.dots role="img" aria-label=(title) {
            @for (name, points) in rows {
                div {
                    span { (name) }
                    div.track {
                        @for &tick in &scale.ticks { i style=(left(tick)) {} }
                        @for point in points {
                            b class=(point.class) style=(left(point.value)) title=(point.said) {}
                        }
                    }
                }
            }
            div {
                span {}
                div.track {
                    @for &tick in &scale.ticks { span style=(left(tick)) { (tick_label(tick)) } }
                }
            }
            div { span {} div.axis { (axis) } }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_lies_where_its_value_is_and_says_so() {
        let point = |value: f64| Point { class: "a", value, said: format!("{value} <%>") };
        let rows = [("model-a".to_owned(), vec![point(0.0), point(6.0)]), ("model-b".to_owned(), vec![])];
        let drawn = chart("Errors", "error, %", &rows).unwrap().into_string();
        for part in [
            "<b class=\"a\" style=\"left:0.00%\" title=\"0 &lt;%&gt;\">",
            "<b class=\"a\" style=\"left:100.00%\" title=\"6 &lt;%&gt;\">",
            "<span>model-b</span>",
            "<span style=\"left:100.00%\">6</span>",
        ] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert!(chart("Errors", "error, %", &rows[1..]).is_none());
    }
}
