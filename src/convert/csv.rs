//! Our own CSV, a row a detection, as `--csv` writes it. Rows of a frame follow each other, so one
//! frame is held at a time. Columns are found by name; `frame_id`, `class_id` and `confidence`
//! must be there.

use std::io::Write;

use super::error::ConvertError;
use super::found::{Corners, Found, FrameFound};
use super::notes::Notes;
use super::stream::{Gatherer, Item, Reader, Writer};
use super::table::{Table, or_empty};
use super::text::{Text, class_id};

/// The header line.
pub(super) const COLUMNS: [&str; 13] = [
    "source",
    "frame_id",
    "pts_s",
    "ts",
    "class_id",
    "class",
    "confidence",
    "x_min",
    "y_min",
    "x_max",
    "y_max",
    "tracker_id",
    "detection_id",
];

/// Reads our CSV.
pub(super) struct CsvReader<'a> {
    table: Table<'a>,
    gatherer: Gatherer,
    source: String,
}

impl<'a> CsvReader<'a> {
    /// Reads `text`; rows that name no source are of `source`.
    pub(super) fn new(text: Text<'a>, source: &str) -> Result<Self, ConvertError> {
        let table = Table::new(text, &["frame_id", "class_id", "confidence"])?;
        Ok(Self { table, gatherer: Gatherer::default(), source: source.into() })
    }

    /// The frame of this row without boxes, and its detection.
    fn row(&self) -> Result<(FrameFound, Found), String> {
        let table = &self.table;
        let found = Found {
            corners: corners(table)?,
            confidence: table.number("confidence")?,
            class: table.text("class"),
            class_id: class_id(table.cell("class_id").ok_or("there is no class_id")?)?,
            tracker_id: table.whole("tracker_id")?,
            detection_id: table.text("detection_id"),
            ..Found::default()
        };
        found.check()?;
        let frame = FrameFound {
            source: table.text("source").unwrap_or_else(|| self.source.clone()),
            frame_id: table.whole("frame_id")?.ok_or("there is no frame_id")?,
            pts_s: table.number("pts_s")?,
            ts: table.text("ts"),
            ..FrameFound::default()
        };
        Ok((frame, found))
    }
}

/// The corners in the columns that supervision's tables have too.
pub(super) fn corners(table: &Table<'_>) -> Result<Option<Corners>, String> {
    let [x1, y1, x2, y2] = ["x_min", "y_min", "x_max", "y_max"].map(|column| table.number(column));
    Ok(match (x1?, y1?, x2?, y2?) {
        (Some(x1), Some(y1), Some(x2), Some(y2)) => Some(Corners { x1, y1, x2, y2 }),
        (None, None, None, None) => None,
        _ => return Err("the box lacks a corner".into()),
    })
}

impl Reader for CsvReader<'_> {
    fn next(&mut self, _notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        while self.table.next()? {
            let row = self.row().and_then(|(frame, found)| self.gatherer.add(frame, found));
            if let Some(frame) = row.map_err(|reason| self.table.bad(reason))? {
                return Ok(Some(Item::Frame(frame)));
            }
        }
        Ok(self.gatherer.end().map(Item::Frame))
    }
}

/// Writes our CSV.
pub(super) struct CsvWriter<'a> {
    rows: csv::Writer<&'a mut dyn Write>,
    name: String,
}

/// An error of writing a table.
pub(super) fn failed(name: &str, error: csv::Error) -> ConvertError {
    ConvertError::write(name, &std::io::Error::from(error))
}

impl<'a> CsvWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut dyn Write, name: &str) -> Result<Self, ConvertError> {
        let mut rows = csv::Writer::from_writer(out);
        rows.write_record(COLUMNS).map_err(|error| failed(name, error))?;
        Ok(Self { rows, name: name.into() })
    }
}

/// The cells in the order of [`COLUMNS`].
fn cells(frame: &FrameFound, found: &Found) -> [String; COLUMNS.len()] {
    let at = found.corners.as_ref();
    [
        frame.source.clone(),
        frame.frame_id.to_string(),
        or_empty(frame.pts_s),
        or_empty(frame.ts.as_ref()),
        found.class_id.to_string(),
        found.class(),
        found.sureness().to_string(),
        or_empty(at.map(|at| at.x1)),
        or_empty(at.map(|at| at.y1)),
        or_empty(at.map(|at| at.x2)),
        or_empty(at.map(|at| at.y2)),
        or_empty(found.tracker_id),
        or_empty(found.detection_id.as_ref()),
    ]
}

impl Writer for CsvWriter<'_> {
    fn frame(&mut self, frame: FrameFound, _notes: &mut Notes) -> Result<(), ConvertError> {
        for found in &frame.boxes {
            let written = self.rows.write_record(cells(&frame, found));
            written.map_err(|error| failed(&self.name, error))?;
        }
        Ok(())
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        self.rows.flush().map_err(|error| ConvertError::write(&self.name, &error))
    }
}
