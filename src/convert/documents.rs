//! JSON documents one after the other: a line each, indented over many lines, or as the elements
//! of one array, of which each is read by itself. A document is bounded in length, an array is not.

use std::io::{BufRead, Read};

use serde::de::DeserializeOwned;

use super::error::{At, ConvertError};
use super::text::{MAX_RECORD, Text};

/// Reads documents.
pub(super) struct Documents<'a> {
    bytes: Box<dyn BufRead + 'a>,
    name: String,
    /// Whether they are the elements of an array.
    array: bool,
    count: u64,
    document: Vec<u8>,
    /// The line on which what was read last begins, from 0, and how many were read.
    first: u64,
    lines: u64,
}

impl<'a> Documents<'a> {
    /// Reads the documents of `text`.
    pub(super) fn new(text: Text<'a>) -> Result<Self, ConvertError> {
        let Text { bytes, name } = text;
        let document = Vec::new();
        let mut documents =
            Self { bytes, name, array: false, count: 0, document, first: 0, lines: 0 };
        if documents.peek()? == Some(0xef) {
            documents.skip(3)?;
        }
        if documents.after_blank()? == Some(b'[') {
            documents.array = true;
            documents.skip(1)?;
        }
        Ok(documents)
    }

    /// What the input is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where the document is that was read last.
    pub(super) fn at(&self) -> At {
        At::Line(self.first + 1)
    }

    /// The next document; `None` at the end.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ConvertError> {
        let mut next = self.after_blank()?;
        if self.array {
            if next == Some(b',') && self.count > 0 {
                self.skip(1)?;
                next = self.after_blank()?;
            }
            if next == Some(b']') {
                return Ok(None);
            }
        }
        self.first = self.lines;
        match next {
            None if self.array => Err(self.bad("the array has no end")),
            None => Ok(None),
            Some(b'{') => {
                self.count += 1;
                self.object()?;
                let parsed = serde_json::from_slice(&self.document);
                parsed.map(Some).map_err(|e| ConvertError::json(&self.name, self.first, &e))
            }
            Some(_) => Err(self.bad("a JSON object was expected")),
        }
    }

    fn bad(&self, reason: &str) -> ConvertError {
        ConvertError::bad(&self.name, At::Line(self.lines + 1), reason)
    }

    /// The next byte, left where it is.
    fn peek(&mut self) -> Result<Option<u8>, ConvertError> {
        loop {
            match self.bytes.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ConvertError::read(&self.name, &error)),
            }
        }
    }

    /// Passes over `count` bytes.
    fn skip(&mut self, count: u64) -> Result<(), ConvertError> {
        let mut part = (&mut self.bytes).take(count);
        let copied = std::io::copy(&mut part, &mut std::io::sink());
        copied.map(drop).map_err(|error| ConvertError::read(&self.name, &error))
    }

    /// Passes over blanks; gives the byte after them.
    fn after_blank(&mut self) -> Result<Option<u8>, ConvertError> {
        while let Some(byte) = self.peek()?.filter(u8::is_ascii_whitespace) {
            self.lines += u64::from(byte == b'\n');
            self.bytes.consume(1);
        }
        self.peek()
    }

    /// Reads an object whole, to the brace that ends it; braces within texts do not count.
    fn object(&mut self) -> Result<(), ConvertError> {
        self.document.clear();
        let (mut depth, mut quoted, mut escaped) = (0_u64, false, false);
        while self.document.len() as u64 <= MAX_RECORD {
            if self.peek()?.is_none() {
                // The parser says what is missing.
                return Ok(());
            }
            let bytes = self.bytes.fill_buf().map_err(|e| ConvertError::read(&self.name, &e))?;
            let mut used = 0;
            for &byte in bytes {
                used += 1;
                self.lines += u64::from(byte == b'\n');
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b'{' if !quoted => depth += 1,
                    b'}' if !quoted => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            self.document.extend(bytes.iter().take(used));
            self.bytes.consume(used);
            if depth == 0 {
                return Ok(());
            }
        }
        Err(self.bad(&format!("an object longer than {} MiB", MAX_RECORD >> 20)))
    }
}
