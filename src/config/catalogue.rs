//! The models that are known by name: `models/models.toml`, embedded.

use std::sync::LazyLock;

use toml::de::{DeTable, DeValue};

use super::layer::{Layer, Origin};
use super::{Hints, resolve};
use crate::infer::labels::NameSet;

static TEXT: &str = include_str!("../../models/models.toml");

/// A model that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its name, for `--model`.
    pub name: String,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
    /// What it finds.
    pub about: String,
    /// Under which licence it is.
    pub licence: String,
    /// Whether `make models` makes it; otherwise it comes with the program's source.
    pub made: bool,
    /// The names of its classes, where its file does not say them and they are not among the hints.
    pub names: Option<NameSet>,
    /// How it is to be fed and read, where that cannot be seen from outside.
    pub hints: Hints,
}

/// All of them, in the order of the file; a test holds that all can be read.
pub fn all() -> &'static [Known] {
    static ALL: LazyLock<Vec<Known>> = LazyLock::new(|| read(TEXT).unwrap_or_default());
    &ALL
}

/// The model of this name.
pub fn named(name: &str) -> Option<&'static Known> {
    all().iter().find(|known| known.name == name)
}

/// The model whose file has this SHA-256.
pub fn of_file(sha256: &str) -> Option<&'static Known> {
    all().iter().find(|known| known.sha256 == sha256)
}

/// Keys that are no settings.
const ABOUT: [&str; 6] = ["sha256", "about", "licence", "source", "made", "names"];

fn read(text: &str) -> Option<Vec<Known>> {
    let table = DeTable::parse(text).ok()?;
    let mut all = Vec::new();
    for (name, model) in table.get_ref() {
        let DeValue::Table(entries) = model.get_ref() else { return None };
        let said = |key: &str| match entries.get(key).map(toml::Spanned::get_ref) {
            Some(DeValue::String(text)) => Some(text.to_string()),
            _ => None,
        };
        let settings = entries.iter().filter(|(key, _)| !ABOUT.contains(&key.get_ref().as_ref()));
        let at = |_| Origin::Default;
        let layer = Layer::from_entries(settings, at).ok()?;
        all.push(Known {
            name: name.get_ref().to_string(),
            sha256: said("sha256")?,
            about: said("about")?,
            licence: said("licence")?,
            made: entries.contains_key("made"),
            names: match said("names") {
                Some(word) => Some(NameSet::from_word(&word)?),
                None => None,
            },
            hints: resolve::hints_of(&layer).ok()?,
        });
    }
    all.sort_by_key(|known| text.find(&format!("[{}]", known.name)));
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::model::{BUILT_IN, ModelFile};

    #[test]
    fn every_entry_is_read() {
        assert_eq!(all().len(), TEXT.lines().filter(|line| line.starts_with('[')).count());
        assert!(all().iter().all(|known| known.sha256.len() == 64 && !known.licence.is_empty()));
        assert_eq!(named("efficientnet-lite0-224").unwrap().hints.mean, Some([127.0; 3]));
    }

    #[test]
    fn the_built_in_model_is_among_them() {
        assert_eq!(of_file(&ModelFile::built_in().sha256).unwrap().name, BUILT_IN);
    }
}
