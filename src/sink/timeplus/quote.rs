//! Names and strings in SQL, and which names a stream may have.

use super::tables::TableError;

/// Longest name of a stream or database, bytes: it names files on the server's disk.
const MAX_NAME: usize = 120;

/// An identifier in backticks. Both servers read a doubled backtick as one, and a backslash as the
/// start of an escape (`readBackQuotedStringWithSQLStyle`, ClickHouse `src/IO/ReadHelpers.cpp`).
pub fn identifier(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('`');
    for c in name.chars() {
        match c {
            '`' => quoted.push_str("``"),
            '\\' => quoted.push_str("\\\\"),
            c => quoted.push(c),
        }
    }
    quoted.push('`');
    quoted
}

/// A string literal.
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            // The text goes over HTTP, where a lone zero byte ends strings in some tools.
            '\0' => quoted.push_str("\\0"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Several string literals in brackets, for `IN`.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<_> = texts.into_iter().map(string).collect();
    format!("({})", texts.join(", "))
}

/// A stream with its database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamName {
    database: String,
    stream: String,
}

impl StreamName {
    /// Reads `STREAM` or `DATABASE.STREAM`; the database is else `default`.
    ///
    /// Names are ASCII letters, digits, `_` and `-`, and begin with a letter or `_`: all that the
    /// servers, their REST paths and their file names agree on.
    ///
    /// # Errors
    /// When it is no such name.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let bad =
            |reason| Err(TableError::BadName { name: text.escape_debug().to_string(), reason });
        let (database, stream) = text.split_once('.').unwrap_or(("default", text));
        for name in [database, stream] {
            if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                return bad("it must begin with a letter");
            }
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                return bad(
                    "it may have letters, digits, '_' and '-', and one '.' behind a database",
                );
            }
            if name.len() > MAX_NAME {
                return bad("it is too long");
            }
        }
        // What begins so is the server's own.
        if stream.starts_with("_tp_") || database == "system" {
            return bad("it is reserved");
        }
        Ok(Self { database: database.into(), stream: stream.into() })
    }

    /// Another stream of the same database, with a name that is made of this one.
    pub(super) fn sibling(&self, stream: String) -> Self {
        Self { database: self.database.clone(), stream }
    }

    /// Its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Its name within the database.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Both in backticks, for SQL.
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.database), identifier(&self.stream))
    }
}

/// As it is typed: without the database where that is `default`.
impl std::fmt::Display for StreamName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.database != "default" {
            write!(f, "{}.", self.database)?;
        }
        f.write_str(&self.stream)
    }
}
