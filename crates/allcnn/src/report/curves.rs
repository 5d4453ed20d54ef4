//! Training curves as SVG. No plotting library is used: colors and fonts come from the page's style sheet (light and
//! dark), and missing or non-finite values leave gaps.

use maud::{Markup, html};

use super::html::section as make_section;
use crate::run::EpochRow;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 232.0;
/// The plot area: top, right, bottom. Its left edge leaves room for the labels ([`Scale::left`]).
const AREA: [f64; 3] = [10.0, 350.0, 196.0];
/// The largest width of a label's character, in any font that a page may have.
const CHARACTER: f64 = 7.5;
/// The gap between the labels and the plot area.
const LABEL_GAP: f64 = 6.0;
/// The largest number of epochs for which each value has a marker.
const DOTS: usize = 40;

/// One curve of a chart, with a value for each of the first epochs; `None` and non-finite values leave a gap.
pub(crate) struct Series<'a> {
    /// Its name in the legend; empty if it is the only curve.
    pub(crate) name: &'a str,
    /// The CSS class of its color: `a` to `d`.
    pub(crate) class: &'a str,
    /// The values by epoch.
    pub(crate) values: Vec<Option<f64>>,
}

/// The section of all curves; `chosen` is the best epoch.
pub(crate) fn section(history: &[EpochRow], chosen: Option<u32>) -> Markup {
    let epochs: Vec<u32> = history.iter().map(|row| row.epoch).collect();
    let series = |name, class, value: fn(&EpochRow) -> Option<f64>| Series {
        name,
        class,
        values: history.iter().map(value).collect(),
    };
    let validated = history.iter().any(|row| row.validation_error_pct.is_some());
    let held_out = if validated { "validation" } else { "test" };
    let pair = |train, held| [series("train", "b", train), series(held_out, "a", held)];
    let error = |row: &EpochRow| row.validation_error_pct.or(row.test_error_pct);
    let loss = |row: &EpochRow| row.validation_loss.or(row.test_loss);
    let charts = [
        chart("Error, %", &epochs, pair(|row| Some(row.train_error_pct), error)),
        chart("Loss", &epochs, pair(|row| Some(row.train_loss), loss)),
        chart("Learning rate", &epochs, [series("", "a", |row| Some(row.learning_rate))]),
    ];
    let note = match chosen {
        Some(epoch) if validated => format!(
            "Epoch {epoch} is the best on the validation images; the test images were not looked at before the end."
        ),
        Some(epoch) => {
            format!("Epoch {epoch} is the best on the test images, which makes its error a little too good.")
        }
        None => String::new(),
    };
    let body = html! { div.charts { @for chart in &charts { (chart) } } };
    make_section(history.is_empty(), "Training", &note, &body)
}

/// A linear or logarithmic axis.
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// An axis from 0 to a round number; with `may_be_log`, a logarithmic axis for values that fall in few steps by more
    /// than a factor of 30, as a stepped learning rate does.
    pub(super) fn new(values: &[f64], may_be_log: bool) -> Self {
        let high = values.iter().copied().fold(0.0, f64::max);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let steps = values.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if may_be_log && steps < 8 && low > 0.0 && low < high / 30.0 {
            let (low, high) = (low.log10().floor() as i32, high.log10().ceil() as i32);
            let step = ((high - low) as usize).div_ceil(6).max(1);
            let ticks = (low..=high).step_by(step).map(|power| 10f64.powi(power)).collect();
            return Self { low: 10f64.powi(low), high: 10f64.powi(high), log: true, ticks };
        }
        let high = if high > 0.0 { high } else { 1.0 };
        let step = round_step(high / 6.0);
        let count = (high / step - 1e-9).ceil() as usize;
        let ticks = (0..=count).map(|i| i as f64 * step).collect();
        Self { low: 0.0, high: count as f64 * step, log: false, ticks }
    }

    /// The position of a value on the axis, from 0 to 1.
    pub(super) fn part(&self, value: f64) -> f64 {
        if self.log {
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// The y coordinate of a value.
    fn y(&self, value: f64) -> f64 {
        let [top, _, bottom] = AREA;
        bottom - self.part(value) * (bottom - top)
    }

    /// The left edge of the plotting area, right of the widest label.
    fn left(&self) -> f64 {
        let widest = self.ticks.iter().map(|&tick| tick_label(tick).len()).max().unwrap_or(0);
        (widest as f64 * CHARACTER).max(30.0) + LABEL_GAP
    }
}

/// The smallest number of the form 1, 2 or 5 times a power of ten that is at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|&step| step >= least * (1.0 - 1e-9))
        .unwrap_or(least)
}

