//! Reading text that nobody vouches for: lines and records of bounded length, bounded files,
//! numbers that are finite.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::error::{At, ConvertError};

/// Longest line or record that is read, bytes. A frame of 300 outlines has less than 1 MiB.
pub(super) const MAX_RECORD: u64 = 64 << 20;

/// Largest input of a format that must be read as a whole, bytes.
pub(super) const MAX_WHOLE: u64 = 512 << 20;

/// Where an input comes from: something to read and what it is called in messages.
pub(super) struct Text<'a> {
    /// Its bytes.
    pub(super) bytes: Box<dyn BufRead + 'a>,
    /// Its name.
    pub(super) name: String,
}

impl Text<'_> {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, ConvertError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| ConvertError::read(&name, &error))?;
        Ok(Self { bytes: Box::new(BufReader::new(file)), name })
    }
}

/// Lines that are not blank, without their ends.
pub(super) struct Lines<'a> {
    text: Text<'a>,
    line: Vec<u8>,
    number: u64,
    total: u64,
    max_total: u64,
}

impl<'a> Lines<'a> {
    /// The lines of `text`, of at most `max_total` bytes together.
    pub(super) fn new(text: Text<'a>, max_total: u64) -> Self {
        Self { text, line: Vec::new(), number: 0, total: 0, max_total }
    }

    /// What the input is called.
    pub(super) fn name(&self) -> &str {
        &self.text.name
    }

    /// An error of the line that was read last.
    pub(super) fn bad(&self, reason: impl Into<String>) -> ConvertError {
        ConvertError::bad(&self.text.name, At::Line(self.number), reason)
    }

    /// An error of `serde_json` in the line that was read last.
    pub(super) fn bad_json(&self, error: &serde_json::Error) -> ConvertError {
        ConvertError::json(&self.text.name, self.number.saturating_sub(1), error)
    }

    /// The next line and its number, from 1; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &str)>, ConvertError> {
        loop {
            self.line.clear();
            let mut part = (&mut self.text.bytes).take(MAX_RECORD + 1);
            let read = part
                .read_until(b'\n', &mut self.line)
                .map_err(|error| ConvertError::read(&self.text.name, &error))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.total += read as u64;
            if read as u64 > MAX_RECORD {
                return Err(self.bad(format!("longer than {} MiB", MAX_RECORD >> 20)));
            }
            if self.total > self.max_total {
                return Err(self.bad(too_large()));
            }
            if !self.line.iter().all(|byte| byte.is_ascii_whitespace()) {
                break;
            }
        }
        match std::str::from_utf8(&self.line) {
            Ok(line) => {
                let mark = if self.number == 1 { "\u{feff}" } else { "" };
                Ok(Some((self.number, line.strip_prefix(mark).unwrap_or(line).trim())))
            }
            Err(_) => Err(self.bad("not UTF-8")),
        }
    }
}

/// The reason where an input is larger than [`MAX_WHOLE`].
pub(super) fn too_large() -> String {
    format!("larger than {} MiB, and this format is read as a whole", MAX_WHOLE >> 20)
}

/// Bytes of which only so many are given out.
pub(super) struct Limited<R> {
    inner: R,
    left: u64,
    full: u64,
}

impl<R: Read> Limited<R> {
    /// Gives out `full` bytes of `inner`.
    pub(super) fn new(inner: R, full: u64) -> Self {
        Self { inner, left: full, full }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(part) = buffer.get_mut(..want).filter(|part| !part.is_empty()) else {
            if buffer.is_empty() {
                return Ok(0);
            }
            let text = format!("longer than {} MiB", self.full >> 20);
            return Err(std::io::Error::other(text));
        };
        let read = self.inner.read(part)?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Whether a document of JSON is an object, by its first byte after blanks and a byte order mark,
/// which is passed over.
pub(super) fn is_object(bytes: &mut BufReader<impl Read>) -> std::io::Result<bool> {
    if bytes.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        bytes.consume(3);
    }
    Ok(bytes.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{'))
}

/// A finite number.
pub(super) fn number(text: &str, what: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("{what} '{}' is not a number", shown(text))),
    }
}

/// A whole number that is not negative; also `7.0`, as pandas writes columns with gaps.
pub(super) fn whole(text: &str, what: &str) -> Result<u64, String> {
    /// Larger numbers of this kind are no longer exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) => Ok(number as u64),
        _ => Err(format!("{what} '{}' is not a whole number", shown(text))),
    }
}

/// The class id in `text`.
pub(super) fn class_id(text: &str) -> Result<u32, String> {
    let id = whole(text, "class")?;
    u32::try_from(id).map_err(|_| format!("class {id} is too large"))
}

/// Text of others, short enough for a message.
fn shown(text: &str) -> String {
    crate::reason::one_line(text, 40)
}
