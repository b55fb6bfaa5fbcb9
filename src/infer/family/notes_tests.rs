//! Tests of [`super`]: forms that exporters use, and random names written as Python and JSON do.

use super::*;
use proptest::prelude::*;

fn list(text: &str) -> Option<Vec<String>> {
    names(text).map(|names| names.iter().map(ToString::to_string).collect())
}

/// Names in the note under `key`, for a model of so many classes.
fn under(key: &str, text: &str, classes: Option<usize>) -> Option<Vec<String>> {
    match noted([(&key.to_owned(), &text.to_owned())]) {
        Noted::Names(names) => {
            let names = names.of(classes)?;
            Some(names.iter().map(ToString::to_string).collect())
        }
        _ => None,
    }
}

fn owned(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(ToString::to_string).collect())
}

#[test]
fn dictionaries_and_lists_of_names() {
    let expected = owned(&["person", "driver's seat", "a:b, c"]);
    for text in [
        r#"{0: 'person', 1: "driver's seat", 2: 'a:b, c'}"#,
        r"['person', 'driver\'s seat', 'a:b, c']",
        r#"{"0": "person", "1": "driver's seat", "2": "a:b, c"}"#,
        r#"{2: 'a:b, c', 0: 'person', 1: "driver's seat"}"#,
        "\u{feff} ('person', \"driver's seat\", 'a:b, c',)\n",
        "{'0': 'person', '1': \"driver's seat\",\n '2': 'a:b, c'}",
    ] {
        assert_eq!(list(text), expected, "{text}");
    }
    assert_eq!(list("{0: 'cat', 1: '', 2: 'dog'}"), None, "an empty one leaves all in doubt");
    assert_eq!(list(r"{0: 'traffic\nlight', 1: ' a\x00 '}"), owned(&["traffic\nlight", " a  "]));
    assert_eq!(list("{0: 0, 1: 1}"), owned(&["0", "1"]));
    assert_eq!(list("['yes', True]"), owned(&["yes", "True"]));
    assert_eq!(list("['yes', None]"), None);
}

