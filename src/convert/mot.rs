//! Tracks as the MOT challenge has them, a line each:
//! `frame,id,left,top,width,height,confidence,-1,-1,-1`, frames from 1, positions in pixels of the
//! frame, from 0 here (<https://motchallenge.net/instructions/>, also
//! <https://arxiv.org/abs/2003.09003>, table 6).
//!
//! Read are also lists of detections (id -1) and ground truth, which has nine columns: the seventh
//! says whether a box counts and the eighth is a class. A file may be sorted by track, so it is
//! read as a whole.

use std::io::Write;

use super::error::ConvertError;
use super::found::{Corners, Found, FrameFound};
use super::notes::Notes;
use super::stream::{Item, Reader, Sorted, Writer};
use super::text::{Lines, MAX_WHOLE, Text, class_id, number, whole};

/// What says nothing in every column.
const NOTHING: &str = "-1";

/// Reads MOT.
pub(super) struct MotReader {
    rows: Sorted<Row>,
    source: String,
}

/// A row in few bytes, since all are held.
struct Row {
    corners: Corners,
    tracker_id: Option<u64>,
    confidence: Option<f64>,
    class_id: Option<u32>,
}

impl MotReader {
    /// Reads all of `text`, tracks of `source`.
    pub(super) fn new(text: Text<'_>, source: &str) -> Result<Self, ConvertError> {
        let mut lines = Lines::new(text, MAX_WHOLE);
        let mut rows = Vec::new();
        while let Some((_, line)) = lines.next()? {
            let row = row(line);
            rows.push(row.map_err(|reason| lines.bad(reason))?);
        }
        Ok(Self { rows: Sorted::new(rows), source: source.into() })
    }
}

/// The frame of a line, from 0, and the rest of it.
fn row(line: &str) -> Result<(u64, Row), String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [frame, id, left, top, width, height, rest @ ..] = cells.as_slice() else {
        return Err(format!("{} columns where MOT has at least 6", cells.len()));
    };
    let frame = whole(frame, "frame")?;
    let frame = frame.checked_sub(1).ok_or("frame 0: MOT counts frames from 1")?;
    let is = |cell: &str| number(cell, "column").is_ok_and(|value| value == -1.0);
    let corners = Corners::of_corner([
        number(left, "left")?,
        number(top, "top")?,
        number(width, "width")?,
        number(height, "height")?,
    ]);
    let sure = rest.first().copied().filter(|cell| !is(cell));
    let class = match rest {
        [_, class, _visibility] if !is(class) => Some(class_id(class)?),
        _ => None,
    };
    let row = Row {
        corners,
        tracker_id: if is(id) { None } else { Some(whole(id, "id")?) },
        confidence: sure.map(|cell| number(cell, "confidence")).transpose()?,
        class_id: class,
    };
    row.found().check()?;
    Ok((frame, row))
}

impl Row {
    fn found(&self) -> Found {
        Found {
            corners: Some(self.corners),
            confidence: self.confidence,
            class_id: self.class_id.unwrap_or_default(),
            tracker_id: self.tracker_id,
            ..Found::default()
        }
    }
}

impl Reader for MotReader {
    fn next(&mut self, _notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        let Some((frame_id, rows)) = self.rows.next() else { return Ok(None) };
        let boxes = rows.iter().map(Row::found).collect();
        let source = self.source.clone();
        Ok(Some(Item::Frame(FrameFound { source, frame_id, boxes, ..FrameFound::default() })))
    }
}

/// Writes MOT.
pub(super) struct MotWriter<'a> {
    out: &'a mut dyn Write,
    name: String,
}

impl<'a> MotWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str) -> Self {
        Self { out, name: name.into() }
    }

    fn line(&mut self, frame: u64, found: &Found) -> std::io::Result<()> {
        let Some(at) = found.corners else { return Ok(()) };
        let id = found.tracker_id.map_or_else(|| NOTHING.into(), |id| id.to_string());
        writeln!(
            self.out,
            "{frame},{id},{:.2},{:.2},{:.2},{:.2},{:.4},-1,-1,-1",
            at.x1,
            at.y1,
            at.width(),
            at.height(),
            found.sureness(),
        )
    }
}

impl Writer for MotWriter<'_> {
    fn frame(&mut self, frame: FrameFound, _notes: &mut Notes) -> Result<(), ConvertError> {
        let number = frame.frame_id.saturating_add(1);
        for found in &frame.boxes {
            let written = self.line(number, found);
            written.map_err(|error| ConvertError::write(&self.name, &error))?;
        }
        Ok(())
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        self.out.flush().map_err(|error| ConvertError::write(&self.name, &error))
    }
}
