//! Reads what exporters note beside a graph: names of classes in all the forms that are met, and
//! lists of numbers. A note is read or it is not; nothing is put in the place of what it says.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::literal::{self, Literal};
use crate::infer::labels::numbered;

/// Most classes that are believed.
const MAX_CLASSES: usize = 100_000;

/// Keys under which exporters note the names of classes: Ultralytics' and YOLOX' forks' first,
/// `id2label` is Hugging Face's, `model_names` that of some servers.
const KEYS: [&str; 10] = [
    "names",
    "class_names",
    "classes",
    "labels",
    "id2label",
    "model_names",
    "class_labels",
    "label_names",
    "classnames",
    "label2id",
];

/// Names of classes in the notes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::infer) enum Noted {
    /// Nothing.
    Nothing,
    /// Names.
    Names(Names),
    /// Something under this key that cannot be read.
    Unreadable(String),
}

/// Names by their ids, one of them at least.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::infer) struct Names {
    /// The key under which they were noted.
    pub(in crate::infer) key: String,
    by_id: BTreeMap<usize, String>,
}

impl Names {
    /// The names of a model of so many classes, `class_N` for ids that are left out; `None` where
    /// they are not those of so many, or one is empty: then it is not known which ones are right.
    pub(in crate::infer) fn of(&self, classes: Option<usize>) -> Option<Vec<Arc<str>>> {
        let noted = self.by_id.keys().next_back()? + 1;
        let classes = classes.unwrap_or(noted);
        // A list that ends too early may as well begin too late: all its names would be shifted.
        let fits = noted == classes && self.by_id.values().all(|name| !bare(name).is_empty());
        let named =
            |id| self.by_id.get(&id).map_or_else(|| numbered(id), |name| name.as_str().into());
        fits.then(|| (0..classes).map(named).collect())
    }
}

/// Names of classes in `notes`, texts by their keys.
pub(in crate::infer) fn noted<'a>(
    notes: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Noted {
    let place = |key: &str| {
        let key = key.trim().to_lowercase().replace(['-', ' ', '.'], "_");
        KEYS.iter().position(|known| *known == key)
    };
    let mut found: Vec<_> = notes
        .into_iter()
        .filter_map(|(key, text)| Some((place(key)?, key, read(text))))
        .filter(|(.., noted)| *noted != Some(BTreeMap::new()))
        .collect();
    // Readable ones first, then in the order of the keys.
    found.sort_by_key(|(place, _, noted)| (noted.is_none(), *place));
    match found.into_iter().next() {
        None => Noted::Nothing,
        Some((_, key, Some(by_id))) => Noted::Names(Names { key: key.clone(), by_id }),
        Some((_, key, None)) => Noted::Unreadable(key.clone()),
    }
}

/// Names in a dictionary or list that counts from 0 without a gap: what shapes are held against.
pub(super) fn names(text: &str) -> Option<Vec<Arc<str>>> {
    let is_literal = bare(text).starts_with(['{', '[', '(']);
    let by_id = read(text).filter(|by_id| {
        let last = by_id.keys().next_back();
        is_literal && last.is_some_and(|last| last + 1 == by_id.len())
    })?;
    Names { key: String::new(), by_id }.of(None)
}

/// The text without white space and byte order marks around it.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\0'))
}

/// Names by their ids; none where the text says nothing, `None` where it cannot be read.
fn read(text: &str) -> Option<BTreeMap<usize, String>> {
    let text = bare(text);
    if text.is_empty() || text.parse::<f64>().is_ok() || ["None", "null"].contains(&text) {
        return Some(BTreeMap::new());
    }
    let names = if text.starts_with(['{', '[', '(']) {
        of_literal(literal::read(text)?)?
    } else if text.starts_with(['\'', '"']) {
        match literal::read(&format!("[{text}]"))? {
            Literal::List(texts) if texts.len() > 1 => of_literal(Literal::List(texts))?,
            Literal::List(texts) => match texts.into_iter().next()? {
                Literal::Text(inner) if !inner.starts_with(['\'', '"']) => return read(&inner),
                _ => return None,
            },
            _ => return None,
        }
    } else {
        of_lines(text)?
    };
    unique(names)
}

/// Names by their ids. An id with two names has none.
fn unique(names: Vec<(usize, String)>) -> Option<BTreeMap<usize, String>> {
    let mut by_id: BTreeMap<usize, String> = BTreeMap::new();
    for (id, name) in names {
        if id >= MAX_CLASSES {
            return None;
        }
        let name = clean(&name);
        let known = by_id.entry(id).or_insert_with(|| name.clone());
        if *known != name {
            known.clear();
        }
    }
    Some(by_id)
}

/// A name as it is noted, but for characters that would drive a terminal.
fn clean(name: &str) -> String {
    let drives = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    name.chars().map(|c| if drives(c) { ' ' } else { c }).collect()
}

