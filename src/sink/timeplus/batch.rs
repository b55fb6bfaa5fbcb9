//! From rows to batches: one day of one stream under one id, bounded in rows, bytes and time.
//!
//! An insert is all or nothing only within one partition, which is a day, and only as one block of
//! the server; and Proton 1.6 takes a second block under the same id for a repetition. So the
//! bounds are well below a block (65,409 rows) and below the largest record of its log (10 MiB).
//! Where batches wait is for `spool`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::gzip;
use super::rows::Row;
use super::spool::Segment;
use super::stream::Stream;

/// The most rows of one batch, which a frame with very many cannot exceed either.
const MOST_ROWS: u64 = 50_000;

/// The most bytes of one batch of more than one row.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// When batches are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows that are together at least; 1 to 50,000.
    pub rows: u64,
    /// Bytes that are together at least; at most 8 MiB.
    pub bytes: usize,
    /// How long the first row waits for others at most.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 4 * 1024 * 1024, time: Duration::from_secs(1) }
    }
}

/// Rows that are not a batch yet.
pub(super) struct Builder {
    streams: Arc<[Stream]>,
    limits: Limits,
    open: Vec<Open>,
    rows: u64,
    bytes: usize,
    since: Option<Instant>,
}

/// A batch that grows.
struct Open {
    stream: usize,
    day: i64,
    id: String,
    rows: u64,
    plain: Vec<u8>,
}

impl Builder {
    pub(super) fn new(streams: Arc<[Stream]>, limits: Limits) -> Self {
        let limits = Limits {
            rows: limits.rows.clamp(1, MOST_ROWS),
            bytes: limits.bytes.clamp(1, MOST_BYTES),
            ..limits
        };
        Self { streams, limits, open: Vec::new(), rows: 0, bytes: 0, since: None }
    }

    /// Takes the rows of a frame. A row of a stream that there is not is left out.
    pub(super) fn push(&mut self, rows: &[Row], now: Instant) {
        for row in rows {
            if let Some(stream) = self.streams.get(row.stream) {
                let with_id = stream.batch_id;
                let open = self.open_for(row.stream, row.day, row.json.len());
                push_line(&mut open.plain, with_id.then_some(&open.id), &row.json);
                open.rows += 1;
                self.bytes += row.json.len() + 1;
                self.rows += 1;
                self.since.get_or_insert(now);
            }
        }
    }

    fn open_for(&mut self, stream: usize, day: i64, more: usize) -> &mut Open {
        let fits = |open: &Open| {
            open.stream == stream
                && open.day == day
                && open.rows < MOST_ROWS
                && open.plain.len().saturating_add(more) < MOST_BYTES
        };
        let index = self.open.iter().position(fits).unwrap_or(self.open.len());
        if index == self.open.len() {
            let (id, plain) = (new_id(), Vec::new());
            self.open.push(Open { stream, day, id, rows: 0, plain });
        }
        &mut self.open[index]
    }

    /// When the batches are complete; `None` where there are no rows.
    pub(super) fn due(&self) -> Option<Instant> {
        let full = self.rows >= self.limits.rows || self.bytes >= self.limits.bytes;
        let wait = if full { Duration::ZERO } else { self.limits.time };
        self.since.map(|since| since + wait)
    }

    /// Rows that are not in a batch yet.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The batches, each as it will be sent.
    pub(super) fn seal(&mut self) -> io::Result<Vec<Arc<Segment>>> {
        (self.rows, self.bytes, self.since) = (0, 0, None);
        let open = std::mem::take(&mut self.open);
        let sealed = open.into_iter().filter_map(|open| {
            let stream = self.streams.get(open.stream)?.clone();
            Some(segment(stream, open.id, open.rows, &open.plain))
        });
        sealed.collect()
    }
}

fn segment(stream: Stream, id: String, rows: u64, plain: &[u8]) -> io::Result<Arc<Segment>> {
    let packed = gzip::pack(plain)?;
    Ok(Arc::new(Segment { stream, id, rows, plain: plain.len() as u64, packed }))
}

/// Ids are in the order of time, which lets a server keep few of them.
fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// Puts a row as a line behind `plain`, with the id of its batch in front where it has one.
fn push_line(plain: &mut Vec<u8>, id: Option<&String>, json: &str) {
    match (id, json.strip_prefix('{')) {
        (Some(id), Some(rest)) => {
            plain.extend_from_slice(b"{\"batch_id\":\"");
            plain.extend_from_slice(id.as_bytes());
            plain.extend_from_slice(if rest == "}" { b"\"" } else { b"\"," });
            plain.extend_from_slice(rest.as_bytes());
        }
        _ => plain.extend_from_slice(json.as_bytes()),
    }
    plain.push(b'\n');
}

impl Segment {
    /// Its rows as they are sent, one a line.
    pub(super) fn unpacked(&self) -> io::Result<Vec<u8>> {
        gzip::unpack(&self.packed, usize::try_from(self.plain).unwrap_or(usize::MAX))
    }

