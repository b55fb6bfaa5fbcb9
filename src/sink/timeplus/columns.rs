//! The columns of our streams and their types in both dialects.
//!
//! An absent text is `''`, an absent number `null`: most servers keep and group texts without
//! `null` far better, and no text of ours is empty. Lists of names and counts stand beside each
//! other in two arrays: every server of either kind has arrays, and few have maps.

use super::tables::{Dialect, Schema};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The event time, `_tp_time`.
    Time,
    /// A text.
    Text,
    /// A text with few values.
    Word,
    /// 0 or 1.
    Flag,
    /// A whole number, 32 bits.
    U32,
    /// A whole number, 64 bits.
    U64,
    /// A number.
    Float,
    /// A whole number or nothing, 32 bits.
    MaybeU32,
    /// A whole number or nothing, 64 bits.
    MaybeU64,
    /// A number or nothing.
    MaybeFloat,
    /// Texts.
    Texts,
    /// Whole numbers, 64 bits.
    U64s,
}

impl Kind {
    /// Its type as the server spells it.
    pub fn of(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Timeplus => self.timeplus(),
            Dialect::ClickHouse { modern } => self.clickhouse(modern),
        }
    }

    /// Lower case always: ClickHouse's spellings are refused by older servers and other ports.
    fn timeplus(self) -> &'static str {
        match self {
            Self::Time => "datetime64(3, 'UTC')",
            Self::Text => "string",
            Self::Word => "low_cardinality(string)",
            Self::Flag => "uint8",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::Float => "float64",
            Self::MaybeU32 => "nullable(uint32)",
            Self::MaybeU64 => "nullable(uint64)",
            Self::MaybeFloat => "nullable(float64)",
            Self::Texts => "array(string)",
            Self::U64s => "array(uint64)",
        }
    }

    fn clickhouse(self, modern: bool) -> &'static str {
        match self {
            Self::Time if modern => "DateTime64(3, 'UTC')",
            Self::Time => "DateTime('UTC')",
            Self::Word if modern => "LowCardinality(String)",
            Self::Text | Self::Word => "String",
            Self::Flag => "UInt8",
            Self::U32 => "UInt32",
            Self::U64 => "UInt64",
            Self::Float => "Float64",
            Self::MaybeU32 => "Nullable(UInt32)",
            Self::MaybeU64 => "Nullable(UInt64)",
            Self::MaybeFloat => "Nullable(Float64)",
            Self::Texts => "Array(String)",
            Self::U64s => "Array(UInt64)",
        }
    }

    /// Whether a column of type `found` takes our values unchanged. Texts may be packed or
    /// nullable, numbers wider or nullable.
    pub(super) fn fits(self, found: &str, dialect: Dialect) -> bool {
        let plain = plain(found);
        let nullable = plain.strip_prefix("nullable(").and_then(|rest| rest.strip_suffix(')'));
        let inner = nullable.unwrap_or(&plain);
        match self {
            Self::Time if dialect.has_fractions() => is_fine_time(&plain),
            Self::Time => plain == "datetime('utc')",
            Self::Text | Self::Word => inner == "string",
            Self::Flag => ["uint8", "bool", "uint16", "uint32", "uint64"].contains(&inner),
            Self::U32 => ["uint32", "uint64", "int64"].contains(&inner),
            Self::U64 => inner == "uint64",
            Self::Float => inner == "float64",
            Self::MaybeU32 => nullable.is_some() && ["uint32", "uint64", "int64"].contains(&inner),
            Self::MaybeU64 => nullable.is_some() && inner == "uint64",
            Self::MaybeFloat => nullable.is_some() && inner == "float64",
            Self::Texts => plain == "array(string)",
            Self::U64s => plain == "array(uint64)",
        }
    }
}

/// A type in one spelling for both dialects, without what only changes how it is stored.
pub(super) fn plain(found: &str) -> String {
    let mut plain: String = found.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
    plain.make_ascii_lowercase();
    if let Some(inner) = plain.strip_prefix("lowcardinality(") {
        plain = inner.strip_suffix(')').unwrap_or(inner).to_owned();
    }
    match plain.as_str() {
        "double" => "float64".into(),
        "varchar" => "string".into(),
        _ => plain,
    }
}

/// Whether a time keeps milliseconds, and shows them in UTC.
fn is_fine_time(plain: &str) -> bool {
    let digits = plain.strip_prefix("datetime64(").and_then(|rest| rest.chars().next());
    digits.is_some_and(|digit| ('3'..='9').contains(&digit)) && plain.ends_with("'utc')")
}

