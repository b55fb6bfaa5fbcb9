//! Texts with a password in them that are known as a whole, hidden in what others say of them.

use std::ffi::OsStr;

use super::given;

/// What was given to the program and must not be repeated as it is.
///
/// It is the last line: where an address is known to be one, it is shown by the functions of this
/// room. Here are those that were given where none is expected, and come back in an error of a library
/// or of a file that is not there.
#[derive(Clone, Debug, Default)]
pub struct Veil {
    /// Each text and what stands in its place, the longest first: one may hold another.
    pairs: Vec<(String, String)>,
}

impl Veil {
    /// Hides what is secret in these arguments or values of variables.
    pub fn of(values: impl Iterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut pairs = Vec::new();
        for value in values {
            let value = value.as_ref().to_string_lossy();
            let (flag, argument) = match value.split_once('=') {
                Some((flag, argument)) if flag.starts_with('-') => (Some(flag), argument),
                _ => (None, &*value),
            };
            for text in [argument, flag.map_or("", |_| &*value)] {
                let shown = given(text);
                if shown != text {
                    pairs.extend(folder(text));
                    pairs.push((text.to_owned(), shown));
                }
            }
        }
        pairs.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        pairs.dedup();
        Self { pairs }
    }

    /// A text without what is hidden, also where it is quoted as Rust or JSON quote it.
    pub fn over(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, shown) in &self.pairs {
            for secret in [secret.clone(), secret.escape_debug().to_string()] {
                if text.contains(&secret) {
                    text = text.replace(&secret, shown);
                }
            }
        }
        text
    }
}

/// The folder that a text names where it is taken for a path, if that is to be hidden: what is not
/// there is looked for in its folder.
fn folder(text: &str) -> Option<(String, String)> {
    let (folder, _) = text.rsplit_once('/')?;
    let (_, behind) = folder.split_once(':').unwrap_or(("", folder));
    // A scheme alone is no secret.
    let shown = given(folder);
    (!behind.trim_matches('/').is_empty() && shown != folder).then(|| (folder.to_owned(), shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_hidden_wherever_it_comes_back() {
        let veil =
            Veil::of(["run", "--model=https://u:p\"w@h/m.onnx", "u:pw@cam", "-i", "v.mp4"].iter());
        let said = "cannot read 'https://u:p\"w@h/m.onnx' and \"u:pw@cam\" of v.mp4";
        assert_eq!(veil.over(said), "cannot read 'https://***@h/m.onnx' and \"***@cam\" of v.mp4");
        assert_eq!(veil.over(r#"in "https://u:p\"w@h/m.onnx""#), r#"in "https://***@h/m.onnx""#);
        assert_eq!(
            veil.over("there is no folder 'https://u:p\"w@h'"),
            "there is no folder 'https://***@h'"
        );
        assert_eq!(Veil::default().over(said), said);
    }
}