/// A card with a chart of values by epoch.
pub(crate) fn chart<'a>(title: &str, epochs: &[u32], series: impl IntoIterator<Item = Series<'a>>) -> Markup {
    let drawable = |value: &f64| value.is_finite() && *value >= 0.0;
    let series: Vec<Series<'_>> = series
        .into_iter()
        .map(|one| Series {
            values: one.values.into_iter().map(|value| value.filter(drawable)).collect(),
            ..one
        })
        .collect();
    let all: Vec<f64> = series.iter().flat_map(|one| &one.values).flatten().copied().collect();
    let may_be_log = series.len() == 1;
    let scale = Scale::new(&all, may_be_log);
    let title = if scale.log { format!("{title} (log scale)") } else { title.to_owned() };
    let named = |one: &&Series<'_>| !one.name.is_empty() && one.values.iter().any(Option::is_some);
    html! {
        div.card {
            div.chart-head {
                h3 { (title) }
                div.legend {
                    @for one in series.iter().filter(named) { span { i class=(one.class) {} (one.name) } }
                }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (title) " by epoch" } {
                (axes(epochs, &scale))
                @if all.is_empty() {
                    text x=(WIDTH / 2.0) y=(HEIGHT / 2.0) text-anchor="middle" { "no finite values" }
                }
                @for one in &series { (line(one.class, &one.values, epochs.len(), &scale)) }
                (bands(epochs, &series, scale.left()))
            }
        }
    }
}

/// The x coordinate of the epoch with this index, of `count` epochs, in a plot area with this left edge.
fn x(index: usize, count: usize, left: f64) -> f64 {
    let [_, right, _] = AREA;
    if count < 2 {
        return (left + right) / 2.0;
    }
    let inset = 8.0;
    left + inset + index as f64 / (count - 1) as f64 * (right - left - 2.0 * inset)
}

fn axes(epochs: &[u32], scale: &Scale) -> Markup {
    let ([_, right, bottom], left) = (AREA, scale.left());
    let count = epochs.len();
    let step = round_step((count as f64 / 6.0).max(1.0)) as u32;
    let is_marked = |epoch: u32| count <= 6 || epoch.is_multiple_of(step);
    html! {
        @for &tick in &scale.ticks {
            @let y = scale.y(tick);
            path.grid d={ "M" (left) " " (tenths(y)) "H" (right) } {}
            text x=(tenths(left - LABEL_GAP)) y=(tenths(y + 4.0)) text-anchor="end" { (tick_label(tick)) }
        }
        @for (index, &epoch) in epochs.iter().enumerate().filter(|(_, epoch)| is_marked(**epoch)) {
            text x=(tenths(x(index, count, left))) y=(tenths(bottom + 16.0)) text-anchor="middle" { (epoch) }
        }
        text x=(tenths((left + right) / 2.0)) y=(tenths(HEIGHT - 5.0)) text-anchor="middle" { "epoch" }
    }
}

/// A coordinate with one decimal place.
fn tenths(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

pub(super) fn tick_label(value: f64) -> String {
    if value != 0.0 && !(1e-4..1e5).contains(&value.abs()) {
        return format!("{value:.0e}");
    }
    let rounded = (value * 1e6).round() / 1e6;
    format!("{rounded}")
}

/// A curve with gaps at missing values, and markers if there are few epochs or a value has no neighbor.
fn line(class: &str, values: &[Option<f64>], count: usize, scale: &Scale) -> Markup {
    let mut path = String::new();
    let mut dots = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let before = index.checked_sub(1).and_then(|before| values[before]);
        let after = values.get(index + 1).copied().flatten();
        let (x, y) = (tenths(x(index, count, scale.left())), tenths(scale.y(value.max(scale.low))));
        path += &format!("{}{x} {y}", if before.is_some() { "L" } else { "M" });
        if count <= DOTS || before.is_none() && after.is_none() {
            dots.push((x, y));
        }
    }
    html! {
        path class={ (class) " curve" } d=(path) {}
        @for (x, y) in dots { circle class={ (class) " dot" } cx=(x) cy=(y) r="2" {} }
    }
}

