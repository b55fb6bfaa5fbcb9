//! A reader of values as Python's `repr` and JSON write them: dictionaries, lists, texts, numbers.
//! What they mean is left to [`super::notes`].
//!
//! Sources: the Python language reference, "String and Bytes literals"; RFC 8259.

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 8;

/// Most values of one text that are read.
const MAX_VALUES: usize = 400_000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// A text in quotes, its escapes resolved.
    Text(String),
    /// A number, as it is written.
    Number(String),
    /// `True` or `False`.
    Truth(bool),
    /// `None` or `null`.
    Nothing,
    /// A list, tuple or set.
    List(Vec<Literal>),
    /// A dictionary or object, in its order; keys may repeat.
    Map(Vec<(Literal, Literal)>),
}

/// The value that is the whole of `text`; `None` where it is none.
pub(super) fn read(text: &str) -> Option<Literal> {
    let mut reader = Reader { rest: text.trim_start(), left: MAX_VALUES };
    let value = reader.value(MAX_DEPTH)?;
    reader.rest.is_empty().then_some(value)
}

/// The text left to be read; white space at its start is skipped.
struct Reader<'a> {
    rest: &'a str,
    /// Values that may still come.
    left: usize,
}

impl Reader<'_> {
    /// Whether `mark` comes next; it is skipped then.
    fn takes(&mut self, mark: char) -> bool {
        let after = self.rest.strip_prefix(mark);
        self.rest = after.map_or(self.rest, str::trim_start);
        after.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        self.left = self.left.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        for (open, close) in [('[', ']'), ('(', ')')] {
            if self.takes(open) {
                return self.list(Vec::new(), close, depth);
            }
        }
        if self.takes('{') {
            return self.map(depth);
        }
        let text = self.rest.strip_prefix(['u', 'U']).unwrap_or(self.rest);
        if text.starts_with(['\'', '"']) {
            let (value, after) = quoted(text)?;
            self.rest = after.trim_start();
            return Some(Literal::Text(value));
        }
        self.word()
    }

    /// The rest of a list after its first values; a comma may stand before its end.
    fn list(&mut self, mut values: Vec<Literal>, close: char, depth: usize) -> Option<Literal> {
        while !self.takes(close) {
            values.push(self.value(depth)?);
            if !self.takes(',') && !self.rest.starts_with(close) {
                return None;
            }
        }
        Some(Literal::List(values))
    }

    /// The rest of a dictionary, or of a set.
    fn map(&mut self, depth: usize) -> Option<Literal> {
        let mut entries = Vec::new();
        while !self.takes('}') {
            let key = self.value(depth)?;
            if entries.is_empty() && !self.rest.starts_with(':') {
                let goes_on = self.takes(',') || self.rest.starts_with('}');
                return goes_on.then(|| self.list(vec![key], '}', depth))?;
            }
            if !self.takes(':') {
                return None;
            }
            entries.push((key, self.value(depth)?));
            if !self.takes(',') && !self.rest.starts_with('}') {
                return None;
            }
        }
        Some(Literal::Map(entries))
    }

    /// A value without quotes.
    fn word(&mut self) -> Option<Literal> {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c)));
        let (word, after) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = after.trim_start();
        match word {
            "True" | "true" => Some(Literal::Truth(true)),
            "False" | "false" => Some(Literal::Truth(false)),
            "None" | "null" => Some(Literal::Nothing),
            _ if word.contains(|c: char| c.is_ascii_digit()) && word.parse::<f64>().is_ok() => {
                Some(Literal::Number(word.to_owned()))
            }
            _ => None,
        }
    }
}

/// The first character, and what follows it.
fn first(text: &str) -> Option<(char, &str)> {
    let mut letters = text.chars();
    Some((letters.next()?, letters.as_str()))
}

