//! Whether a stream that is there takes our rows, and what has to be done so that it does.
//!
//! Nobody's stream is altered but ours. A comment would not do as a mark, since older servers keep
//! none: ours is what has all of the identities that only we write, of the right types.

use serde::Deserialize;

use super::columns::{BATCH_ID, Column, Kind, MILLISECONDS, TIME, holds_time, plain};
use super::tables::{Days, Dialect, Schema, Table, TableError, add_column, create};

/// Asks for the columns of a stream. A server that has no such stream answers with an error whose
/// code is 60, which is not one here: see [`settle`].
pub fn describe(table: &Table) -> String {
    format!("DESCRIBE {} FORMAT JSONEachRow", table.name.quoted())
}

/// A column of a stream that is there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FoundColumn {
    /// Its name.
    pub name: String,
    /// Its type as the server spells it.
    pub r#type: String,
    /// Where its values come from that nobody gives, such as `DEFAULT` or `MATERIALIZED`; empty
    /// where they are the usual ones of its type.
    #[serde(default)]
    pub default_type: String,
}

impl FoundColumn {
    /// Whether the server computes it, so that nobody may write to it.
    fn is_computed(&self) -> bool {
        ["alias", "materialized"].contains(&&*self.default_type.to_ascii_lowercase())
    }
}

/// Reads the answer to [`describe`].
///
/// # Errors
/// When it is none.
pub fn described(table: &Table, answer: &str) -> Result<Vec<FoundColumn>, TableError> {
    let lines = answer.lines().filter(|line| !line.trim().is_empty());
    let columns: Result<Vec<_>, _> = lines.map(serde_json::from_str).collect();
    let columns = columns.ok().filter(|columns: &Vec<_>| !columns.is_empty());
    columns.ok_or_else(|| TableError::Unreadable { stream: table.name.to_string() })
}

/// How a stream that is there suits a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It has all columns.
    Same,
    /// It is one of the replaced program's, or ours of that kind: its only column is a text called
    /// `raw`, but for the time and the batch.
    OnlyRaw,
    /// It is ours, of an older version: it lacks these columns.
    Missing(Vec<Column>),
}

/// Compares the columns of a stream that is there with those of a schema.
///
/// # Errors
/// When a column has a type that does not take our values, or columns are missing in a stream
/// that is not ours.
pub fn compare(table: &Table, dialect: Dialect, found: &[FoundColumn]) -> Result<Fit, TableError> {
    if let Some(raw) = only_raw(found) {
        return is_given(table, raw).map(|()| Fit::OnlyRaw);
    }
    let mut missing = Vec::new();
    for wanted in wanted(table.schema, dialect) {
        match found.iter().find(|column| column.name == wanted.name) {
            None => missing.push(wanted),
            Some(column) => check(table, dialect, &wanted, column)?,
        }
    }
    if missing.is_empty() {
        return Ok(Fit::Same);
    }
    // A new column cannot join the event time: that is in the key.
    let ours = table.schema.has_batch_id()
        && table.schema.marks().iter().all(|mark| found.iter().any(|column| column.name == *mark))
        && !missing.contains(&TIME)
        && !missing.contains(&MILLISECONDS);
    if ours {
        return Ok(Fit::Missing(missing));
    }
    let missing: Vec<_> = missing.iter().map(|column| format!("'{}'", column.name)).collect();
    let stream = table.name.to_string();
    Err(TableError::Foreign { stream, missing: missing.join(", ") })
}

fn check(
    table: &Table,
    dialect: Dialect,
    wanted: &Column,
    column: &FoundColumn,
) -> Result<(), TableError> {
    is_given(table, column)?;
    // Timeplus' own is what it is.
    let given = dialect == Dialect::Timeplus && wanted.kind == Kind::Time;
    if given || wanted.kind.fits(&column.r#type, dialect) {
        return Ok(());
    }
    Err(TableError::WrongType {
        stream: table.name.to_string(),
        column: column.name.clone(),
        found: column.r#type.clone(),
        wanted: wanted.kind.of(dialect),
    })
}

/// Whether a column takes what it is given.
fn is_given(table: &Table, column: &FoundColumn) -> Result<(), TableError> {
    if !column.is_computed() {
        return Ok(());
    }
    Err(TableError::Computed { stream: table.name.to_string(), column: column.name.clone() })
}

/// What has to be there. Timeplus says of its event time what it likes.
fn wanted(schema: Schema, dialect: Dialect) -> Vec<Column> {
    let mut columns = match dialect {
        Dialect::Timeplus => vec![],
        _ if dialect.has_fractions() => vec![TIME],
        Dialect::ClickHouse { .. } => vec![TIME, MILLISECONDS],
    };
    columns.extend(schema.columns());
    columns
}

/// The column of a stream of texts, if it is one.
fn only_raw(found: &[FoundColumn]) -> Option<&FoundColumn> {
    let is_own = |name: &str| !name.starts_with("_tp_") && name != BATCH_ID;
    let mut own = found.iter().filter(|column| is_own(&column.name));
    let only = own.next().filter(|_| own.next().is_none());
    only.filter(|column| {
        let kind = plain(&column.r#type);
        column.name == "raw" && (kind == "string" || kind == "nullable(string)")
    })
}

/// A stream as rows are written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What its rows are of, which may be [`Schema::Raw`] where another was asked for.
    pub table: Table,
    /// How it holds the event time.
    pub time: TimeForm,
    /// Whether its rows may have the id of their batch. Of a stream that was not seen they may:
    /// there what is in a row and not in the stream is left out.
    pub batch_id: bool,
}

