//! The content of a run's page.

use super::contents::*;
use super::run_page::{render, write};
use crate::confusion::Confusion;
use crate::data::Ignored;
use crate::data::decode::Picture;
use crate::run::EpochRow;
use crate::score::{Calibration, Scores};

/// A report with all sections, for `classes` classes.
fn full(classes: usize) -> Report {
    let row = |epoch: u32| EpochRow {
        epoch,
        learning_rate: 0.05 / f64::from(epoch),
        train_loss: 2.0 / f64::from(epoch),
        train_error_pct: 90.0 / f64::from(epoch),
        test_loss: Some(2.1 / f64::from(epoch)),
        test_error_pct: Some(91.0 / f64::from(epoch)),
        ..EpochRow::default()
    };
    let picture = Picture { height: 4, width: 4, pixels: vec![200; 4 * 4 * 3] };
    let mut confusion = vec![vec![0; classes]; classes];
    for (class, row) in confusion.iter_mut().enumerate() {
        row[class] = 90;
        row[(class + 1) % classes] = 10;
    }
    let mistake = |name: &str, probability| MisclassifiedPicture {
        picture: picture.clone(),
        name: name.to_owned(),
        truth: 0,
        predicted: 1,
        probability,
        explanation: (name == "sure.png").then(|| picture.clone()),
    };
    // A hundred images of each class, ten of them taken for the next one.
    let labels: Vec<u32> = (0..classes as u32).flat_map(|class| [class; 100]).collect();
    let mut probabilities = vec![0.0; labels.len() * classes];
    for (image, row) in probabilities.chunks_exact_mut(classes).enumerate() {
        row[(image / 100 + usize::from(image % 100 < 10)) % classes] = 0.775;
    }
    let names: Vec<String> = (0..classes).map(|class| format!("class{class}")).collect();
    let measured = Scores::new(classes, labels, &probabilities).evaluation(&names);
    Report {
        model: "all-cnn-c".into(),
        data: "shapes".into(),
        evaluated: "best checkpoint".into(),
        chosen: Some(12),
        program: "allcnn 0.1".into(),
        settings: vec![("batch".into(), "128".into())],
        history: (1..=12).map(row).collect(),
        parameters: 1_369_738,
        images_per_s: 1234.5,
        seconds: 185.0,
        classes: (0..classes).map(|class| format!("class{class}")).collect(),
        confusion: Confusion::from_rows(&confusion),
        top5_error_pct: None,
        class_scores: measured.classes,
        calibration: Some(Calibration { expected_calibration_error: 0.125, bins: measured.calibration }),
        calibrated: None,
        mistakes: vec![mistake("doubtful.png", 0.51), mistake("sure.png", 0.98)],
        filters: Some(Filters { weights: vec![0.5; 2 * 3 * 9], count: 2, channels: 3, height: 3, width: 3 }),
        galleries: vec![Gallery {
            title: "Explanations".into(),
            note: "What it looks at.".into(),
            pictures: vec![(vec![picture.clone(), picture], "conv6".into())],
        }],
        skipped: vec![("broken.jpg".into(), "ends too early".into())],
        notes: vec!["training is 'train'".into()],
        advice: None,
        ignored: vec![Ignored { reason: "hidden".into(), files: 2, example: ".a".into() }],
    }
}

const HEADINGS: [&str; 7] = [
    "Training",
    "Settings",
    "Confusion",
    "Worst mistakes",
    "First-layer filters",
    "Explanations",
    "Files left out",
];

/// Asserts that all elements are closed, in order.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "img", "!DOCTYPE"];
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a closed tag");
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn every_part_is_on_the_page_and_nothing_outside_it() {
    for classes in [2, 10, 30, 31, 100] {
        let page = render(&full(classes)).unwrap();
        for heading in HEADINGS {
            assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading} is missing");
        }
        for figure in ["10.00 %", "1,369,738", "3 min 05 s", "1,234 images/s", "7.58 %"] {
            assert!(page.contains(figure), "{figure} is missing");
        }
        for outside in ["http://", "https://", "<script", "url(", "@import", "<link", "<iframe"] {
            assert!(!page.contains(outside), "{outside} is on the page");
        }
        assert!(page.split("src=\"").skip(1).all(|source| source.starts_with("data:image/png;base64,")));
        assert!(!page.contains("NaN"));
        assert_well_formed(&page);
    }
}

