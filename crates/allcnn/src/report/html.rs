//! The frame of a page and its sections; numbers as text.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A whole page: its title, the line below, the body, and the program's name in the foot. It has no script and refers to
/// nothing outside itself.
pub fn page(title: &str, below: &str, body: &Markup, program: &str) -> String {
    let policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    header { h1 { (title) } p { (below) } }
                    (body)
                    footer { (program) }
                }
            }
        }
    };
    // Names of files and classes may hold control characters, which HTML does not allow.
    page.into_string().replace(|letter: char| letter.is_control() && letter != '\n', "\u{fffd}")
}

/// A section with heading and note, or nothing where there is nothing to show.
pub fn section(empty: bool, title: &str, note: &str, body: &Markup) -> Markup {
    html! {
        @if !empty {
            section { h2 { (title) } p.note { (note) } (body) }
        }
    }
}

/// A figure with its name and the lines below it.
pub type Card = (&'static str, String, Vec<String>);

/// Figures beside each other, where a page begins.
pub fn cards(cards: &[Card]) -> Markup {
    html! {
        dl.figures {
            @for (name, value, details) in cards {
                div.card {
                    dt { (name) }
                    dd { (value) }
                    @for detail in details { dd.detail { (detail) } }
                }
            }
        }
    }
}

/// `12.34 %`, or a dash for what is no number.
pub fn percent(value: f64) -> String {
    if value.is_finite() { format!("{value:.2} %") } else { "–".to_owned() }
}

/// A whole number with commas: `1,369,738`.
pub fn thousands(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0
            && digit.is_ascii_digit()
            && (digits.len() - index).is_multiple_of(3)
            && !grouped.ends_with('-')
        {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A duration as a person says it: `48.2 s`, `3 min 05 s`, `2 h 07 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", thousands((whole / 3600) as f64), whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_made_harmless() {
        let page = page("<a href=\"x\">", "&\u{7}é\n", &html! {}, "'");
        assert!(page.contains("<title>&lt;a href=&quot;x&quot;&gt;</title>"), "{page}");
        assert!(page.contains("<p>&amp;\u{fffd}é\n</p>"), "{page}");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.0, 999.4, 1000.0, 1_369_738.0, -1234.0, f64::NAN].map(thousands),
            ["0", "999", "1,000", "1,369,738", "-1,234", "–"]
        );
        assert_eq!([9.078, f64::INFINITY].map(percent), ["9.08 %", "–"]);
        assert_eq!([4.04, 185.0, 7_650.0].map(duration), ["4.0 s", "3 min 05 s", "2 h 07 min"]);
    }
}