/// How a stream holds the event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeForm {
    /// `_tp_time` with milliseconds.
    Millis,
    /// `_tp_time` with seconds, and `_tp_ms`.
    Seconds,
    /// In one of these ways, nobody knows yet: rows have all of it, and are only right with the
    /// settings of [`EITHER_SETTINGS`].
    Either,
    /// Not at all.
    None,
}

/// Settings of an insert with which every server takes our rows: a time says its zone, one without
/// fractions drops them, and a column that is not there is left out. REST has the first by itself.
pub const EITHER_SETTINGS: [(&str, &str); 2] =
    [("date_time_input_format", "best_effort"), ("input_format_skip_unknown_fields", "1")];

impl Target {
    /// A stream of a server that was not seen yet. Rows that are made for it can be sent once the
    /// server is there, with the columns of what [`settle`] says then. REST refuses them for their
    /// second time.
    pub fn unseen(table: Table) -> Self {
        Self { table, time: TimeForm::Either, batch_id: true }
    }

    /// The columns of an insert, in the order in which the stream was made.
    pub fn insert_columns(&self) -> Vec<&'static str> {
        let time: &[Column] = match self.time {
            TimeForm::Millis | TimeForm::Either => &[TIME],
            TimeForm::Seconds => &[TIME, MILLISECONDS],
            TimeForm::None => &[],
        };
        let apart = self.batch_id && !self.table.schema.has_batch_id();
        let columns = self.table.schema.columns();
        let names = time.iter().chain(&columns).map(|column| column.name);
        names.chain(apart.then_some(BATCH_ID)).collect()
    }
}

/// A stream with what has to be done before the first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What is written to.
    pub target: Target,
    /// SQL that makes the stream or adds columns, in order.
    pub sql: Vec<String>,
    /// What the user should know, one line.
    pub said: Option<String>,
}

/// Decides what has to be done for a stream; `found` is `None` where it is missing.
///
/// # Errors
/// As [`compare`].
pub fn settle(
    table: &Table,
    dialect: Dialect,
    keep: Option<Days>,
    found: Option<&[FoundColumn]>,
) -> Result<Settled, TableError> {
    let whole = if dialect.has_fractions() { TimeForm::Millis } else { TimeForm::Seconds };
    let settled = |table: &Table, time, sql, said| {
        let made = found.is_none() && dialect != Dialect::Timeplus;
        let batch_id = table.schema.has_batch_id() || made || found.is_some_and(has_batch);
        Ok(Settled { target: Target { table: table.clone(), time, batch_id }, sql, said })
    };
    let Some(found) = found else {
        let too_old = keep.is_some() && dialect == Dialect::ClickHouse { modern: false };
        let said = too_old.then(|| {
            format!(
                "stream '{}' keeps its rows for ever: this server is too old for a TTL",
                table.name
            )
        });
        return settled(table, whole, vec![create(table, dialect, keep)], said);
    };
    match compare(table, dialect, found)? {
        Fit::Same => settled(table, whole, vec![], None),
        Fit::Missing(columns) => {
            let sql = columns.iter().map(|column| add_column(table, column, dialect)).collect();
            let names: Vec<_> = columns.iter().map(|column| column.name).collect();
            let said = format!("stream '{}' gets columns: {}", table.name, names.join(", "));
            settled(table, whole, sql, Some(said))
        }
        Fit::OnlyRaw => {
            let raw = Table { schema: Schema::Raw, name: table.name.clone() };
            let said = (table.schema != Schema::Raw).then(|| {
                format!("stream '{}' has only a column 'raw': it gets raw rows", table.name)
            });
            settled(&raw, raw_time(table, dialect, found)?, vec![], said)
        }
    }
}

fn has_batch(found: &[FoundColumn]) -> bool {
    let column = found.iter().find(|column| column.name == BATCH_ID);
    column.is_some_and(|column| plain(&column.r#type) == "string" && !column.is_computed())
}

/// How a stream of texts that is there holds the event time. One without a time is what the replaced
/// program made; one whose time we cannot give would say 1970, or some other time, of every row.
fn raw_time(
    table: &Table,
    dialect: Dialect,
    found: &[FoundColumn],
) -> Result<TimeForm, TableError> {
    let of = |wanted: &Column| found.iter().find(|column| column.name == wanted.name);
    let Some(time) = of(&TIME) else {
        // Timeplus' own is there, said or not.
        let own = dialect == Dialect::Timeplus;
        return Ok(if own { TimeForm::Millis } else { TimeForm::None });
    };
    if time.is_computed() {
        return Ok(TimeForm::None);
    }
    if !holds_time(&time.r#type) {
        return Err(TableError::WrongType {
            stream: table.name.to_string(),
            column: time.name.clone(),
            found: time.r#type.clone(),
            wanted: TIME.kind.of(dialect),
        });
    }
    let has_ms = of(&MILLISECONDS).is_some_and(|column| {
        MILLISECONDS.kind.fits(&column.r#type, dialect) && !column.is_computed()
    });
    Ok(if has_ms { TimeForm::Seconds } else { TimeForm::Millis })
}

/// Decides for several streams with what is found of each. Where a stream of detections turns out
/// to be one of texts, no frames are written beside it: a text is a frame with its counts.
///
/// # Errors
/// As [`compare`].
pub fn settle_all(
    streams: &[(Table, Option<Vec<FoundColumn>>)],
    dialect: Dialect,
    keep: Option<Days>,
) -> Result<Vec<Settled>, TableError> {
    let mut all: Vec<Settled> = Vec::new();
    let mut raw_detections = false;
    for (table, found) in streams {
        if table.schema == Schema::Frames && raw_detections {
            continue;
        }
        let settled = settle(table, dialect, keep, found.as_deref())?;
        let turned = settled.target.table.schema == Schema::Raw;
        raw_detections = table.schema == Schema::Detections && turned;
        all.push(settled);
    }
    Ok(all)
}