/// The text in quotes at the start, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (quote, mut rest) = first(text)?;
    let mut value = String::new();
    loop {
        let (letter, after) = first(rest)?;
        rest = after;
        match letter {
            '\\' => rest = escape(rest, &mut value)?,
            _ if letter == quote => return Some((value, rest)),
            _ => value.push(letter),
        }
    }
}

/// Resolves the escape after a backslash and gives what follows it; `None` where it stands for no
/// character. As in Python, a backslash before any other letter is one.
fn escape<'a>(text: &'a str, value: &mut String) -> Option<&'a str> {
    let (letter, rest) = first(text)?;
    let simple = match letter {
        '\\' | '\'' | '"' | '/' => letter,
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\n' => return Some(rest),
        'x' | 'u' | 'U' => return coded(letter, rest, value),
        '0'..='7' => {
            let digits = text.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            let (number, rest) = text.split_at_checked(digits)?;
            value.push(char::from_u32(u32::from_str_radix(number, 8).ok()?)?);
            return Some(rest);
        }
        // A character by its name in Unicode, which no `repr` writes.
        'N' => return None,
        _ => {
            value.push('\\');
            letter
        }
    };
    value.push(simple);
    Some(rest)
}

/// A character by its number in hexadecimal digits. JSON writes large ones as two surrogates.
fn coded<'a>(kind: char, rest: &'a str, value: &mut String) -> Option<&'a str> {
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        _ => 8,
    };
    let number = |text: &'a str| {
        let (number, rest) = text.split_at_checked(digits)?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then(|| Some((u32::from_str_radix(number, 16).ok()?, rest)))?
    };
    let (first, after) = number(rest)?;
    if !(0xD800..0xDC00).contains(&first) {
        value.push(char::from_u32(first)?);
        return Some(after);
    }
    let low = after.strip_prefix('\\').and_then(|next| next.strip_prefix(kind))?;
    let (second, after) = number(low).filter(|(second, _)| (0xDC00..0xE000).contains(second))?;
    value.push(char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))?);
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(literal: &str) -> Option<String> {
        match read(literal)? {
            Literal::Text(text) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn escapes_of_python_and_json() {
        // What CPython 3.11 evaluates these to.
        assert_eq!(text(r"'a\nb\tc\r'").unwrap(), "a\nb\tc\r");
        assert_eq!(text(r"'\xa0\xe9\u200b\U0001F431'").unwrap(), "\u{a0}é\u{200b}🐱");
        assert_eq!(text(r#"'it\'s "so" \\ \"'"#).unwrap(), r#"it's "so" \ ""#);
        assert_eq!(text(r"'\0\101\1019\377'").unwrap(), "\0AA9ÿ");
        assert_eq!(text(r"'\a\b\f\v\d'").unwrap(), "\x07\x08\x0c\x0b\\d");
        assert_eq!(text("'a\\\nb'").unwrap(), "ab");
        assert_eq!(text(r#""\ud83d\udc31 \/""#).unwrap(), "🐱 /");
        assert_eq!(text("u'cat'").unwrap(), "cat");
        for bad in [r"'\x4'", r"'\u12'", r"'\ud83d'", r"'\udc31'", r"'\U00110000'", r"'\N{CAT}'"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    #[test]
    fn lists_and_maps() {
        use Literal::{List, Map, Nothing, Number, Text, Truth};
        let (one, a) = (Number("1".into()), Text("a".into()));
        assert_eq!(read("{1: 'a',}"), Some(Map(vec![(one.clone(), a.clone())])));
        assert_eq!(read("('a', 1)"), Some(List(vec![a.clone(), one.clone()])));
        assert_eq!(read("{'a', 1}"), Some(List(vec![a.clone(), one])));
        assert_eq!(read("[ ]"), Some(List(vec![])));
        assert_eq!(read("[None, true]"), Some(List(vec![Nothing, Truth(true)])));
        for bad in ["", "[", "['a' 'b']", "{1 'a'}", "{'a', 1: 2}", "[,]", "[a]", "[1] x", "{1: }"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&"[".repeat(100_000)), None);
    }
}
