//! Detections as CSV (RFC 4180 with LF line ends), one row a box. Columns are only ever appended.

use std::io::{ErrorKind, Write};

use super::file::TextFile;
use super::{Ending, Flow, Item, Sink, SinkError};
use crate::record::DetectionRecord;

/// The header line.
const COLUMNS: [&str; 13] = [
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

/// A CSV output.
pub struct Csv {
    file: TextFile,
}

impl Csv {
    /// Writes rows to `file`.
    pub fn new(file: TextFile) -> Self {
        Self { file }
    }

    /// Writes whole rows at once: a reader of a live file never sees half a row's buffer.
    fn rows(&mut self, item: &Item) -> std::io::Result<()> {
        let mut rows = csv::Writer::from_writer(Vec::new());
        // Also where a file was taken away and begun anew.
        if matches!(item, Item::Run(_) | Item::Frame { .. }) && self.file.take_fresh() {
            rows.write_record(COLUMNS)?;
        }
        match item {
            Item::Frame { record, .. } => {
                for detection in record.detections() {
                    rows.write_record(row(&detection))?;
                }
            }
            Item::Run(_) | Item::Event(_) | Item::Gap(_) | Item::Summary(_) | Item::Total(_) => {}
        }
        let bytes = rows.into_inner().map_err(|e| std::io::Error::other(e.to_string()))?;
        self.file.writer().write_all(&bytes)?;
        self.file.flush()
    }
}

/// The cells in the order of [`COLUMNS`]; absent values are empty.
fn row(found: &DetectionRecord<'_>) -> [String; COLUMNS.len()] {
    fn or_empty<T: ToString>(value: Option<T>) -> String {
        value.map(|v| v.to_string()).unwrap_or_default()
    }
    [
        found.source.into(),
        found.frame_id.to_string(),
        or_empty(found.pts_s),
        or_empty(found.ts),
        found.class_id.to_string(),
        found.class.into(),
        found.confidence.to_string(),
        or_empty(found.x_min),
        or_empty(found.y_min),
        or_empty(found.x_max),
        or_empty(found.y_max),
        or_empty(found.tracker_id),
        found.detection_id.into(),
    ]
}

impl Sink for Csv {
    fn kind(&self) -> &'static str {
        "csv"
    }

    fn target(&self) -> String {
        self.file.shown()
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        match self.rows(item) {
            Ok(()) => Ok(Flow::Continue),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Flow::Done),
            Err(error) => Err(self.file.failed(&error)),
        }
    }

    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        self.file.finish(ending)
    }
}
