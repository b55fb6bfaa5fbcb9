//! Parquet with the columns of our CSV, a row a detection, without compression
//! (<https://parquet.apache.org/docs/file-format/>). At most 50 000 rows are held at a time.
//!
//! It is read from a file, since its table of contents stands at its end. The crate that decodes
//! it is not written for hostile files: it may take more memory than the file is long.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::SerializedFileReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::parser::parse_message_type;

use super::error::{At, ConvertError};
use super::found::{Corners, Found, FrameFound};
use super::notes::Notes;
use super::stream::{Gatherer, Item, Reader, Writer};

/// The columns, with our CSV's names, in its order.
const SCHEMA: &str = "message detections {
    REQUIRED BYTE_ARRAY source (STRING);
    REQUIRED INT64 frame_id;
    OPTIONAL DOUBLE pts_s;
    OPTIONAL BYTE_ARRAY ts (STRING);
    REQUIRED INT64 class_id;
    REQUIRED BYTE_ARRAY class (STRING);
    REQUIRED DOUBLE confidence;
    OPTIONAL DOUBLE x_min;
    OPTIONAL DOUBLE y_min;
    OPTIONAL DOUBLE x_max;
    OPTIONAL DOUBLE y_max;
    OPTIONAL INT64 tracker_id;
    OPTIONAL BYTE_ARRAY detection_id (STRING);
}";

/// Rows that are held before they are written.
const GROUP: usize = 50_000;

/// Reads Parquet.
pub(super) struct ParquetReader {
    rows: RowIter<'static>,
    gatherer: Gatherer,
    row: u64,
    name: String,
}

impl ParquetReader {
    /// Reads the file at `path`.
    pub(super) fn new(path: &Path) -> Result<Self, ConvertError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| ConvertError::read(&name, &error))?;
        let file = SerializedFileReader::new(file)
            .map_err(|error| ConvertError::bad(&name, At::Entry(1), error.to_string()))?;
        Ok(Self { rows: file.into_iter(), gatherer: Gatherer::default(), row: 0, name })
    }
}

/// The frame of a row without boxes, and its detection.
fn row(row: &Row) -> Result<(FrameFound, Found), String> {
    let (mut frame, mut found) = (FrameFound::default(), Found::default());
    let (mut corners, mut edges, mut known) = (Corners::default(), 0, [false; 2]);
    for (column, field) in row.get_column_iter().filter(|(_, field)| **field != Field::Null) {
        match column.as_str() {
            "source" => frame.source = text(field)?,
            "frame_id" => (frame.frame_id, known[0]) = (whole(field)?, true),
            "pts_s" => frame.pts_s = Some(number(field)?),
            "ts" => frame.ts = Some(text(field)?),
            "class_id" => {
                found.class_id = u32::try_from(whole(field)?).map_err(|e| e.to_string())?;
                known[1] = true;
            }
            "class" => found.class = Some(text(field)?),
            "confidence" => found.confidence = Some(number(field)?),
            "x_min" => (corners.x1, edges) = (number(field)?, edges + 1),
            "y_min" => (corners.y1, edges) = (number(field)?, edges + 1),
            "x_max" => (corners.x2, edges) = (number(field)?, edges + 1),
            "y_max" => (corners.y2, edges) = (number(field)?, edges + 1),
            "tracker_id" => found.tracker_id = Some(whole(field)?),
            "detection_id" => found.detection_id = Some(text(field)?),
            _ => {}
        }
    }
    if known != [true; 2] {
        return Err("there is no frame_id or no class_id".into());
    }
    found.corners = (edges == 4).then_some(corners);
    found.check()?;
    Ok((frame, found))
}

fn text(field: &Field) -> Result<String, String> {
    match field {
        Field::Str(text) => Ok(text.clone()),
        other => Err(format!("{other} is no text")),
    }
}

fn number(field: &Field) -> Result<f64, String> {
    let number = match field {
        Field::Double(number) => *number,
        Field::Float(number) => f64::from(*number),
        other => whole(other)? as f64,
    };
    if number.is_finite() { Ok(number) } else { Err(format!("{number} is no finite number")) }
}

fn whole(field: &Field) -> Result<u64, String> {
    let number = match field {
        Field::Long(number) => *number,
        Field::Int(number) => i64::from(*number),
        Field::UInt(number) => i64::from(*number),
        Field::ULong(number) => return Ok(*number),
        other => return Err(format!("{other} is no whole number")),
    };
    u64::try_from(number).map_err(|_| format!("{number} is negative"))
}

impl Reader for ParquetReader {
    fn next(&mut self, _notes: &mut Notes) -> Result<Option<Item>, ConvertError> {
        for next in self.rows.by_ref() {
            self.row += 1;
            let read = next.map_err(|error| error.to_string()).and_then(|next| row(&next));
            let whole = read.and_then(|(frame, found)| self.gatherer.add(frame, found));
            let bad = |reason| ConvertError::bad(&self.name, At::Entry(self.row), reason);
            if let Some(frame) = whole.map_err(bad)? {
                return Ok(Some(Item::Frame(frame)));
            }
        }
        Ok(self.gatherer.end().map(Item::Frame))
    }
}

