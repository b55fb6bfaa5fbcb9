//! Numbers and names as people read them, and safe in HTML.

/// `text` for HTML and SVG, in attributes too: markup is escaped, and characters that control a
/// terminal or the direction of writing are shown as `U+FFFD` rather than obeyed.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                safe.push('\u{FFFD}');
            }
            control if control.is_control() => safe.push('\u{FFFD}'),
            other => safe.push(other),
        }
    }
    safe
}

/// A count with its thousands apart: `13,480`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun, which takes an `s` but for one.
pub(super) fn of(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A number with as many places as its size calls for: `0.069`, `1.2`, `17`, `13,480`.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        // A float beyond the range becomes the nearest end of it.
        large if large >= 99.95 => count(value.max(0.0).round() as u64),
        tens if tens >= 9.995 => trimmed(format!("{value:.1}")),
        ones if ones >= 0.9995 => trimmed(format!("{value:.2}")),
        _ => trimmed(format!("{value:.3}")),
    }
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A length of time, which doesn't break between number and unit: `0.35 s`, `12.4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{}\u{a0}s", number((seconds * 100.0).round() / 100.0));
    }
    let whole = seconds.round() as u64;
    let two = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{large}\u{a0}{unit}"),
        _ => format!("{large}\u{a0}{unit} {small}\u{a0}{part}"),
    };
    match whole {
        0..3600 => two(whole / 60, "min", whole % 60, "s"),
        3600..86_400 => two(whole / 3600, "h", whole % 3600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3600, "h"),
    }
}

/// A size in memory: `170 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        large if large >= 1e9 => format!("{} GB", number(large / 1e9)),
        middle if middle >= 1e6 => format!("{} MB", number(middle / 1e6)),
        small => format!("{} kB", number(small / 1e3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_controls_are_harmless() {
        assert_eq!(
            escape("</script><b a='\"'>&\u{202E}\u{0}\n"),
            "&lt;/script&gt;&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{FFFD}\u{FFFD}\u{FFFD}"
        );
        assert_eq!(escape("Fußgänger 行人"), "Fußgänger 行人");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 13_480, 1_234_567].map(count).join(" "),
            "0 999 1,000 13,480 1,234,567"
        );
        assert_eq!(
            [0.0, 0.0694, 0.5, 1.254, 9.999, 16.957, 100.0, 99.96, 13480.4].map(number).join(" "),
            "0 0.069 0.5 1.25 10 17 100 100 13,480"
        );
        assert_eq!(
            [0.0, 0.349, 12.4, 59.96, 79.5, 200.0, 3600.0, 7500.0, 273_600.0]
                .map(duration)
                .join(", ")
                .replace('\u{a0}', " "),
            "0 s, 0.35 s, 12.4 s, 1 min, 1 min 20 s, 3 min 20 s, 1 h, 2 h 5 min, 3 d 4 h"
        );
        assert_eq!(bytes(170_348_544), "170 MB");
        assert_eq!((of(1, "frame"), of(2, "frame")), ("1 frame".into(), "2 frames".into()));
    }
}
