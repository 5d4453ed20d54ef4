//! The frame of a page, its sections, and the formatting of numbers.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A complete page: title, the line `below` it, body, and the program's name as footer. It has no scripts and no external
/// references.
pub(crate) fn page(title: &str, below: &str, body: &Markup, program: &str) -> String {
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
    // Names of files and classes may contain control characters, which HTML forbids.
    page.into_string().replace(|letter: char| letter.is_control() && letter != '\n', "\u{fffd}")
}

/// A section with heading and note; nothing if `empty`.
pub(crate) fn section(empty: bool, title: &str, note: &str, body: &Markup) -> Markup {
    html! {
        @if !empty {
            section { h2 { (title) } p.note { (note) } (body) }
        }
    }
}

/// A key figure: its name, its value and the detail lines below.
pub(crate) type Card = (&'static str, String, Vec<String>);

/// The key figures at the top of a page, side by side.
pub(crate) fn cards(cards: &[Card]) -> Markup {
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

/// Formats a percentage: `12.34 %`; a dash if it is not finite.
pub(crate) fn percent(value: f64) -> String {
    if value.is_finite() { format!("{value:.2} %") } else { "–".to_owned() }
}

/// Formats a whole number with thousands separators: `1,369,738`; a dash if it is not finite.
pub(crate) fn thousands(value: f64) -> String {
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

/// Formats a duration: `48.2 s`, `3 min 05 s`, `2 h 07 min`.
pub(crate) fn duration(seconds: f64) -> String {
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
