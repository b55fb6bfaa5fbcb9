//! The CSV of supervision's `CSVSink`, a row a detection: `x_min, y_min, x_max, y_max, class_id,
//! confidence, tracker_id`, then what the program gave it in the order of the alphabet
//! (<https://supervision.roboflow.com/latest/detection/tools/save_detections/>). Written are
//! `class_name`, its key for names of classes, and `frame_index`, the name that its documentation
//! uses for the number of a frame. Positions are pixels from 0; absent values are empty, and a track
//! of -1 is none, as `sv.ByteTrack` says it. Classes without an id are numbered.
//!
//! Rows of a frame follow each other, so one frame is held at a time.

use std::io::Write;

use super::classes::Numbering;
use super::csv::{corners, failed};
use super::error::{At, ConvertError};
use super::found::{Found, FrameFound};
use super::notes::Notes;
use super::stream::{Gatherer, Item, Reader, Writer};
use super::table::{Table, or_empty};
use super::text::{Text, class_id};

/// The header line.
const COLUMNS: [&str; 9] = [
    "x_min",
    "y_min",
    "x_max",
    "y_max",
    "class_id",
    "confidence",
    "tracker_id",
    "class_name",
    "frame_index",
];

/// What programs call the number of a frame, which is theirs to choose.
const FRAME: [&str; 4] = ["frame_index", "frame_id", "frame_number", "frame"];

/// Reads supervision's CSV.
pub(super) struct SupervisionReader<'a> {
    table: Table<'a>,
    gatherer: Gatherer,
    frame: &'static str,
    source: String,
    numbering: Numbering,
}

impl<'a> SupervisionReader<'a> {
    /// Reads `text`, detections of `source`; `names` of classes say the ids that rows lack.
    pub(super) fn new(
        text: Text<'a>,
        source: &str,
        names: &[String],
    ) -> Result<Self, ConvertError> {
        let name = text.name.clone();
        let table = Table::new(text, &["x_min", "y_min", "x_max", "y_max"])?;
        let frame = FRAME.into_iter().find(|column| table.has(column)).ok_or_else(|| {
            let reason = "no column says the frame: append with custom_data={'frame_index': n}";
            ConvertError::bad(&name, At::Line(1), reason)
        })?;
        let numbering = Numbering::new(names);
        Ok(Self { table, gatherer: Gatherer::default(), frame, source: source.into(), numbering })
    }

    /// The frame of this row without boxes, and its detection; `None` where it is left out.
    fn row(&mut self, notes: &mut Notes) -> Result<Option<(FrameFound, Found)>, String> {
        let table = &self.table;
        let class = table.text("class_name").or_else(|| table.text("class"));
        let id = table.cell("class_id").map(class_id).transpose()?;
        let Some(class_id) = self.numbering.id(id, class.as_deref(), notes)? else {
            return Ok(None);
        };
        let found = Found {
            corners: corners(table)?,
            confidence: table.number("confidence")?,
            class_id,
            tracker_id: table.track()?,
            class,
            ..Found::default()
        };
        found.check()?;
        let frame_id = table.whole(self.frame)?.ok_or("the row names no frame")?;
        let source = self.source.clone();
        Ok(Some((FrameFound { source, frame_id, ..FrameFound::default() }, found)))
    }
}

impl Reader for SupervisionReader<'_> {
    fn next(&mut self, notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        while self.table.next()? {
            let row = self.row(notes).and_then(|row| match row {
                Some((frame, found)) => self.gatherer.add(frame, found),
                None => Ok(None),
            });
            if let Some(frame) = row.map_err(|reason| self.table.bad(reason))? {
                return Ok(Some(Item::Frame(frame)));
            }
        }
        Ok(self.gatherer.end().map(Item::Frame))
    }
}

/// Writes supervision's CSV.
pub(super) struct SupervisionWriter<'a> {
    rows: csv::Writer<&'a mut dyn Write>,
    name: String,
}

impl<'a> SupervisionWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str) -> Result<Self, ConvertError> {
        // Python's writer of CSV ends lines so.
        let end = csv::Terminator::CRLF;
        let mut rows = csv::WriterBuilder::new().terminator(end).from_writer(out);
        rows.write_record(COLUMNS).map_err(|error| failed(name, error))?;
        Ok(Self { rows, name: name.into() })
    }
}

impl Writer for SupervisionWriter<'_> {
    fn frame(&mut self, frame: FrameFound, _notes: &mut Notes) -> Result<(), ConvertError> {
        for found in &frame.boxes {
            let Some(at) = found.corners else { continue };
            let cells: [String; COLUMNS.len()] = [
                at.x1.to_string(),
                at.y1.to_string(),
                at.x2.to_string(),
                at.y2.to_string(),
                found.class_id.to_string(),
                or_empty(found.confidence),
                or_empty(found.tracker_id),
                found.class(),
                frame.frame_id.to_string(),
            ];
            self.rows.write_record(cells).map_err(|error| failed(&self.name, error))?;
        }
        Ok(())
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        self.rows.flush().map_err(|error| ConvertError::write(&self.name, &error))
    }
}
