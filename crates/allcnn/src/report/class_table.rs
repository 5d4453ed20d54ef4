//! The table of errors, precision and recall by class.

use maud::{Markup, html};

use super::html::{percent, section as make_section, thousands};
use crate::score::ClassScores;

/// The most classes in the table; of more, those with the highest errors are shown.
const LISTED: usize = 30;

/// The section; empty without test images.
pub(super) fn section(classes: &[ClassScores]) -> Markup {
    let mut shown: Vec<&ClassScores> = classes.iter().filter(|class| class.images > 0).collect();
    let with_images = shown.len();
    if with_images > LISTED {
        let error = |class: &ClassScores| class.error_pct.unwrap_or_default();
        shown.sort_by(|a, b| error(b).total_cmp(&error(a)));
        shown.truncate(LISTED);
    }
    let which = if with_images > LISTED {
        format!("The {LISTED} classes with the highest errors, of {}. ", thousands(with_images as f64))
    } else {
        String::new()
    };
    let note = format!(
        "{which}The interval is the 95 % confidence interval of the error (Wilson). Precision is the share of images called so \
         that are of the class, recall the share of the class that is called so, F1 their harmonic mean."
    );
    make_section(shown.is_empty(), "Classes", &note, &table(&shown))
}

fn table(classes: &[&ClassScores]) -> Markup {
    let heads = ["Class", "Images", "Error", "95 % interval", "Precision", "Recall", "F1"];
    let share = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let cells = |class: &ClassScores| {
        let interval =
            class.error_interval95.map_or("–".to_owned(), |[low, high]| format!("{low:.1} to {high:.1} %"));
        [
            class.name.clone(),
            thousands(class.images as f64),
            class.error_pct.map_or("–".to_owned(), percent),
            interval,
            share(class.precision),
            share(class.recall),
            share(class.f1),
        ]
    };
    html! {
        div.card {
            table.list.named {
                thead { tr { @for head in heads { th { (head) } } } }
                tbody {
                    @for class in classes {
                        tr { @for (head, cell) in heads.iter().zip(cells(class)) { td data-name=(head) { (cell) } } }
                    }
                }
            }
        }
    }
}
