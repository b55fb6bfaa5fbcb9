//! A segment: one batch as it lies in the spool, and the name of its file.
//!
//! The bytes are a line of JSON about it, the packed rows, and the SHA-256 of both. Where it lies
//! is for `disk`.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::sink::timeplus::stream::Stream;

/// Length of the checksum behind the rows, bytes.
const SUM: usize = 32;

/// The most bytes of the line in front of the rows.
const MAX_HEAD: usize = 64 * 1024;

/// The version of the bytes.
const VERSION: u32 = 1;

/// How often a batch can be divided: far more than its rows allow.
const MAX_DEPTH: usize = 64;

/// One batch: rows of one day for one stream, under one id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sink::timeplus) struct Segment {
    /// Where it goes.
    pub(in crate::sink::timeplus) stream: Stream,
    /// Stays the same for all attempts.
    pub(in crate::sink::timeplus) id: String,
    /// Rows in it.
    pub(in crate::sink::timeplus) rows: u64,
    /// Bytes of the rows before they were packed.
    pub(in crate::sink::timeplus) plain: u64,
    /// The packed rows, one JSON object a line.
    #[serde(skip)]
    pub(in crate::sink::timeplus) packed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Head<S> {
    v: u32,
    #[serde(flatten)]
    segment: S,
}

impl Segment {
    /// As bytes for a file.
    pub(super) fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(&Head { v: VERSION, segment: self })?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.packed);
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        Ok(bytes)
    }

    /// From bytes of a file; `None` when they are not what [`Segment::encode`] made.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM)?)?;
        if *Sha256::digest(content) != *sum {
            return None;
        }
        let mut segment = Self::head(content)?;
        let line = content.iter().position(|&byte| byte == b'\n')?;
        segment.packed = content.get(line + 1..)?.to_vec();
        Some(segment)
    }

    /// What stands in front of the rows, without them and unchecked.
    pub(super) fn head(bytes: &[u8]) -> Option<Self> {
        let start = bytes.get(..bytes.len().min(MAX_HEAD))?;
        let line = start.split(|&byte| byte == b'\n').next()?;
        let head: Head<Self> = serde_json::from_slice(line).ok()?;
        (head.v == VERSION).then_some(head.segment)
    }

    /// The most bytes that [`Segment::head`] looks at.
    pub(super) const fn longest_head() -> usize {
        MAX_HEAD
    }

    /// About what it takes in memory, bytes.
    pub(super) fn weight(&self) -> u64 {
        self.packed.len() as u64 + 512
    }
}

/// A segment's place in the order: its number, and where it is a part of a divided one, which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::sink::timeplus) struct Name {
    /// The number that the whole batch has.
    pub(super) number: u64,
    /// `0`, `1`, .. for the parts, `00`, `01`, .. for those of the first part.
    path: String,
}

impl Name {
    /// Of an undivided batch.
    pub(super) fn whole(number: u64) -> Self {
        Self { number, path: String::new() }
    }

    /// Of a part of this one, from 0 to 9; `None` where there are too many already.
    pub(super) fn part(&self, index: usize) -> Option<Self> {
        let fits = index < 10 && self.path.len() < MAX_DEPTH;
        fits.then(|| Self { number: self.number, path: format!("{}{index}", self.path) })
    }

    /// What this is a part of.
    pub(super) fn parent(&self) -> Option<Self> {
        let mut path = self.path.clone();
        path.pop()?;
        Some(Self { number: self.number, path })
    }

    /// From the name of a file without its ending.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, path) = text.split_once('-').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if number.len() != 12 || !digits(number) || !digits(path) || path.len() > MAX_DEPTH {
            return None;
        }
        let name = Self { number: number.parse().ok()?, path: path.into() };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:012}", self.number)?;
        if self.path.is_empty() { Ok(()) } else { write!(out, "-{}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_order_of_parts() {
        let seven = Name::whole(7);
        let first = seven.part(0).unwrap();
        let order = [
            seven.clone(),
            first.clone(),
            first.part(1).unwrap(),
            seven.part(1).unwrap(),
            Name::whole(8),
        ];
        assert!(order.is_sorted());
        for name in &order {
            assert_eq!(Name::parse(&name.to_string()).as_ref(), Some(name));
        }
        assert_eq!(first.parent(), Some(seven.clone()));
        assert_eq!(seven.parent(), None);
        for bad in ["", "7", "000000000007-", "000000000007-x", "00000000007", "0000000000070"] {
            assert_eq!(Name::parse(bad), None, "{bad}");
        }
    }
}
