//! Bytes of a table given out a line at a time, so that the line on which a record begins is known:
//! the parser of CSV sees one end of a line in `\r\n` and leaves the other for later, and passes
//! over blank lines without a word.

use std::cell::Cell;
use std::io::{BufRead, Read};
use std::rc::Rc;

/// Gives out the bytes of `inner`, never of two lines at once, and at most so many in a record.
pub(super) struct LineBytes<R> {
    inner: R,
    state: Rc<State>,
    /// Whether the line that is given out ended with `\r`, so that `\n` belongs to it.
    after_return: bool,
    /// Whether the next byte begins a line.
    fresh: bool,
}

/// What is shared with who reads records.
#[derive(Debug, Default)]
struct State {
    /// Lines that began, from 1.
    line: Cell<u64>,
    /// The line of the record's first byte that is no end of a line.
    first: Cell<Option<u64>>,
    /// Bytes that may still be given out for this record, and for any.
    left: Cell<u64>,
    full: u64,
}

/// Where records begin.
#[derive(Clone, Debug)]
pub(super) struct Place(Rc<State>);

impl Place {
    /// A record begins: what is read from now on belongs to it.
    pub(super) fn begin(&self) {
        self.0.first.set(None);
        self.0.left.set(self.0.full);
    }

    /// The line on which the record begins, from 1.
    pub(super) fn line(&self) -> u64 {
        self.0.first.get().unwrap_or_else(|| self.0.line.get().max(1))
    }
}

impl<R: BufRead> LineBytes<R> {
    /// Gives out lines of `inner`, `full` bytes a record at most.
    pub(super) fn new(inner: R, full: u64) -> (Self, Place) {
        let state = Rc::new(State { full, left: Cell::new(full), ..State::default() });
        let place = Place(state.clone());
        (Self { inner, state, after_return: false, fresh: true }, place)
    }
}

impl<R: BufRead> Read for LineBytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let state = &self.state;
        let bytes = self.inner.fill_buf()?;
        if bytes.is_empty() {
            return Ok(0);
        }
        if state.left.get() == 0 {
            let text = format!("a record is longer than {} MiB", state.full >> 20);
            return Err(std::io::Error::other(text));
        }
        let most = buffer.len().min(usize::try_from(state.left.get()).unwrap_or(usize::MAX));
        let mut used = 0;
        for (byte, to) in bytes.iter().zip(buffer.iter_mut()).take(most) {
            if self.after_return && *byte != b'\n' {
                self.fresh = true;
            }
            if self.fresh {
                if used > 0 {
                    break;
                }
                state.line.set(state.line.get() + 1);
                self.fresh = false;
            }
            if state.first.get().is_none() && !matches!(byte, b'\r' | b'\n') {
                state.first.set(Some(state.line.get()));
            }
            *to = *byte;
            used += 1;
            self.after_return = *byte == b'\r';
            self.fresh = *byte == b'\n';
        }
        self.inner.consume(used);
        state.left.set(state.left.get() - used as u64);
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of each record.
    fn lines(text: &str) -> Vec<u64> {
        let (bytes, place) = LineBytes::new(text.as_bytes(), 1 << 20);
        let mut rows =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        let mut record = csv::StringRecord::new();
        let mut lines = Vec::new();
        loop {
            place.begin();
            if !rows.read_record(&mut record).unwrap() {
                return lines;
            }
            lines.push(place.line());
        }
    }

    #[test]
    fn records_know_their_lines_whatever_ends_them() {
        assert_eq!(lines("a\nb\nc"), [1, 2, 3]);
        assert_eq!(lines("a\r\nb\r\nc\r\n"), [1, 2, 3]);
        assert_eq!(lines("a\rb\rc"), [1, 2, 3]);
        assert_eq!(lines("a\r\n\r\n\r\nb\r\n\nc"), [1, 4, 6]);
        assert_eq!(lines("\n\na\n\"b\r\nb\",1\r\nc"), [3, 4, 6]);
    }
}
