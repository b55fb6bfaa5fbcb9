//! Values that come from the environment, so that no secret stands in a file or in `ps`.

use crate::shown::ESCAPES;

/// A text with `${NAME}` replaced from the environment.
///
/// # Errors
/// Where a variable is not set, in words that follow the name of what holds the text.
pub(super) fn expand(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let (name, after) = behind.split_once('}').ok_or("has a '${' without '}'")?;
        // It may be a piece of a password, which is not told.
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("has a '${{' with no name of a variable behind it; {ESCAPES}"));
        }
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        out.push_str(before);
        out.push_str(&value.ok_or_else(|| format!("needs the variable {name}, which is not set"))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
