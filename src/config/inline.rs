//! Tables of the configuration file in TOML's inline form: as they are, and as they may be shown.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::shown;

/// Keys whose values are shown nowhere.
const SECRETS: [&str; 1] = ["secret"];

/// Makes the text of a key's value.
type Text = fn(key: &str, text: &str) -> String;

/// The tables of a value, each in TOML's inline form; `None` where it is none.
pub(super) fn tables(value: &DeValue<'_>) -> Option<Vec<String>> {
    let inline = |value| inline("", value, |_, text| text.to_owned());
    match value {
        DeValue::Table(_) => Some(vec![inline(value)]),
        DeValue::Array(items) => {
            let all: Vec<_> = items.iter().map(Spanned::get_ref).collect();
            let tables = all.iter().all(|item| matches!(item, DeValue::Table(_)));
            tables.then(|| all.into_iter().map(inline).collect())
        }
        _ => None,
    }
}

/// Tables in TOML's inline form as they may be shown: receivers of messages end behind their host,
/// for many have a key behind it, inputs are without passwords and keys, and secrets are hidden.
/// What comes from the environment stays. Nothing is shown of what is no TOML.
pub(super) fn shown(text: &str) -> String {
    let text = format!("shown = {text}");
    let Ok(parsed) = DeTable::parse(&text) else { return quoted(shown::HIDDEN) };
    let value = parsed.get_ref().get("shown").map(Spanned::get_ref);
    value.map_or_else(|| quoted(shown::HIDDEN), |value| inline("", value, without_secrets))
}

fn without_secrets(key: &str, text: &str) -> String {
    let is_reference = |text: &str| {
        let name = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
        name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    match key {
        _ if is_reference(text) => text.into(),
        _ if SECRETS.contains(&key) => shown::HIDDEN.into(),
        "uri" if text.contains("://") => shown::template(text),
        "uri" => shown::input(text),
        "webhook" | "mqtt" => match text.contains("://") {
            true => shown::receiver(text),
            false => shown::HIDDEN.into(),
        },
        _ if text.contains("://") => shown::receiver(text),
        _ => shown::given(text),
    }
}

/// A TOML basic string: JSON's escapes are TOML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value of `key` in TOML's inline form.
fn inline(key: &str, value: &DeValue<'_>, text_of: Text) -> String {
    match value {
        DeValue::String(text) => quoted(&text_of(key, text)),
        // A secret of digits alone.
        DeValue::Integer(_) | DeValue::Float(_) if SECRETS.contains(&key) => quoted(shown::HIDDEN),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => {
            let items: Vec<_> =
                items.iter().map(|item| inline(key, item.get_ref(), text_of)).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(entries) => {
            let entry = |(name, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                let name = name.get_ref();
                format!("{} = {}", quoted(name), inline(name, value.get_ref(), text_of))
            };
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_secret_of_a_rule_is_shown() {
        let text = r#"{name = "r", webhook = "https://hooks.example/T0/KEY?t=1", secret = "whsec_x", mqtt = "mqtt://u:pw@host/topic"}"#;
        let text = shown(text);
        for word in ["KEY", "t=1", "whsec_x", "pw", "u:"] {
            assert!(!text.contains(word), "{text}");
        }
        assert!(text.contains("https://hooks.example/***") && text.contains("mqtt://***@host/***"));
        // As a shell's quotes may leave them, and with signs that end other texts.
        assert_eq!(shown("{secret='x',name='n'}"), r#"{"name" = "n", "secret" = "***"}"#);
        assert_eq!(shown(r#"{secret = "a\"b = {,", n = 1}"#), r#"{"n" = 1, "secret" = "***"}"#);
        assert_eq!(shown("{secret = 4711}"), r#"{"secret" = "***"}"#);
        assert_eq!(shown("{webhook = 'u:pw@host'}"), r#"{"webhook" = "***"}"#);
        assert_eq!(shown("{secret = 'x"), r#""***""#);
        assert!(shown("{command = ['curl', 'https://u:pw@h/x']}").contains("https://***@h/***"));
    }

    #[test]
    fn references_to_the_environment_stay() {
        for text in [
            r#"{"secret" = "${HOOK}"}"#,
            r#"{"webhook" = "https://hooks.example/services/${KEY}"}"#,
            r#"{"uri" = "rtsp://viewer:${PW}@10.0.0.11/stream"}"#,
            r#"{"uri" = "${CAMERA}"}"#,
        ] {
            assert_eq!(shown(text), text);
        }
        let mixed = shown(r#"{"uri" = "rtsp://u:secret@${HOST}/1?token=secret"}"#);
        assert_eq!(mixed, r#"{"uri" = "rtsp://***@${HOST}/1?token=***"}"#);
    }

    proptest! {
        /// A password of signs that no text of ours has is not shown, whatever else is in it.
        #[test]
        fn no_password_of_a_table_is_shown(
            password in "[ЖΩßQZ][ЖΩßQZ/?#@:\"'\\\\{}=,$ ]{0,10}[ЖΩßQZ]",
            key in prop::sample::select(&["uri", "webhook", "mqtt", "command", "name"][..]),
        ) {
            for text in [format!("http://u:{password}@host/x"), format!("http://h/{password}")] {
                let is_way = text.starts_with("http://h/");
                // What stands beside a variable is no secret: that is in the variable.
                if (is_way && matches!(key, "uri" | "name")) || password.contains("${") {
                    continue;
                }
                let table = format!("{{{key} = {}, secret = {}}}", quoted(&text), quoted(&password));
                let shown = shown(&table);
                prop_assert!(!shown.contains(|c| "ЖΩßQZ".contains(c)), "{table} as {shown}");
            }
        }
    }
}
