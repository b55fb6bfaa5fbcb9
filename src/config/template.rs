//! Names of outputs with fields, such as `out/{stem}.mp4`.

use std::path::{Component, Path, PathBuf};

use super::ConfigError;
use crate::reason::nearest;

/// What the fields of a name stand for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// `{stem}`: the input's file name without its ending.
    pub stem: String,
    /// `{name}`: the name of the source in the records.
    pub name: String,
    /// `{dir}`: the input's folder, below the one where the program runs.
    pub dir: String,
    /// `{hash}`: twelve hexadecimal digits of the input as it was given.
    pub hash: String,
    /// `{date}`: the UTC day on which the program started, such as 2026-11-22.
    pub date: String,
}

/// The names of all fields.
const NAMES: [&str; 5] = ["stem", "name", "dir", "hash", "date"];

/// Longest word between braces that is looked at.
const MAX_WORD: usize = 12;

impl Fields {
    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "stem" => plain(&self.stem),
            "name" => plain(&self.name),
            "dir" => below(&self.dir),
            "hash" => self.hash.clone(),
            "date" => self.date.clone(),
            _ => return None,
        })
    }
}

/// Whether a name has a field.
pub fn has_field(path: &Path) -> bool {
    let text = path.to_string_lossy();
    NAMES.iter().any(|name| text.contains(&format!("{{{name}}}")))
}

/// `path` with its fields filled. What a field stands for never leads out of the folder that the
/// rest of the name says.
///
/// # Errors
/// Where a field is none of ours.
pub fn filled(path: &Path, fields: &Fields) -> Result<PathBuf, ConfigError> {
    let Some(text) = path.to_str().filter(|text| text.contains('{')) else {
        return Ok(path.into());
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let word = behind.split_once('}').filter(|(word, _)| is_word(word));
        rest = match word {
            Some((word, after)) => {
                out.push_str(&fields.value(word).ok_or_else(|| unknown(text, word))?);
                after
            }
            None => {
                out.push('{');
                behind
            }
        };
    }
    out.push_str(rest);
    Ok(out.into())
}

fn is_word(word: &str) -> bool {
    (1..=MAX_WORD).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn unknown(text: &str, word: &str) -> ConfigError {
    let error = ConfigError::new(format!("'{text}' has an unknown field {{{word}}}"));
    error.with_hint(match nearest(word, NAMES.into_iter()) {
        Some(name) => format!("did you mean {{{name}}}?"),
        None => "the fields are {stem}, {name}, {dir}, {hash} and {date}".into(),
    })
}

/// A text as part of a file's name.
fn plain(text: &str) -> String {
    let text: String =
        text.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
    match text.as_str() {
        "" | "." | ".." => "_".into(),
        _ => text,
    }
}

/// A folder without what leads upwards or to the root.
fn below(folder: &str) -> String {
    let inner: Vec<String> = Path::new(folder)
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    if inner.is_empty() { ".".into() } else { inner.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields() -> Fields {
        Fields {
            stem: "in".into(),
            name: "a/in.mp4".into(),
            dir: "/data/../x".into(),
            hash: "0123456789ab".into(),
            date: "2026-11-22".into(),
        }
    }

    fn fill(text: &str) -> String {
        filled(Path::new(text), &fields()).unwrap().to_string_lossy().into_owned()
    }

    #[test]
    fn fields_are_filled_and_the_rest_stays() {
        assert_eq!(fill("out/{stem}.mp4"), "out/in.mp4");
        assert_eq!(fill("{date}/{name}-{hash}.csv"), "2026-11-22/a_in.mp4-0123456789ab.csv");
        assert_eq!(fill("out/{dir}/{stem}.mp4"), "out/data/x/in.mp4");
        assert_eq!(fill("{a b}{}{X}{.mp4"), "{a b}{}{X}{.mp4");
        assert!(has_field(Path::new("a/{stem}.x")) && !has_field(Path::new("a/{x}")));
        let error = filled(Path::new("{stme}.mp4"), &fields()).unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean {stem}?"));
    }

    proptest! {
        #[test]
        fn what_is_filled_in_stays_in_its_folder(
            stem in "[./a-z]{0,12}", name in "[./a-z]{0,12}", dir in "[./a-z]{0,12}",
        ) {
            let fields = Fields { stem, name, dir, ..fields() };
            let path = filled(Path::new("out/{dir}/{stem}/{name}"), &fields).unwrap();
            prop_assert!(path.starts_with("out"));
            let upwards = |part| matches!(part, Component::ParentDir | Component::RootDir);
            prop_assert!(!path.components().any(upwards));
        }
    }
}
