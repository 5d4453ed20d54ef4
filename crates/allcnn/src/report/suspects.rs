//! The page of images whose labels are probably wrong.

use std::io;
use std::path::Path;

use maud::{Markup, html};

use super::error::{WriteReportError, write_page};
use super::html::{self, thousands};
use super::pictures::{figure, figures};
use crate::run::PROGRAM;
use crate::suspects::{Suspect, SuspectPicture, Suspects};

/// Writes the page of the suspects found with `run` to `path`, atomically. Panics unless every suspect has a picture.
///
/// # Errors
/// A file that cannot be written.
pub fn write_suspects(suspects: &Suspects, run: &str, path: &Path) -> Result<(), WriteReportError> {
    write_page(render(suspects, run), path)
}

fn render(suspects: &Suspects, run: &str) -> io::Result<String> {
    assert_eq!(suspects.suspects.len(), suspects.pictures.len(), "suspects and pictures");
    let shown = suspects.suspects.iter().zip(&suspects.pictures);
    let cards = shown.map(|(suspect, picture)| card(suspect, picture)).collect::<io::Result<Vec<_>>>()?;
    let note = format!(
        "The {} of {} images whose given class has the least probability, the least first. They were not trained on. Beside \
         each image is what in it spoke for the class that the network says (guided backpropagation). A doubt is not yet a \
         wrong label: look at the image.",
        thousands(suspects.suspects.len() as f64),
        thousands(suspects.images as f64)
    );
    let body = html! {
        (numbers(suspects))
        (html::section(cards.is_empty(), "Suspects", &note, &figures(2, &cards)))
    };
    Ok(html::page("Suspect labels", &format!("{}, looked at by {run}", suspects.data), &body, PROGRAM))
}

fn numbers(suspects: &Suspects) -> Markup {
    let splits = suspects.splits.iter();
    let splits = splits.map(|counted| format!("{} {}", thousands(counted.images as f64), counted.split));
    let mut looked_at: Vec<String> = splits.collect();
    if suspects.trained_on > 0 {
        looked_at.push(format!("{} left out: trained on", thousands(suspects.trained_on as f64)));
    }
    let number = |count: usize| thousands(count as f64);
    let confident = suspects.confident_otherwise.map_or("not known".to_owned(), number);
    html::cards(&[
        ("Images", number(suspects.images), looked_at),
        ("Another class said", number(suspects.predicted_otherwise), vec![]),
        ("Confidently so", confident, vec!["by confident learning".to_owned()]),
    ])
}

fn card(suspect: &Suspect, SuspectPicture { picture, explanation }: &SuspectPicture) -> io::Result<Markup> {
    let percent = |probability: f32| format!("{:.1} %", 100.0 * probability);
    let caption = html! {
        div.said { span { "given " (suspect.label) } span { (percent(suspect.label_probability)) } }
        div.said { b { "says " (suspect.predicted) } span { (percent(suspect.predicted_probability)) } }
        div.file { (suspect.split.to_string()) ", " (suspect.file) }
    };
    figure(&[picture, explanation], &suspect.file, &caption)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::decode::Picture;
    use crate::split::Split;
    use crate::suspects::SplitImages;

    #[test]
    fn the_page_shows_every_suspect_and_nothing_from_outside() {
        let suspect = |label: &str| Suspect {
            file: "a & b.png".into(),
            split: Split::Test,
            label: label.into(),
            label_probability: 0.012,
            predicted: "dog".into(),
            predicted_probability: 0.95,
        };
        let picture = Picture { height: 2, width: 2, pixels: vec![9; 12] };
        let picture = SuspectPicture { picture: picture.clone(), explanation: picture };
        let suspects = Suspects {
            data: "pets".into(),
            images: 1200,
            splits: vec![SplitImages { split: Split::Test, images: 1200 }],
            trained_on: 3,
            predicted_otherwise: 40,
            confident_otherwise: Some(30),
            skipped: vec![],
            ignored: vec![],
            suspects: vec![suspect("cat"), suspect("<script>")],
            pictures: vec![picture.clone(), picture],
        };
        let page = render(&suspects, "runs/a").unwrap();
        for part in ["given cat", "1.2 %", "says dog", "95.0 %", "a &amp; b.png", "3 left out", "1,200 test"]
        {
            assert!(page.contains(part), "{part}");
        }
        assert_eq!(page.matches("<img").count(), 4);
        for outside in ["<script>", "http:", "https:"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
