//! Words and numbers for a page.

/// Makes any text safe to put between tags or into a quoted attribute.
pub fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for character in raw.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            control if control.is_control() && control != '\n' => safe.push(char::REPLACEMENT_CHARACTER),
            other => safe.push(other),
        }
    }
    safe
}

/// A whole page: title, the line below it and the program's name as plain text, the body as HTML. It has no script and
/// refers to nothing outside itself.
pub fn page(title: &str, below: &str, body: &str, program: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p>{below}</p>
</header>
{body}<footer>{program}</footer>
</main>
</body>
</html>
"#,
        title = text(title),
        style = include_str!("style.css"),
        below = text(below),
        program = text(program),
    )
}

/// A section with heading and note (plain text), or nothing where there is nothing to show.
pub fn section(empty: bool, title: &str, note: &str, body: &str) -> String {
    if empty {
        return String::new();
    }
    let note = if note.is_empty() { String::new() } else { text(note) };
    format!("<section>\n<h2>{}</h2>\n<p class=\"note\">{note}</p>\n{body}\n</section>\n", text(title))
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
    for (place, digit) in digits.chars().enumerate() {
        if place > 0
            && digit.is_ascii_digit()
            && (digits.len() - place).is_multiple_of(3)
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
        assert_eq!(text("<a href=\"x\">'&\u{7}é"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\u{fffd}é");
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
