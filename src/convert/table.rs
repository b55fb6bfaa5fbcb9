//! Rows of CSV (RFC 4180) by the names of their columns, each of bounded length.

use std::collections::HashMap;
use std::io::BufRead;

use super::error::{At, ConvertError};
use super::rows::{LineBytes, Place};
use super::text::{MAX_RECORD, Text, number, whole};

/// Reads a table.
pub(super) struct Table<'a> {
    rows: csv::Reader<LineBytes<Box<dyn BufRead + 'a>>>,
    place: Place,
    columns: HashMap<String, usize>,
    row: csv::StringRecord,
    name: String,
}

impl<'a> Table<'a> {
    /// Reads the header of `text` and sees that it has the columns `needed`.
    pub(super) fn new(text: Text<'a>, needed: &[&str]) -> Result<Self, ConvertError> {
        let Text { bytes, name } = text;
        let (bytes, place) = LineBytes::new(bytes, MAX_RECORD);
        let mut rows = csv::Reader::from_reader(bytes);
        let header = rows.headers().map_err(|error| failed(&name, &place, &error))?;
        let mut columns = HashMap::new();
        for (column, at) in header.iter().map(str::trim).zip(0..) {
            if columns.insert(column.to_owned(), at).is_some() && !column.is_empty() {
                let reason = format!("the header has the column '{column}' twice");
                return Err(ConvertError::bad(&name, At::Line(place.line()), reason));
            }
        }
        if let Some(missing) = needed.iter().find(|column| !columns.contains_key(**column)) {
            let reason = format!("the header has no column '{missing}'");
            return Err(ConvertError::bad(&name, At::Line(place.line()), reason));
        }
        Ok(Self { rows, place, columns, row: csv::StringRecord::new(), name })
    }

    /// Whether there is a column of this name.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// Goes to the next row; `false` at the end.
    pub(super) fn next(&mut self) -> Result<bool, ConvertError> {
        self.place.begin();
        let read = self.rows.read_record(&mut self.row);
        read.map_err(|error| failed(&self.name, &self.place, &error))
    }

    /// An error of this row.
    pub(super) fn bad(&self, reason: impl Into<String>) -> ConvertError {
        ConvertError::bad(&self.name, At::Line(self.place.line()), reason)
    }

    /// A cell of this row; `None` where it is empty or there is no such column.
    pub(super) fn cell(&self, column: &str) -> Option<&str> {
        let cell = self.row.get(*self.columns.get(column)?)?;
        (!cell.is_empty()).then_some(cell)
    }

    /// A cell as text.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        self.cell(column).map(Into::into)
    }

    /// A finite number.
    pub(super) fn number(&self, column: &str) -> Result<Option<f64>, String> {
        self.cell(column).map(|cell| number(cell, column)).transpose()
    }

    /// The track of this row. -1 is supervision's word for none yet, in a column of whole numbers.
    pub(super) fn track(&self) -> Result<Option<u64>, String> {
        const COLUMN: &str = "tracker_id";
        match self.number(COLUMN) {
            Ok(Some(-1.0)) => Ok(None),
            _ => self.whole(COLUMN),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn whole(&self, column: &str) -> Result<Option<u64>, String> {
        self.cell(column).map(|cell| whole(cell, column)).transpose()
    }
}

/// An error of the table with its line.
fn failed(name: &str, place: &Place, error: &csv::Error) -> ConvertError {
    if let csv::ErrorKind::Io(error) = error.kind() {
        return ConvertError::read(name, error);
    }
    let reason = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".into(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns where the header has {expected_len}")
        }
        _ => error.to_string(),
    };
    ConvertError::bad(name, At::Line(place.line()), reason)
}

/// A value as a cell; empty where it is absent.
pub(super) fn or_empty<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