#[test]
fn a_training_that_did_not_learn_is_told_before_its_figures() {
    let advice = Some("stuck: try <less>".to_owned());
    let page = render(&Report { advice, ..full(3) }).unwrap();
    let (told, figures) =
        (page.find("This training is stuck: try &lt;less&gt;"), page.find("class=\"figures\""));
    assert!(told.is_some() && told < figures);
    assert_well_formed(&page);
    assert!(!render(&full(3)).unwrap().contains("This training is"));
}

#[test]
fn an_explanation_stands_beside_its_image() {
    let page = render(&full(3)).unwrap();
    let figure = |title: &str| {
        let start = page.find(&format!("title=\"{title}\"")).unwrap();
        page[start..].split_once("</figure>").unwrap().0.matches("<img").count()
    };
    assert_eq!((figure("sure.png"), figure("doubtful.png"), figure("conv6")), (2, 1, 2));
}

#[test]
fn names_cannot_become_markup() {
    let evil = "\"><script>alert('x')</script>";
    let mut report = full(3);
    report.model = evil.into();
    report.data = evil.into();
    report.evaluated = evil.into();
    report.program = evil.into();
    report.settings = vec![(evil.into(), evil.into())];
    report.classes = vec![evil.into(); 3];
    report.mistakes[0].name = evil.into();
    report.galleries[0].title = evil.into();
    report.galleries[0].note = evil.into();
    report.galleries[0].pictures[0].1 = evil.into();
    report.skipped = vec![(evil.into(), evil.into())];
    for classes in [3, 40] {
        report.classes = vec![evil.into(); classes];
        report.confusion = Confusion::from_rows(&vec![vec![1; classes]; classes]);
        let page = render(&report).unwrap();
        assert!(!page.contains("<script"), "markup got through");
        assert!(!page.contains("\">&lt;script") && page.contains("&quot;&gt;&lt;script&gt;"));
        assert_well_formed(&page);
    }
}

#[test]
fn an_empty_report_is_still_a_page() {
    let page = render(&Report { model: "model-a".into(), data: "x".into(), ..Report::default() }).unwrap();
    assert!(HEADINGS.iter().all(|heading| !page.contains(heading)));
    assert!(page.contains("not tested"));
    assert_well_formed(&page);
}

#[test]
fn missing_and_infinite_values_are_left_out_of_the_curves() {
    let mut report = full(4);
    for row in &mut report.history {
        (row.test_loss, row.test_error_pct) = (None, None);
    }
    report.history[5].train_loss = f64::NAN;
    report.history[6].train_loss = f64::INFINITY;
    report.history[11].train_loss = f64::NAN;
    let mut rows = report.confusion.rows().unwrap();
    rows[2] = vec![0; 4];
    report.confusion = Confusion::from_rows(&rows);
    let page = render(&report).unwrap();
    assert!(!page.contains("NaN") && !page.contains("inf"));
    assert!(page.contains("not finite") && !page.contains("Best epoch"));
    assert!(page.contains("epoch 6: train –, test –"));
    report.history.truncate(1);
    report.history[0].train_loss = f64::NAN;
    assert!(render(&report).unwrap().contains("no finite values"));
}

#[test]
fn the_last_epoch_comes_before_the_best_one() {
    let mut report = full(3);
    report.chosen = Some(5);
    report.history[4].test_error_pct = Some(7.25);
    let page = render(&report).unwrap();
    let position = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part} is missing"));
    assert!(position("after the last epoch (12)") < position("epoch 5, chosen on these images"));
    assert!(position("<dd>7.58 %</dd>") < position("<dd>7.25 %</dd>"));
    assert!(position("Epoch 5 is the best on the test images") < position("The best checkpoint. Rows are"));
}