/// Writes Parquet.
pub(super) struct ParquetWriter<'a> {
    /// `None` once it is finished.
    file: Option<SerializedFileWriter<BufWriter<&'a mut (dyn Write + Send)>>>,
    columns: Columns,
    name: String,
}

/// Rows by column.
#[derive(Default)]
struct Columns {
    source: Vec<Option<ByteArray>>,
    frame_id: Vec<Option<i64>>,
    pts_s: Vec<Option<f64>>,
    ts: Vec<Option<ByteArray>>,
    class_id: Vec<Option<i64>>,
    class: Vec<Option<ByteArray>>,
    confidence: Vec<Option<f64>>,
    edges: [Vec<Option<f64>>; 4],
    tracker_id: Vec<Option<i64>>,
    detection_id: Vec<Option<ByteArray>>,
}

impl Columns {
    /// Adds a detection; `false` where a number is larger than the format's.
    fn push(&mut self, frame: &FrameFound, found: &Found) -> bool {
        let Ok(frame_id) = i64::try_from(frame.frame_id) else { return false };
        let Ok(tracker_id) = found.tracker_id.map(i64::try_from).transpose() else { return false };
        let text = |text: &str| Some(ByteArray::from(text));
        self.source.push(text(&frame.source));
        self.frame_id.push(Some(frame_id));
        self.pts_s.push(frame.pts_s);
        self.ts.push(frame.ts.as_deref().and_then(text));
        self.class_id.push(Some(i64::from(found.class_id)));
        self.class.push(text(&found.class()));
        self.confidence.push(Some(found.sureness()));
        let at = found.corners.map(|at| [at.x1, at.y1, at.x2, at.y2]);
        for (side, edges) in self.edges.iter_mut().enumerate() {
            edges.push(at.and_then(|at| at.get(side).copied()));
        }
        self.tracker_id.push(tracker_id);
        self.detection_id.push(found.detection_id.as_deref().and_then(text));
        true
    }

    /// Writes the columns in the order of [`SCHEMA`].
    fn write<W: Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        column::<ByteArrayType, _>(group, self.source, false)?;
        column::<Int64Type, _>(group, self.frame_id, false)?;
        column::<DoubleType, _>(group, self.pts_s, true)?;
        column::<ByteArrayType, _>(group, self.ts, true)?;
        column::<Int64Type, _>(group, self.class_id, false)?;
        column::<ByteArrayType, _>(group, self.class, false)?;
        column::<DoubleType, _>(group, self.confidence, false)?;
        for edges in self.edges {
            column::<DoubleType, _>(group, edges, true)?;
        }
        column::<Int64Type, _>(group, self.tracker_id, true)?;
        column::<ByteArrayType, _>(group, self.detection_id, true)
    }
}

/// Writes a column; one that is `optional` says of each row whether it has a value.
fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: Vec<Option<T::T>>,
    optional: bool,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("there are more columns than in the schema".into()));
    };
    column.typed::<T>().write_batch(&values, optional.then_some(&levels), None)?;
    column.close()
}

impl<'a> ParquetWriter<'a> {
    /// Writes to `out`, which is called `name`.
    pub(super) fn new(out: &'a mut (dyn Write + Send), name: &str) -> Result<Self, ConvertError> {
        let made = parse_message_type(SCHEMA).and_then(|schema| {
            SerializedFileWriter::new(BufWriter::new(out), Arc::new(schema), Arc::default())
        });
        let file = Some(made.map_err(|error| failed(name, error))?);
        Ok(Self { file, columns: Columns::default(), name: name.into() })
    }

    /// Writes the rows that are held.
    fn flush(&mut self) -> Result<(), ConvertError> {
        let columns = std::mem::take(&mut self.columns);
        let Some(file) = self.file.as_mut().filter(|_| !columns.source.is_empty()) else {
            return Ok(());
        };
        let written = file.next_row_group().and_then(|mut group| {
            columns.write(&mut group)?;
            group.close()
        });
        written.map(drop).map_err(|error| failed(&self.name, error))
    }
}

/// An error of writing.
fn failed(name: &str, error: ParquetError) -> ConvertError {
    let error = match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => *error,
            Err(error) => std::io::Error::other(error),
        },
        other => std::io::Error::other(other),
    };
    ConvertError::write(name, &error)
}

impl Writer for ParquetWriter<'_> {
    fn frame(&mut self, frame: FrameFound, _notes: &mut Notes) -> Result<(), ConvertError> {
        for found in &frame.boxes {
            if !self.columns.push(&frame, found) {
                let error = std::io::Error::other("a frame's or track's number is too large");
                return Err(ConvertError::write(&self.name, &error));
            }
        }
        if self.columns.source.len() >= GROUP { self.flush() } else { Ok(()) }
    }

    fn finish(&mut self, _notes: &mut Notes) -> Result<(), ConvertError> {
        self.flush()?;
        let Some(file) = self.file.take() else { return Ok(()) };
        let mut out = file.into_inner().map_err(|error| failed(&self.name, error))?;
        out.flush().map_err(|error| ConvertError::write(&self.name, &error))
    }
}