/// Invisible bands whose tooltips show the values of each epoch.
fn bands(epochs: &[u32], series: &[Series<'_>], left: f64) -> Markup {
    let [top, right, bottom] = AREA;
    let width = (right - left) / epochs.len().max(1) as f64;
    let values = |index: usize| {
        let value = |one: &Series<'_>| {
            let value = one.values.get(index).copied().flatten().map_or("–".to_owned(), significant);
            if one.name.is_empty() { value } else { format!("{} {value}", one.name) }
        };
        series.iter().map(value).collect::<Vec<_>>().join(", ")
    };
    html! {
        @for (index, epoch) in epochs.iter().enumerate() {
            @let x = (x(index, epochs.len(), left) - width / 2.0).max(left);
            rect.band x=(tenths(x)) y=(top) width=(format_args!("{width:.2}")) height=(bottom - top) {
                title { "epoch " (epoch) ": " (values(index)) }
            }
        }
    }
}

/// A value with four significant digits.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 9);
    format!("{value:.*}", digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers_and_hold_every_value() {
        for high in [0.003, 0.9, 2.3, 57.1, 100.0, 12_345.0] {
            let scale = Scale::new(&[high / 7.0, high], false);
            assert!(scale.high >= high && scale.high <= 1.5 * high, "{high} on 0..{}", scale.high);
            assert!((4..=7).contains(&scale.ticks.len()), "{:?}", scale.ticks);
            assert_eq!((scale.y(0.0), scale.y(scale.high)), (AREA[2], AREA[0]));
        }
        assert_eq!(Scale::new(&[], false).ticks, Scale::new(&[1.0], false).ticks);
    }

    #[test]
    fn a_stepped_rate_is_logarithmic() {
        let scale = Scale::new(&[0.05, 0.005, 0.00005], true);
        assert!(scale.log);
        assert_eq!(scale.ticks.len(), 5);
        assert!((scale.y(0.1) - AREA[0]).abs() < 1e-9 && (scale.y(1e-5) - AREA[2]).abs() < 1e-9);
        let cosine: Vec<f64> = (0..20)
            .map(|i| 1e-4 + 0.1 * (1.0 + (f64::from(i) / 20.0 * std::f64::consts::PI).cos()))
            .collect();
        assert!(!Scale::new(&cosine, true).log);
        assert!(!Scale::new(&[0.05, 0.01], true).log);
        assert!(!Scale::new(&[0.05, 0.0], true).log);
    }

    #[test]
    fn missing_values_leave_gaps() {
        let scale = Scale::new(&[1.0], false);
        let drawn =
            line("a", &[Some(1.0), Some(0.5), None, Some(0.2), None, Some(0.1)], 6, &scale).into_string();
        assert_eq!(drawn.matches('M').count(), 3);
        assert_eq!(drawn.matches('L').count(), 1);
        assert!(!drawn.contains("NaN"));
    }

    #[test]
    fn the_widest_label_fits_beside_the_plotting_area() {
        for (high, widest) in [(0.0015, "0.0015"), (90.0, "100"), (12_345.0, "15000")] {
            let scale = Scale::new(&[high], false);
            assert!(scale.ticks.iter().any(|&tick| tick_label(tick) == widest), "{:?}", scale.ticks);
            let page = chart("Rate", &[1, 2], [Series { name: "", class: "a", values: vec![Some(high); 2] }]);
            let page = page.into_string();
            let end = page.split("<text x=\"").nth(1).unwrap().split('"').next().unwrap();
            let end: f64 = end.parse().unwrap();
            // Letters are at most 0.65 of the font's 11 pixels wide.
            assert!(end >= 0.65 * 11.0 * widest.len() as f64, "{widest} ends at {end}");
            assert!(page.contains(&format!("M{} ", end + LABEL_GAP)), "the grid begins behind it");
        }
    }

    #[test]
    fn labels_are_short() {
        assert_eq!([0.0, 0.1 + 0.2, 1e-5, 2500.0].map(tick_label), ["0", "0.3", "1e-5", "2500"]);
        assert_eq!([0.012_346, 1.5, 98.766, 0.0].map(significant), ["0.01235", "1.500", "98.77", "0"]);
    }
}