#[test]
fn validation_images_have_the_curves_and_the_test_images_one_figure() {
    let mut report = full(3);
    report.chosen = Some(5);
    for row in &mut report.history {
        row.validation_error_pct = row.test_error_pct.take();
        row.validation_loss = row.test_loss.take();
    }
    let page = render(&report).unwrap();
    for part in [
        "<dt>Test error</dt><dd>10.00 %</dd><dd class=\"detail\">95 % interval 7.1 to 13.9 %</dd>\
         <dd class=\"detail\">epoch 5, measured once</dd>\
         <dd class=\"detail\">guessing: 66.67 %</dd>",
        "<dt>Validation error</dt><dd>18.20 %</dd><dd class=\"detail\">epoch 5, chosen on these images</dd>",
        "</i>validation</span>",
        "epoch 12: train 7.500, validation 7.583",
        "the test images were not looked at before the end",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(!page.contains("</i>test</span>") && !page.contains("Best epoch"));
    report.confusion = Confusion::default();
    assert!(render(&report).unwrap().contains("<dt>Test error</dt><dd>not tested</dd>"));
}

#[test]
fn of_many_classes_without_test_images_there_is_no_confusion() {
    let mut report = full(40);
    assert!(render(&report).unwrap().contains("Confusion"));
    report.confusion = Confusion::default();
    assert!(!render(&report).unwrap().contains("Confusion"));
}

#[test]
fn the_surest_mistake_comes_first_and_the_number_is_limited() {
    let mut report = full(2);
    let page = render(&report).unwrap();
    assert!(page.find("sure.png").unwrap() < page.find("doubtful.png").unwrap());
    report.mistakes = vec![report.mistakes[0].clone(); 3 * MAX_MISTAKES];
    let page = render(&report).unwrap();
    assert_eq!(page.matches("title=\"doubtful.png\"").count(), MAX_MISTAKES);
}

#[test]
fn of_very_many_classes_only_the_worst_pairs_are_told() {
    let mut report = Report { history: vec![EpochRow::default()], ..Report::default() };
    report.classes = (0..65_536).map(|class| format!("class{class}")).collect();
    report.confusion = Confusion::new(65_536);
    report.confusion.count(65_535, 0, 3);
    let page = render(&report).unwrap();
    assert!(page.contains("<td>class65535</td><td>class0</td><td>3 of 3</td>") && !page.contains("matrix"));
    assert!(page.len() < 100_000, "{}", page.len());
}

#[test]
fn many_classes_are_told_by_their_worst_pairs() {
    let mut report = full(100);
    report.confusion.count(42, 7, 55);
    let page = render(&report).unwrap();
    assert!(page.contains("<td>class42</td><td>class7</td><td>55 of 155</td>"));
    assert!(page.contains("All 100 classes") && !page.contains("class=\"confusion\""));
}

#[test]
fn a_page_that_cannot_be_written_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    write(&full(3), &path).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>"));
    let said = write(&full(3), &folder.path().join("none/report.html")).unwrap_err().to_string();
    assert!(said.contains("none/report.html") && said.contains("folder"), "{said}");
}

#[test]
fn classes_and_probabilities_are_measured() {
    let page = render(&full(10)).unwrap();
    for part in [
        "<td data-name=\"95 % interval\">5.5 to 17.4 %</td><td data-name=\"Precision\">0.900</td>",
        "The mean distance, the expected calibration error, is 12.50 %.",
        "1,000 of 1,000 images: probability 77.50 %, correct 90.00 %",
        "95 % interval 6.1 to 9.4 %", // 7.58 % of 1,000 images after the last epoch
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let many = render(&full(40)).unwrap();
    assert!(many.contains("The 30 classes with the highest errors, of 40."));
    assert!(!render(&Report::default()).unwrap().contains("Probabilities"));
}
