//! Our streams: which there are, what they are called and the SQL that makes them.
//!
//! In Timeplus a stream has its event time `_tp_time` without being told. In ClickHouse it is a
//! column like others; a server older than times with fractions gets a second column `_tp_ms`, so
//! that nothing is lost. Left to others: asking the server (`fit` says what, and judges the
//! answer), and what is in a row (`rows`).

use std::num::NonZeroU32;

use super::columns::{BATCH, Column, MILLISECONDS, TIME};
use super::quote::{StreamName, identifier};
use super::stream::Stream;

/// Whose SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Timeplus and Proton.
    Timeplus,
    /// ClickHouse.
    ClickHouse {
        /// From 20.1 on: it has `DateTime64`, `LowCardinality` without a setting, and `TTL`.
        modern: bool,
    },
}

impl Dialect {
    /// ClickHouse of a version such as `18.16.1`, as `SELECT version()` answers; an unreadable one
    /// is taken for a new one.
    pub fn clickhouse(version: &str) -> Self {
        Self::ClickHouse { modern: is_from(version, (20, 1)) }
    }

    /// Whether its event times have milliseconds.
    pub fn has_fractions(self) -> bool {
        !matches!(self, Self::ClickHouse { modern: false })
    }
}

/// Whether a version such as `18.16.1` is this one or newer; an unreadable one is taken for a new one.
pub(super) fn is_from(version: &str, first: (u32, u32)) -> bool {
    let mut parts = version.trim().split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= first,
        _ => true,
    }
}

/// What a stream has a row of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schema {
    /// A detection.
    Detections,
    /// A frame, with its counts; made beside [`Schema::Detections`].
    Frames,
    /// An event.
    Events,
    /// A frame as one text, in the JSON of the program that this one replaces.
    Raw,
}

impl Schema {
    /// The name of its stream where none is given.
    pub const fn default_stream(self) -> &'static str {
        match self {
            Self::Detections => "vision_pipe_detections",
            Self::Frames => "vision_pipe_frames",
            Self::Events => "vision_pipe_events",
            Self::Raw => "video_stream_log",
        }
    }

    /// All of them.
    const ALL: [Self; 4] = [Self::Detections, Self::Frames, Self::Events, Self::Raw];

    /// The column that tells its rows apart.
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::Detections => Some("detection_id"),
            Self::Frames => Some("frame_id"),
            Self::Events => Some("event_id"),
            Self::Raw => None,
        }
    }

    /// Whether its columns have a `batch_id`: a text of the replaced program stands alone. Only
    /// where its table is made in ClickHouse, which has no ids that make a batch count once, does
    /// one stand beside it.
    pub const fn has_batch_id(self) -> bool {
        !matches!(self, Self::Raw)
    }
}

/// A word of `--timeplus-schema`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// Detections, and frames with their counts.
    Detections,
    /// Events.
    Events,
    /// Frames as the replaced program wrote them.
    Raw,
}

impl Choice {
    /// All with their words.
    pub const WORDS: [(&'static str, Self); 3] =
        [("detections", Self::Detections), ("events", Self::Events), ("raw", Self::Raw)];
}

/// A stream that is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What its rows are of.
    pub schema: Schema,
    /// What it is called.
    pub name: StreamName,
}

impl Table {
    /// A stream of a schema.
    ///
    /// # Errors
    /// When `name` is none.
    pub fn new(schema: Schema, name: &str) -> Result<Self, TableError> {
        Ok(Self { schema, name: StreamName::parse(name)? })
    }

