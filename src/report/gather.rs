//! Streams records into one [`Part`] a run of a source. What it keeps is bounded: bins and grids
//! instead of detections, the longest tracks, the last events, and only so many names and sources.

use std::collections::BTreeSet;
use std::io::BufRead;

use super::ReportError;
use super::lines::{KNOWN, Line, Lines};
use super::part::Part;

/// The most runs that have a place in the page.
const MAX_PARTS: usize = 24;

/// What a report was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Lines that were read.
    pub lines: u64,
    /// Runs of sources that the page is about, 24 at most.
    pub runs: usize,
    /// Runs without a `summary`: they died, or are not at their end.
    pub unfinished: usize,
    /// Frame records, of `--emit detections` the frames that had any.
    pub frames: u64,
    /// Detections.
    pub detections: u64,
    /// Tracks.
    pub tracks: u64,
    /// Event records.
    pub events: u64,
    /// Whether the last line was cut, as a killed run leaves it.
    pub cut: bool,
    /// Records left out: of types that this version doesn't know, and of sources beyond the most.
    pub left_out: u64,
}

/// All there is to show.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Runs of sources by their first record.
    pub(super) parts: Vec<Part>,
    /// Lines that were read.
    pub(super) lines: u64,
    /// Whether the last line was cut.
    pub(super) cut: bool,
    /// Records of unknown types.
    pub(super) unknown: u64,
    /// Records of sources for which there was no place.
    pub(super) crowded_out: u64,
    /// Parts of sources of which a later run has no place.
    closed: BTreeSet<usize>,
}

/// Reads all of `input`.
pub(super) fn gather(input: &mut dyn BufRead) -> Result<Gathered, ReportError> {
    let mut lines = Lines::new(input);
    let mut gathered = Gathered::default();
    while lines.advance()? {
        if lines.is_blank() {
            continue;
        }
        match lines.record() {
            Ok(record) => gathered.take(record, lines.number)?,
            // The first line alone tells whether these are records at all.
            Err(_) if !lines.is_whole() && gathered.lines > 0 => gathered.cut = true,
            Err(_) if lines.is_unknown() => gathered.unknown += 1,
            Err(error) => return Err(error),
        }
        gathered.lines += 1;
    }
    if gathered.lines == 0 {
        return Err(ReportError::Empty);
    }
    for part in &mut gathered.parts {
        part.finish();
    }
    Ok(gathered)
}

impl Gathered {
    /// What the page is about, in numbers.
    pub(super) fn facts(&self) -> Facts {
        let sum = |of: fn(&Part) -> u64| self.parts.iter().map(of).sum();
        Facts {
            lines: self.lines,
            runs: self.parts.len(),
            unfinished: self.parts.iter().filter(|part| part.summary.is_none()).count(),
            frames: sum(|part| part.frames),
            detections: sum(|part| part.detections),
            tracks: sum(|part| part.tracks.total),
            events: sum(|part| part.events.total),
            cut: self.cut,
            left_out: self.unknown + self.crowded_out,
        }
    }

    fn take(&mut self, record: Line<'_>, line: u64) -> Result<(), ReportError> {
        let kind = record.kind.as_ref();
        if !KNOWN.contains(&kind) {
            self.unknown += 1;
            return Ok(());
        }
        if kind == "run"
            && let Some(schema) =
                record.schema.as_deref().filter(|name| *name != crate::record::SCHEMA)
        {
            let schema = super::names::short(schema);
            return Err(ReportError::Schema { line, schema });
        }
        let Some(part) = self.part(&record) else {
            self.crowded_out += 1;
            return Ok(());
        };
        match kind {
            "run" => part.take_run(record),
            "frame" => part.take_frame(&record),
            "detection" => part.take_detection(&record),
            "event" => part.take_event(&record),
            "gap" => part.gaps.add(record.seconds),
            _ => part.take_summary(record),
        }
        Ok(())
    }

    /// The part that a record belongs to: the last of its source, or a new one where it is a `run`
    /// or there is none.
    fn part(&mut self, record: &Line<'_>) -> Option<&mut Part> {
        let last = self.parts.iter().rposition(|part| part.is_of(&record.source));
        let known = if record.kind == "run" { None } else { last };
        if known.is_none() {
            if self.parts.len() >= MAX_PARTS {
                // What follows is of the run that has no place, not of an earlier one.
                self.closed.extend(last);
                return None;
            }
            self.parts.push(Part::new(&record.source));
        }
        let index = known.unwrap_or(self.parts.len() - 1);
        if self.closed.contains(&index) {
            return None;
        }
        self.parts.get_mut(index)
    }
}