    /// Its rows without the id of the batch.
    pub(super) fn lines(&self) -> io::Result<Vec<String>> {
        let text = String::from_utf8(self.unpacked()?).map_err(io::Error::other)?;
        let head = format!("{{\"batch_id\":\"{}\"", self.id);
        let bare = |line: &str| match line.strip_prefix(&head) {
            Some(rest) if self.stream.batch_id => {
                format!("{{{}", rest.strip_prefix(',').unwrap_or(rest))
            }
            _ => line.to_owned(),
        };
        Ok(text.lines().map(bare).collect())
    }

    /// A batch of some of its rows, under an id of its own.
    pub(super) fn of_lines(stream: &Stream, lines: &[String]) -> io::Result<Arc<Self>> {
        let (id, mut plain) = (new_id(), Vec::new());
        for line in lines {
            push_line(&mut plain, stream.batch_id.then_some(&id), line);
        }
        segment(stream.clone(), id, lines.len() as u64, &plain)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(batch_id: bool) -> Stream {
        let (sql_name, columns) = (format!("`default`.`{batch_id}`"), Vec::new());
        Stream { sql_name, rest_name: None, columns, batch_id, key: None }
    }

    fn builder(limits: Limits) -> Builder {
        Builder::new(Arc::new([stream(true), stream(false)]), limits)
    }

    fn row(stream: usize, day: i64, n: u64) -> Row {
        Row { stream, day, frame_id: n, json: format!("{{\"n\":{n},\"day\":{day}}}") }
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_batch_of_its_stream_and_day(
            rows in prop::collection::vec((0..3_usize, -1..3_i64), 0..200)
        ) {
            let mut builder = builder(Limits::default());
            let rows: Vec<_> = rows.iter().zip(0..).map(|(&(s, d), n)| row(s, d, n)).collect();
            builder.push(&rows, Instant::now());
            let mut expected: Vec<_> =
                rows.iter().filter(|row| row.stream < 2).map(|row| row.json.clone()).collect();
            let mut seen = Vec::new();
            for segment in builder.seal().unwrap() {
                let lines = segment.lines().unwrap();
                prop_assert_eq!(lines.len() as u64, segment.rows);
                let days: std::collections::HashSet<_> =
                    lines.iter().map(|line| line.split("\"day\":").nth(1).unwrap()).collect();
                prop_assert_eq!(days.len(), 1);
                let text = String::from_utf8(segment.unpacked().unwrap()).unwrap();
                let id = format!("{{\"batch_id\":\"{}\",", segment.id);
                let with_id = text.lines().filter(|line| line.starts_with(&id)).count();
                prop_assert_eq!(with_id, if segment.stream.batch_id { lines.len() } else { 0 });
                for line in text.lines() {
                    serde_json::from_str::<serde_json::Value>(line).unwrap();
                }
                seen.extend(lines);
            }
            expected.sort();
            seen.sort();
            prop_assert_eq!(seen, expected);
            prop_assert_eq!(builder.rows(), 0);
        }
    }

    #[test]
    fn batches_are_complete_by_rows_bytes_and_time() {
        let now = Instant::now();
        let time = Duration::from_secs(1);
        let mut by_rows = builder(Limits { rows: 2, bytes: 1000, time });
        assert_eq!(by_rows.due(), None);
        by_rows.push(&[row(0, 0, 0)], now);
        assert_eq!(by_rows.due(), Some(now + time));
        by_rows.push(&[row(1, 0, 0)], now + time / 2);
        assert_eq!(by_rows.due(), Some(now));
        let mut by_bytes = builder(Limits { rows: 100, bytes: 20, time });
        by_bytes.push(&[row(0, 0, 0), row(0, 0, 1)], now);
        assert_eq!(by_bytes.due(), Some(now));
        by_bytes.seal().unwrap();
        assert_eq!(by_bytes.due(), None);
    }

    #[test]
    fn a_frame_of_very_many_rows_does_not_pass_the_bounds() {
        let mut builder = builder(Limits::default());
        let rows: Vec<_> = (0..MOST_ROWS + 1).map(|n| row(0, 0, n)).collect();
        builder.push(&rows, Instant::now());
        let rows: Vec<_> = builder.seal().unwrap().iter().map(|segment| segment.rows).collect();
        assert_eq!(rows, [MOST_ROWS, 1]);
        let long = "x".repeat(MOST_BYTES / 2);
        let rows = [0, 1, 2].map(|n| Row { json: format!("{{\"{long}\":{n}}}"), ..row(0, 0, n) });
        builder.push(&rows, Instant::now());
        assert_eq!(builder.seal().unwrap().len(), 3);
    }

    #[test]
    fn some_rows_of_a_batch_are_a_batch_of_their_own() {
        let mut builder = builder(Limits::default());
        builder.push(&[row(0, 0, 0), row(0, 0, 1)], Instant::now());
        let whole = builder.seal().unwrap().remove(0);
        let lines = whole.lines().unwrap();
        let part = Segment::of_lines(&whole.stream, &lines[1..]).unwrap();
        assert_ne!(part.id, whole.id);
        assert_eq!((part.rows, part.lines().unwrap()), (1, vec![row(0, 0, 1).json]));
    }
}