    /// What a stream that batches are for was made as; `None` where its name is none.
    pub(super) fn of(stream: &Stream) -> Option<Self> {
        let by_key = |schema: &Schema| schema.key() == stream.key.as_deref();
        let schema = Schema::ALL.into_iter().find(by_key)?;
        // Names need no escapes.
        Self::new(schema, &stream.sql_name.replace('`', "")).ok()
    }
}

/// The streams of some schemas, each schema once. `named` is the stream of the first of them; the
/// others keep their own names, but frames follow their detections: `cam` and `cam_frames`,
/// `cam_detections` and `cam_frames`.
///
/// # Errors
/// When `named` is no name, or the name of another one of them.
pub fn tables(chosen: &[Choice], named: Option<&str>) -> Result<Vec<Table>, TableError> {
    let mut tables: Vec<Table> = Vec::new();
    for (index, choice) in chosen.iter().enumerate() {
        if chosen.iter().take(index).any(|before| before == choice) {
            continue;
        }
        let name = |schema: Schema| {
            let named = named.filter(|_| index == 0);
            Table::new(schema, named.unwrap_or(schema.default_stream()))
        };
        match choice {
            Choice::Events => tables.push(name(Schema::Events)?),
            Choice::Raw => tables.push(name(Schema::Raw)?),
            Choice::Detections => {
                let detections = name(Schema::Detections)?;
                let stem = detections.name.stream();
                let stem = stem.strip_suffix("_detections").unwrap_or(stem);
                let frames = detections.name.sibling(format!("{stem}_frames"));
                tables.push(detections);
                tables.push(Table { schema: Schema::Frames, name: frames });
            }
        }
    }
    for (index, table) in tables.iter().enumerate() {
        if tables.iter().take(index).any(|before| before.name == table.name) {
            let name = table.name.to_string();
            return Err(TableError::BadName { name, reason: "it is also that of another schema" });
        }
    }
    Ok(tables)
}

/// How long rows are kept.
pub type Days = NonZeroU32;

/// The SQL that makes a stream where it is missing. Without `keep` its rows stay for ever, as they
/// do on servers older than `TTL`.
pub fn create(table: &Table, dialect: Dialect, keep: Option<Days>) -> String {
    let name = table.name.quoted();
    let columns = table.schema.columns();
    match dialect {
        // A TTL must be a date or a date with seconds, which `_tp_time` is not.
        Dialect::Timeplus => {
            let columns = defined(&columns, dialect);
            let ttl = ttl(keep, ("to_datetime", "to_date"));
            format!("CREATE STREAM IF NOT EXISTS {name} ({columns}){ttl}")
        }
        Dialect::ClickHouse { modern } => {
            let time = if modern { vec![TIME] } else { vec![TIME, MILLISECONDS] };
            let batch = if table.schema.has_batch_id() { vec![] } else { vec![BATCH] };
            let columns = defined(&[time, columns, batch].concat(), dialect);
            // Two frames may be the same text.
            let engine = if table.schema == Schema::Raw { "" } else { "Replacing" };
            let sorted = table.schema.sorted_by();
            let ttl = ttl(keep.filter(|_| modern), ("toDateTime", "toDate"));
            format!(
                "CREATE TABLE IF NOT EXISTS {name} ({columns}) ENGINE = {engine}MergeTree() \
                 PARTITION BY toYYYYMMDD(_tp_time) ORDER BY ({sorted}){ttl}"
            )
        }
    }
}

/// Days from which on rows are kept by their date: 20 years.
const BY_DATE: u32 = 7_300;

/// How long rows are kept, in SQL, with the functions that make a time and a date of theirs. A time
/// ends in 2106: what would be kept for longer would wrap around, and be gone at once. A date ends in
/// 2149.
fn ttl(keep: Option<Days>, (time, date): (&str, &str)) -> String {
    let since = |days: Days| if days.get() > BY_DATE { date } else { time };
    let ttl = |days| format!(" TTL {}(_tp_time) + INTERVAL {days} DAY", since(days));
    keep.map(ttl).unwrap_or_default()
}

/// The SQL that adds a column.
pub fn add_column(table: &Table, column: &Column, dialect: Dialect) -> String {
    let what = match dialect {
        Dialect::Timeplus => "STREAM",
        Dialect::ClickHouse { .. } => "TABLE",
    };
    let (name, column) = (table.name.quoted(), defined(&[*column], dialect));
    format!("ALTER {what} {name} ADD COLUMN {column}")
}

fn defined(columns: &[Column], dialect: Dialect) -> String {
    let one = |c: &Column| format!("{} {}", identifier(c.name), c.kind.of(dialect));
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Why a stream cannot be written to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// It cannot be called so.
    #[error("'{name}' cannot be the name of a stream: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// It is no name of a function.
    #[error("'{name}' cannot be the name of a function: it has letters, digits and '_'")]
    BadFunction {
        /// The name.
        name: String,
    },
    /// A column does not take our values.
    #[error("stream '{stream}' has column '{column}' of type {found}; it must be {wanted}")]
    WrongType {
        /// The stream.
        stream: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The type it needs.
        wanted: &'static str,
    },
    /// It has other columns than ours, and we did not make it.
    #[error("stream '{stream}' was made by somebody else and has no column {missing}")]
    Foreign {
        /// The stream.
        stream: String,
        /// The columns that it needs.
        missing: String,
    },
    /// The server computes a column, so that nobody can write to it.
    #[error("stream '{stream}' computes column '{column}' itself, and takes no values for it")]
    Computed {
        /// The stream.
        stream: String,
        /// The column.
        column: String,
    },
    /// The server's description of it is no such thing.
    #[error("what the server says of stream '{stream}' cannot be read")]
    Unreadable {
        /// The stream.
        stream: String,
    },
}

impl TableError {
    /// Way out, for the user.
    pub fn hint(&self) -> String {
        match self {
            Self::BadName { .. } => "--timeplus-stream cam1, or default.cam1".into(),
            Self::BadFunction { .. } => "a Python function in Timeplus, such as tell_me".into(),
            Self::Foreign { .. } | Self::WrongType { .. } | Self::Computed { .. } => {
                "name another with --timeplus-stream: it is made where it is missing".into()
            }
            Self::Unreadable { .. } => {
                "is it Timeplus or ClickHouse? see --timeplus-dialect".into()
            }
        }
    }
}
