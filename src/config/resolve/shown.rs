//! Values as they may be shown, in messages and by `--print-config`.

use super::super::layer::Origin;
use super::super::{ConfigError, inline, keys};
use crate::shown;

/// Settings whose values are shown nowhere.
pub(super) const SECRETS: [&str; 3] = ["preview-token", "roboflow-api-key", "timeplus-password"];

/// A value as it may be shown. An address of a server has no password in it, and nothing is shown of
/// what should be one and is not; an input that is a file is shown as it is.
pub(super) fn shown_value(name: &str, text: &str) -> String {
    match name {
        "roboflow-url" if matches!(text, "local" | "hosted") => text.into(),
        "roboflow-url" | "timeplus" => shown::server(text),
        _ if text.contains("://") => shown::template(text),
        "input" | "inputs-from" => shown::input(text),
        _ => text.into(),
    }
}

/// A table in TOML's inline form as it may be shown.
pub(super) fn shown_table(name: &str, text: &str) -> String {
    match name {
        "rule" | keys::INPUT_TABLES => inline::shown(text),
        _ => text.into(),
    }
}

/// "NAME must be ..., got 'TEXT'", the name as the user wrote it. The text may be an address that was
/// meant for another setting.
pub(super) fn refused(name: &str, origin: &Origin, expected: &str, text: &str) -> ConfigError {
    let text = match name {
        _ if SECRETS.contains(&name) || text.is_empty() => String::new(),
        "roboflow-url" | "timeplus" => shown::server(text),
        _ => shown::given(text),
    };
    let got = if text.is_empty() { String::new() } else { format!(", got '{text}'") };
    let error = ConfigError::new(match origin {
        Origin::Flag(flag) => format!("{flag} {expected}{got}"),
        Origin::Variable(variable) => format!("{variable} {expected}{got}"),
        origin => format!("{name} {expected}{got} ({origin})"),
    });
    match keys::find(name) {
        Some(key) => error.with_hint(format!("--{name} is: {}", key.help)),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::{Config, Layer};
    use super::*;

    fn config(toml: &str) -> Result<Config, ConfigError> {
        Config::resolve(&Layer::from_toml(toml, Path::new("vp.toml"))?)
    }

    #[test]
    fn what_is_refused_or_printed_has_no_password() {
        for toml in [
            "conf = 'rtsp://u:pW9/x@h'",
            "preview = 'http://u:pW9@h:1'",
            "listen = 'u:pW9@h:1'",
            "output = 'rtmp://u:pW9@h/x'",
            "model = 'https://u:pW9@h/m.onnx'",
            "roboflow-url = 'http://u:pW9@h'",
            "roboflow-url = 'u:pW9'",
            "name = 'rtsp://u:pW9@h/x'",
            "inputs-from = 'https://u:pW9@h/list'",
            "rule = [{name = 'r', event = 'left', qos = 'pW9'}]",
            "rule = [{name = 'r', event = 'left', mqtt = ['mqtt://u:pW9@h/x']}]",
        ] {
            let error = config(toml).unwrap_err();
            let said = format!("{error} {}", error.hint.as_deref().unwrap_or_default());
            assert!(!said.contains("pW9"), "{toml}: {said}");
        }
        for toml in [
            "input = 'rtsp://u:pW9/x@h'",
            "input = ['rtsp://u:pW9@h/1', 'rtsp://v:pW9@h/2']",
            "input = [{uri = 'rtsp://u:pW9@${HOME}/1'}]",
            "input = [{uri = 'a', uri2 = 'rtsp://u:pW9@h/1'}]",
            "input = 'user:pW9@h/1'",
            "timeplus = 'http://u:pW9@h'",
            "timeplus = 'u:pW9@h'",
            "rule = [{name = 'r', event = 'left', webhook = 'http://h', secret = 'pW9'}]",
            "rule = [{name = 'r', event = 'left', command = ['a', 'u:pW9@h', 'http://u:pW9@h']}]",
            "timeplus = 'http://u:pW#9@h'",
            "preview-cors = 'https://u:pW9@h'",
        ] {
            let printed = config(toml).unwrap().to_toml();
            assert!(!printed.contains("pW9") && !printed.contains("9@"), "{toml}: {printed}");
        }
    }
}
