//! Why a conversion cannot go on.

use super::Format;
use crate::reason::io_reason;

/// Why a conversion cannot go on. Losses of what a format cannot hold are no errors: they are
/// notes in [`Counts`](super::Counts).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The input cannot be opened or read.
    #[error("cannot read '{name}': {reason}")]
    Read {
        /// The input.
        name: String,
        /// What the system says.
        reason: String,
        /// Whether it is not there.
        missing: bool,
    },
    /// The output cannot be made or written.
    #[error("cannot write '{name}': {reason}")]
    Write {
        /// The output.
        name: String,
        /// What the system says.
        reason: String,
        /// Whether nobody reads it any more, as behind `| head`.
        closed: bool,
    },
    /// The input is not what its format says.
    #[error("'{name}', {at}: {reason}")]
    Bad {
        /// The input.
        name: String,
        /// Where in it.
        at: At,
        /// What is wrong.
        reason: String,
    },
    /// A format needs the size of the pictures and nothing says it.
    #[error("the size of the pictures of '{source_name}' is not known, and {format} needs it")]
    NoSize {
        /// The source.
        source_name: String,
        /// The format that is read or written.
        format: Format,
    },
    /// A file of this format tells nothing of where a frame comes from.
    #[error("{format} holds one source, here are '{first}' and '{second}'")]
    ManySources {
        /// The format that is written.
        format: Format,
        /// The first source.
        first: String,
        /// The next one.
        second: String,
    },
    /// The input has several meanings and nothing in it excludes all but one.
    #[error("'{name}': {reason}")]
    Unclear {
        /// The input.
        name: String,
        /// Its meanings.
        reason: String,
        /// The options that settle it.
        hint: &'static str,
    },
    /// The combination asks for what is not there.
    #[error("{0}")]
    Usage(String),
}

/// Where in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A line, from 1.
    Line(u64),
    /// An element of a list or a row of a table, from 1.
    Entry(u64),
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Entry(entry) => write!(f, "entry {entry}"),
        }
    }
}

impl ConvertError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSize { .. } => Some("give it with --size WIDTHxHEIGHT"),
            Self::ManySources { .. } => Some("convert the records of one source at a time"),
            Self::Unclear { hint, .. } => Some(hint),
            _ => None,
        }
    }

    /// The exit code that this error means, by the table of the manual page.
    pub fn code(&self) -> u8 {
        match self {
            Self::Read { missing: true, .. } => 66,
            Self::Read { .. } | Self::Write { .. } => 74,
            Self::Bad { .. } => 65,
            Self::NoSize { .. }
            | Self::ManySources { .. }
            | Self::Unclear { .. }
            | Self::Usage(_) => 2,
        }
    }

    pub(super) fn read(name: &str, error: &std::io::Error) -> Self {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        Self::Read { name: name.into(), reason: io_reason(error), missing }
    }

    pub(super) fn write(name: &str, error: &std::io::Error) -> Self {
        let closed = error.kind() == std::io::ErrorKind::BrokenPipe;
        Self::Write { name: name.into(), reason: io_reason(error), closed }
    }

    pub(super) fn unclear(name: &str, reason: impl Into<String>, hint: &'static str) -> Self {
        Self::Unclear { name: name.into(), reason: reason.into(), hint }
    }

    pub(super) fn bad(name: &str, at: At, reason: impl Into<String>) -> Self {
        Self::Bad { name: name.into(), at, reason: reason.into() }
    }

    /// An error of `serde_json` in a document that starts before line `first` of the input: the
    /// line is counted, not left as a part of the text.
    pub(super) fn json(name: &str, first: u64, error: &serde_json::Error) -> Self {
        if error.io_error_kind().is_some() {
            let reason = error.to_string();
            return Self::Read { name: name.into(), reason, missing: false };
        }
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default();
        Self::bad(name, At::Line(first + error.line().max(1) as u64), reason)
    }
}