/// `[(id, name), ...]` of a dictionary or list.
fn of_literal(literal: Literal) -> Option<Vec<(usize, String)>> {
    match literal {
        Literal::List(items) => items.into_iter().enumerate().map(of_item).collect(),
        Literal::Map(entries) => {
            let inverse = !entries.is_empty() && entries.iter().all(is_inverse);
            entries.into_iter().map(|entry| of_entry(entry, inverse)).collect()
        }
        _ => None,
    }
}

/// An item of a list: a name, or as in COCO's annotations `{"id": 1, "name": "person"}`.
fn of_item((place, item): (usize, Literal)) -> Option<(usize, String)> {
    let Literal::Map(entries) = item else { return Some((place, word(item)?)) };
    let mut named = (None, None);
    for (key, value) in entries {
        match key {
            Literal::Text(key) if key == "id" => named.0 = id(&value),
            Literal::Text(key) if key == "name" => named.1 = word(value),
            _ => {}
        }
    }
    Some((named.0?, named.1?))
}

/// An entry of a dictionary from ids to names, or the inverse.
fn of_entry((key, value): (Literal, Literal), inverse: bool) -> Option<(usize, String)> {
    if inverse {
        return Some((id(&value)?, word(key)?));
    }
    // Of two texts or two numbers the first is the id; `{"2": 3}` may be meant either way.
    let clear = !matches!((&key, &value), (Literal::Text(_), Literal::Number(_)));
    clear.then(|| Some((id(&key)?, word(value)?)))?
}

/// Whether an entry is one from a name to an id: `{"cat": 0}`.
fn is_inverse((key, value): &(Literal, Literal)) -> bool {
    matches!(key, Literal::Text(_)) && id(key).is_none() && matches!(value, Literal::Number(_))
}

fn id(literal: &Literal) -> Option<usize> {
    match literal {
        Literal::Text(text) | Literal::Number(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A name; empty where there is none.
fn word(literal: Literal) -> Option<String> {
    match literal {
        Literal::Text(text) | Literal::Number(text) => Some(text),
        // As Python writes them: YAML reads names such as `yes` and `off` so.
        Literal::Truth(truth) => Some(if truth { "True" } else { "False" }.into()),
        Literal::Nothing => Some(String::new()),
        Literal::List(_) | Literal::Map(_) => None,
    }
}

/// Endings of files of names, which some note in the place of the names.
const FILES: [&str; 6] = [".txt", ".names", ".yaml", ".yml", ".json", ".csv"];

/// A name a line, after its id or not, or names between commas.
fn of_lines(text: &str) -> Option<Vec<(usize, String)>> {
    let parts: Vec<&str> = match ['\n', ',', ';'].into_iter().find(|&mark| text.contains(mark)) {
        Some(mark) => text.split(mark).collect(),
        None if FILES.iter().any(|ending| text.to_lowercase().ends_with(ending)) => return None,
        None => vec![text],
    };
    let with_id = |part: &&str| {
        let (id, name) = part.split_once(':')?;
        let name = name.trim();
        let unquoted = match literal::read(name) {
            Some(Literal::Text(unquoted)) => unquoted,
            _ => name.to_owned(),
        };
        Some((id.trim().parse().ok()?, unquoted))
    };
    let numbered: Option<Vec<_>> = parts.iter().map(with_id).collect();
    let in_order = || parts.iter().map(|part| part.trim().to_owned()).enumerate().collect();
    Some(numbered.unwrap_or_else(in_order))
}

/// The names of `count` keypoints: a list, or one a class where all of them are the same.
pub(super) fn keypoints(text: &str, count: usize) -> Option<Vec<Arc<str>>> {
    let lists = match literal::read(bare(text))? {
        Literal::Map(entries) => entries.into_iter().map(|(_, list)| list).collect(),
        list => vec![list],
    };
    let list = |list: Literal| match list {
        Literal::List(names) if names.len() == count => names
            .into_iter()
            .map(|name| Some(clean(&word(name)?).into()).filter(|name: &Arc<str>| !name.is_empty()))
            .collect::<Option<Vec<Arc<str>>>>(),
        _ => None,
    };
    let mut lists = lists.into_iter().map(list);
    let first = lists.next()??;
    lists.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// Numbers in brackets: `[17, 3]`.
pub(super) fn numbers(text: &str) -> Option<Vec<usize>> {
    let inside = text.trim().strip_prefix(['[', '('])?.strip_suffix([']', ')'])?;
    inside.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// Three numbers in brackets: `[0.5, 0.5, 0.5]`.
pub(super) fn fractions(text: &str) -> Option<[f32; 3]> {
    let inside = text.trim().strip_prefix(['[', '('])?.strip_suffix([']', ')'])?;
    let numbers: Option<Vec<f32>> =
        inside.split(',').map(|number| number.trim().parse().ok()).collect();
    let numbers = numbers.filter(|all| all.iter().all(|number| number.is_finite()))?;
    numbers.try_into().ok()
}

#[cfg(test)]
#[path = "notes_tests.rs"]
mod tests;
