//! The reliability diagram: how often predictions of a probability are correct.

use maud::{Markup, html};

use super::html::{percent, section as make_section, thousands};
use crate::score::Calibration;

/// The side of the plot area.
const SIDE: f64 = 200.0;
/// The room for labels at its left and below.
const MARGIN: [f64; 2] = [40.0, 36.0];

/// The section; empty without test images. Beside the probabilities stand those at the run's temperature, if it has one.
pub(super) fn section(calibration: Option<&Calibration>, calibrated: Option<&(f64, Calibration)>) -> Markup {
    let Some(calibration) = calibration else { return html! {} };
    let mut note = format!(
        "Of images whose class the network predicts with a probability, the share that is correct: on the diagonal the \
         probabilities mean what they say, below it the network is too sure. The mean distance, the expected calibration \
         error, is {}.",
        percent(100.0 * calibration.expected_calibration_error)
    );
    let Some((temperature, after)) = calibrated else {
        return make_section(false, "Probabilities", &note, &diagram(calibration));
    };
    note += &format!(
        " At right the same with logits divided by the temperature {temperature:.3}, which was fitted on the validation images and \
         which --calibrated applies: {}.",
        percent(100.0 * after.expected_calibration_error)
    );
    let both = html! { div.reliabilities { (diagram(calibration)) (diagram(after)) } };
    make_section(false, "Probabilities", &note, &both)
}

fn diagram(calibration: &Calibration) -> Markup {
    let [left, below] = MARGIN;
    let bins = calibration.bins.len() as f64;
    let (x, y) = (|share: f64| left + SIDE * share, |share: f64| 10.0 + SIDE * (1.0 - share));
    let all: u64 = calibration.bins.iter().map(|bin| bin.images).sum();
    html! {
        div.card.reliability {
            svg viewBox={ "0 0 " (left + SIDE + 12.0) " " (SIDE + 10.0 + below) } role="img" aria-label="Reliability diagram" {
                @for quarter in 0..=4 {
                    @let share = f64::from(quarter) / 4.0;
                    path.grid d={ "M" (left) " " (y(share)) "H" (left + SIDE) } {}
                    text x=(left - 6.0) y=(y(share) + 4.0) text-anchor="end" { (quarter * 25) " %" }
                    text x=(x(share)) y=(SIDE + 26.0) text-anchor="middle" { (quarter * 25) }
                }
                @for (index, bin) in calibration.bins.iter().enumerate().filter(|(_, bin)| bin.images > 0) {
                    @let height = SIDE * bin.accuracy;
                    rect.bar x=(format_args!("{:.1}", x(index as f64 / bins) + 1.0)) y=(format_args!("{:.1}", y(bin.accuracy)))
                        width=(format_args!("{:.1}", SIDE / bins - 2.0)) height=(format_args!("{height:.1}")) {
                        title {
                            (thousands(bin.images as f64)) " of " (thousands(all as f64)) " images: probability "
                            (percent(100.0 * bin.mean_probability)) ", correct " (percent(100.0 * bin.accuracy))
                        }
                    }
                }
                path.diagonal d={ "M" (x(0.0)) " " (y(0.0)) "L" (x(1.0)) " " (y(1.0)) } {}
                text x=(left + SIDE / 2.0) y=(SIDE + 42.0) text-anchor="middle" { "probability, %; bars: correct" }
            }
        }
    }
}