#[test]
fn names_of_keypoints_are_a_list_or_the_same_for_every_class() {
    let read = |text: &str| {
        keypoints(text, 2).map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let expected = owned(&["hip", "left knee"]);
    assert_eq!(read("['hip', 'left knee']"), expected);
    assert_eq!(read("{0: ['hip', 'left knee'], 1: ['hip', 'left knee']}"), expected);
    for other in ["{0: ['hip', 'knee'], 1: ['hip', 'toe']}", "['hip']", "{}", "['hip', '']", "hip"]
    {
        assert_eq!(read(other), None, "{other}");
    }
}

#[test]
fn other_forms_are_read_too() {
    let cats = owned(&["cat", "dog"]);
    for (key, text) in [
        ("names", "cat\ndog"),
        ("names", "cat\r\ndog\r\n"),
        ("class_names", "cat, dog"),
        ("Class-Names", "cat;dog"),
        ("classes", r#"["cat", "dog"]"#),
        ("labels", "'cat', 'dog'"),
        ("labels", "0: cat\n1: 'dog'"),
        ("id2label", r#"{"0": "cat", "1": "dog"}"#),
        ("label2id", r#"{"dog": 1, "cat": 0}"#),
        ("model_names", "\"cat,dog\""),
        ("names", r#"[{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}]"#),
    ] {
        assert_eq!(under(key, text, Some(2)), cats, "{key} {text}");
    }
    assert_eq!(under("names", "cat\n\ndog", Some(3)), None);
    assert_eq!(under("names", "licence plate", Some(1)), owned(&["licence plate"]));
}

#[test]
fn ids_that_do_not_count_from_0_hold_where_they_fit() {
    assert_eq!(under("names", "{1: 'a', 2: 'b'}", Some(3)), owned(&["class_0", "a", "b"]));
    assert_eq!(under("names", "{0: 'a', 2: 'c'}", None), owned(&["a", "class_1", "c"]));
    assert_eq!(under("names", "{1: 'a', 2: 'b'}", Some(2)), None, "no id 2 of two");
    assert_eq!(under("names", "{0: 'a', 1: 'b'}", Some(3)), None, "shifted, or one too few");
    let twice = r#"{"0": "a", "0": "b", "1": "c", "1": "c"}"#;
    assert_eq!(under("names", twice, Some(2)), None);
    assert_eq!(list("{1: 'a'}"), None, "shapes are held against whole lists alone");
}

#[test]
fn what_says_nothing_is_no_note_and_the_rest_cannot_be_read() {
    let said = |text: &str| noted([(&"classes".to_owned(), &text.to_owned())]);
    for text in ["", " ", "80", "{}", "[]", "None", "\u{feff}"] {
        assert_eq!(said(text), Noted::Nothing, "{text:?}");
    }
    for text in [
        "{0: 'a'",
        "{0: a}",
        "{-1: 'a'}",
        "[['a']]",
        r"['\ud83d']",
        r#"{"1": 0, "0": 1}"#,
        "coco.names",
        "{999999999: 'a'}",
    ] {
        assert_eq!(said(text), Noted::Unreadable("classes".into()), "{text}");
    }
    let other = (&"author".to_owned(), &"someone".to_owned());
    assert_eq!(noted([other]), Noted::Nothing);
}

#[test]
fn a_note_that_can_be_read_wins() {
    let note = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    let notes = [note("names", "{0: ?}"), note("id2label", r#"{"0": "cat"}"#)];
    let Noted::Names(names) = noted(notes.iter().map(|(k, t)| (k, t))) else { panic!() };
    assert_eq!(names.of(Some(1)), Some(vec!["cat".into()]));
}

#[test]
fn numbers_in_brackets() {
    assert_eq!(numbers("[17, 3]"), Some(vec![17, 3]));
    assert_eq!(numbers("17"), None);
}

/// A text as CPython's `repr` writes it (`Objects/unicodeobject.c`, `unicode_repr`), but that it
/// may also escape what Python thinks printable.
fn repr(text: &str, escaped: impl Fn(char) -> bool) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\\' => written += r"\\",
            '\n' => written += r"\n",
            '\r' => written += r"\r",
            '\t' => written += r"\t",
            _ if letter == quote => written.extend(['\\', quote]),
            ' '..='~' => written.push(letter),
            _ if !letter.is_control() && !escaped(letter) => written.push(letter),
            _ => {
                let number = u32::from(letter);
                written += &match number {
                    0..=0xFF => format!("\\x{number:02x}"),
                    0x100..=0xFFFF => format!("\\u{number:04x}"),
                    _ => format!("\\U{number:08x}"),
                };
            }
        }
    }
    written.push(quote);
    written
}

/// Names as they are noted, without characters that drive a terminal; none where one is empty.
fn expected(all: &[String]) -> Option<Vec<String>> {
    let shown = |name: &String| -> Option<String> {
        let drives = |c: char| c.is_control() && !"\t\n\r".contains(c);
        let shown: String = name.chars().map(|c| if drives(c) { ' ' } else { c }).collect();
        let bare = shown.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        (!bare.is_empty()).then_some(shown)
    };
    all.iter().map(shown).collect()
}

fn any_names() -> impl Strategy<Value = Vec<String>> {
    let letter = prop_oneof![
        any::<char>(),
        prop::sample::select(vec![
            '\'', '"', '\\', '\n', ',', ':', '{', ']', '\u{200b}', 'é', '🐱'
        ]),
        prop::char::range(' ', '~'),
    ];
    let name = prop::collection::vec(letter, 0..8).prop_map(|letters| letters.iter().collect());
    prop::collection::vec(name, 1..9)
}

proptest! {
    #[test]
    fn python_s_names_come_back(all in any_names(), turn in 0usize..9, salt: u32) {
        let escaped = |c: char| (u32::from(c) ^ salt).is_multiple_of(3);
        let wanted = expected(&all);
        let items: Vec<_> = all.iter().map(|name| repr(name, escaped)).collect();
        let listed = format!("[{}]", items.join(", "));
        prop_assert_eq!(list(&listed), wanted.clone(), "{}", listed);
        let mut entries: Vec<_> =
            items.iter().enumerate().map(|(id, name)| format!("{id}: {name}")).collect();
        let by = turn % entries.len();
        entries.rotate_left(by);
        let noted = format!("{{{}}}", entries.join(", "));
        prop_assert_eq!(list(&noted), wanted, "{}", noted);
    }

    #[test]
    fn names_in_json_come_back(all in any_names()) {
        let wanted = expected(&all);
        let listed = serde_json::to_string(&all).unwrap();
        prop_assert_eq!(list(&listed), wanted.clone());
        let by_id: BTreeMap<String, &String> =
            all.iter().enumerate().map(|(id, name)| (id.to_string(), name)).collect();
        prop_assert_eq!(list(&serde_json::to_string_pretty(&by_id).unwrap()), wanted);
    }

    #[test]
    fn no_text_breaks_it(text in "\\PC{0,60}", list in "[\\[{(][0-9: '\",\\\\a-zU\\]}]{0,40}") {
        for text in [text, list] {
            names(&text);
            read(&text);
            numbers(&text);
        }
    }
}
