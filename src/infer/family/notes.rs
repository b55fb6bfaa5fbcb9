//! Reads what exporters note in Python's way of writing.

use std::sync::Arc;

/// Most classes that are believed.
const MAX_CLASSES: usize = 100_000;

/// A dictionary or list of names: `{0: 'person', 1: "driver's seat"}` or `['person']`. The ids
/// must count from 0; `None` where they do not or the text is no such thing.
pub(super) fn names(text: &str) -> Option<Vec<Arc<str>>> {
    let mut rest = text.trim().strip_prefix(['{', '['])?;
    let mut names: Vec<Arc<str>> = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\n']);
        if rest.starts_with(['}', ']']) {
            return (!names.is_empty()).then_some(names);
        }
        if let Some((id, after)) = rest.split_once(':').filter(|(id, _)| !id.contains(['\'', '"']))
        {
            if id.trim().parse() != Ok(names.len()) {
                return None;
            }
            rest = after.trim_start();
        }
        let (name, after) = quoted(rest)?;
        if names.len() == MAX_CLASSES || name.is_empty() {
            return None;
        }
        names.push(name.into());
        rest = after;
    }
}

/// A text in quotes at the start, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut name = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.push(letters.next()?.1),
            _ if letter == quote => return Some((name, text.get(at + 1..)?)),
            _ => name.push(letter),
        }
    }
    None
}

/// Numbers in brackets: `[17, 3]`.
pub(super) fn numbers(text: &str) -> Option<Vec<usize>> {
    let inside = text.trim().strip_prefix(['[', '('])?.strip_suffix([']', ')'])?;
    inside.split(',').map(|number| number.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Option<Vec<String>> {
        names(text).map(|names| names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn dictionaries_and_lists_of_names() {
        let expected = Some(vec!["person".to_owned(), "driver's seat".into(), "a:b, c".into()]);
        assert_eq!(list(r#"{0: 'person', 1: "driver's seat", 2: 'a:b, c'}"#), expected);
        assert_eq!(list(r"['person', 'driver\'s seat', 'a:b, c']"), expected);
    }

    #[test]
    fn anything_else_is_nothing() {
        for text in ["", "{}", "{1: 'a'}", "{0: 'a', 2: 'b'}", "{0: a}", "{0: 'a'", "{0: ''}"] {
            assert_eq!(list(text), None, "{text}");
        }
        assert_eq!(numbers("[17, 3]"), Some(vec![17, 3]));
        assert_eq!(numbers("17"), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,60}", list in "[\\[{][0-9: '\",\\\\a-z\\]}]{0,40}") {
            names(&text);
            names(&list);
            numbers(&text);
        }
    }
}
