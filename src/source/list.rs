//! Lists of inputs, one a line or each ended by a zero byte as `find -print0` writes them. What an
//! input stands for is left to [`super::listing`].

use std::io::{self, BufRead, BufReader, Read};

use super::SourceError;

/// Most inputs of a list.
pub const MAX_INPUTS: usize = 1_000_000;

/// Longest input of a list, in bytes: the longest path that Linux takes.
pub const MAX_BYTES: usize = 4096;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One a line, blank lines and those that begin with `#` left out.
    Lines,
    /// Each ended by a zero byte, taken as it is.
    Zeros,
}

/// The inputs of the list in the file `path`, or on standard input where that is `-`.
///
/// # Errors
/// Where it cannot be read or names none, and where one is too long or there are too many.
pub fn open(path: &str, form: Form) -> Result<Vec<String>, SourceError> {
    let failed = |error| SourceError::from_io(path, &error);
    if path == "-" {
        return read(io::stdin().lock(), path, form);
    }
    read(BufReader::new(std::fs::File::open(path).map_err(failed)?), path, form)
}

/// The inputs of a list that is called `shown` in messages. Bytes that are no UTF-8 become `�`:
/// such an input is reported as missing.
///
/// # Errors
/// As [`open`].
pub fn read(mut list: impl BufRead, shown: &str, form: Form) -> Result<Vec<String>, SourceError> {
    let end = if form == Form::Zeros { 0 } else { b'\n' };
    let mut inputs = Vec::new();
    let mut item = Vec::new();
    for number in 1.. {
        item.clear();
        let most = MAX_BYTES as u64 + 2;
        let count = list.by_ref().take(most).read_until(end, &mut item);
        if count.map_err(|error| SourceError::from_io(shown, &error))? == 0 {
            break;
        }
        let is_cut = item.pop_if(|last| *last == end).is_none() && item.len() as u64 == most;
        let text = match form {
            Form::Zeros => item.as_slice(),
            Form::Lines => line(&item, number == 1),
        };
        if is_cut || text.len() > MAX_BYTES {
            let reason = format!("entry {number} is longer than {MAX_BYTES} bytes");
            let hint = "is it a list of inputs? with zero bytes between them it needs -0".into();
            return Err(SourceError::Unreadable { uri: shown.into(), reason, hint: Some(hint) });
        }
        if !text.is_empty() {
            inputs.push(String::from_utf8_lossy(text).into_owned());
        }
        if inputs.len() > MAX_INPUTS {
            return Err(SourceError::TooMany { uri: shown.into(), most: MAX_INPUTS });
        }
    }
    if inputs.is_empty() {
        let (uri, what) = (shown.into(), "the list names no input");
        return Err(SourceError::Nothing { uri, what, hint: "put one a line".into() });
    }
    Ok(inputs)
}

/// What a line names: nothing where it is blank or a comment.
fn line(mut line: &[u8], is_first: bool) -> &[u8] {
    if is_first {
        line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    }
    line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.first() == Some(&b'#') || line.iter().all(u8::is_ascii_whitespace) { &[] } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &[u8], form: Form) -> Result<Vec<String>, SourceError> {
        read(text, "list", form)
    }

    #[test]
    fn one_a_line_without_blanks_and_comments() {
        let text = "\u{feff}a b.mp4\r\n\n  \n# from cron\nrtsp://cam/#1\n c.mp4";
        let found = of(text.as_bytes(), Form::Lines).unwrap();
        assert_eq!(found, ["a b.mp4", "rtsp://cam/#1", " c.mp4"]);
        let zeros = of(b"#1\n.mp4\0b\0\0c", Form::Zeros).unwrap();
        assert_eq!(zeros, ["#1\n.mp4", "b", "c"]);
    }

    #[test]
    fn a_list_is_bounded_and_names_something() {
        let longest = [&[b'x'; MAX_BYTES][..], b"\r\n"].concat();
        assert_eq!(of(&longest, Form::Lines).unwrap()[0].len(), MAX_BYTES);
        let longer = [b'x'; MAX_BYTES + 1];
        let error = of(&longer, Form::Lines).unwrap_err();
        assert!(error.to_string().contains("entry 1 is longer"), "{error}");
        let many = b"x\n".repeat(MAX_INPUTS + 1);
        assert!(matches!(of(&many, Form::Lines), Err(SourceError::TooMany { .. })));
        for none in [&b""[..], b"\n# none\n"] {
            assert!(matches!(of(none, Form::Lines), Err(SourceError::Nothing { .. })));
        }
        assert!(matches!(open("/no/list", Form::Lines), Err(SourceError::Missing { .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            names in prop::collection::vec("[^\\x00\u{feff}\u{fffd}]{1,20}", 1..20),
        ) {
            let zeros: String = names.iter().map(|name| format!("{name}\0")).collect();
            prop_assert_eq!(&of(zeros.as_bytes(), Form::Zeros).unwrap(), &names);
            let is_plain = |name: &&String| {
                !name.starts_with('#') && !name.contains(['\n', '\r']) && !name.trim_ascii().is_empty()
            };
            let plain: Vec<&String> = names.iter().filter(is_plain).collect();
            if !plain.is_empty() {
                let lines: String = plain.iter().map(|name| format!("{name}\n")).collect();
                let read = of(lines.as_bytes(), Form::Lines).unwrap();
                prop_assert_eq!(read.iter().collect::<Vec<_>>(), plain);
            }
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            of(&bytes, Form::Lines).ok();
            of(&bytes, Form::Zeros).ok();
        }
    }
}