/// Whether a column of type `found` holds a moment, to the second at least. Rows say their zone, so
/// that the column's own is of no matter.
pub(super) fn holds_time(found: &str) -> bool {
    let plain = plain(found);
    let nullable = plain.strip_prefix("nullable(").and_then(|rest| rest.strip_suffix(')'));
    let name = nullable.unwrap_or(&plain).split('(').next().unwrap_or_default();
    ["datetime", "datetime32", "datetime64"].contains(&name)
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// The event time in milliseconds since 1970, for servers whose times have no fractions.
pub(super) const MILLISECONDS: Column = column("_tp_ms", Kind::U64);

/// The event time.
pub(super) const TIME: Column = column("_tp_time", Kind::Time);

/// The batch in which a row was sent; whoever sends it fills it in.
pub const BATCH_ID: &str = "batch_id";

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

/// The column of [`BATCH_ID`].
pub(super) const BATCH: Column = column(BATCH_ID, Kind::Word);

/// What every typed stream has.
const COMMON: [Column; 8] = [
    column("source", Kind::Word),
    column("source_id", Kind::Word),
    column("run_id", Kind::Word),
    column("config_id", Kind::Word),
    column("model", Kind::Word),
    column("frame_id", Kind::U64),
    column("pts_s", Kind::MaybeFloat),
    BATCH,
];

const DETECTIONS: [Column; 21] = [
    column("detection_id", Kind::Text),
    column("class", Kind::Word),
    column("class_id", Kind::U32),
    column("confidence", Kind::Float),
    column("x", Kind::MaybeFloat),
    column("y", Kind::MaybeFloat),
    column("width", Kind::MaybeFloat),
    column("height", Kind::MaybeFloat),
    column("x1", Kind::MaybeFloat),
    column("y1", Kind::MaybeFloat),
    column("x2", Kind::MaybeFloat),
    column("y2", Kind::MaybeFloat),
    column("tracker_id", Kind::MaybeU64),
    column("predicted", Kind::Flag),
    column("speed_m_s", Kind::MaybeFloat),
    column("heading_deg", Kind::MaybeFloat),
    column("frame_width", Kind::U32),
    column("frame_height", Kind::U32),
    column("file", Kind::Text),
    // A JSON object of keypoints, points, rotation_deg and attributes.
    column("extra", Kind::Text),
    // Whether the model looked at the frame.
    column("inferred", Kind::Flag),
];

const FRAMES: [Column; 16] = [
    column("frame_width", Kind::U32),
    column("frame_height", Kind::U32),
    column("file", Kind::Text),
    column("inferred", Kind::Flag),
    column("detections", Kind::U32),
    // Detections of each class that is there.
    column("classes", Kind::Texts),
    column("counts", Kind::U64s),
    column("top", Kind::Text),
    column("confidence", Kind::MaybeFloat),
    // Who is in each zone, and how often each line was crossed until now.
    column("zones", Kind::Texts),
    column("zone_counts", Kind::U64s),
    column("lines", Kind::Texts),
    column("lines_in", Kind::U64s),
    column("lines_out", Kind::U64s),
    // A JSON object of zones and lines by class, and of times.
    column("extra", Kind::Text),
    column("tracked", Kind::U32),
];

const EVENTS: [Column; 11] = [
    column("event_id", Kind::Text),
    column("event", Kind::Word),
    column("name", Kind::Word),
    column("direction", Kind::Word),
    column("count", Kind::MaybeU64),
    column("cause", Kind::Text),
    column("tracker_id", Kind::MaybeU64),
    column("class", Kind::Word),
    column("class_id", Kind::MaybeU32),
    column("seconds", Kind::MaybeFloat),
    column("file", Kind::Text),
];

impl Schema {
    /// Its columns behind the event time, in the order in which they are created.
    pub fn columns(self) -> Vec<Column> {
        let own: &[Column] = match self {
            Self::Detections => &DETECTIONS,
            Self::Frames => &FRAMES,
            Self::Events => &EVENTS,
            Self::Raw => return vec![column("raw", Kind::Text)],
        };
        COMMON.iter().chain(own).copied().collect()
    }

    /// The columns that nobody but us has together: a stream with all of them is ours.
    pub(super) fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Detections => &["source_id", "config_id", "run_id", BATCH_ID, "detection_id"],
            Self::Frames => &["source_id", "config_id", "run_id", BATCH_ID, "frame_id", "counts"],
            Self::Events => &["source_id", "config_id", "run_id", BATCH_ID, "event_id"],
            Self::Raw => &[],
        }
    }

    /// What its rows are sorted by in ClickHouse, which also says which rows are the same one sent
    /// twice: what tells them apart stands last.
    pub(super) fn sorted_by(self) -> &'static str {
        match self {
            Self::Detections => "source, _tp_time, frame_id, detection_id",
            Self::Frames => "source, _tp_time, source_id, config_id, frame_id",
            Self::Events => "source, _tp_time, event, event_id",
            Self::Raw => "_tp_time",
        }
    }
}
