//! Views of our streams for `timeplus init`: objects a second by class, dwell by zone, crossings by
//! line.
//!
//! They are plain views, computed when they are asked: over `table(STREAM)` in Timeplus, which is a
//! query of what is stored (<https://docs.timeplus.com/view>), and over `FINAL` in ClickHouse. Rows
//! are grouped by their own time, so that it does not matter in which order they come.
//!
//! Materialized ones would be wrong for files. One of Timeplus' over a window drops every row that is
//! older than its watermark, the newest time that it has seen
//! (<https://docs.timeplus.com/understanding-watermark>, `WatermarkStamper.cpp` in Proton): a video of
//! yesterday behind one of today is missing, and so is a file behind a camera. Its last window stays
//! open until a later row comes (<https://docs.timeplus.com/tumble-aggregation>). One of ClickHouse's
//! adds up every insert, so that a run on the same video twice would count twice what its tables count
//! once (`ReplacingMergeTree`).

use super::quote::StreamName;
use super::tables::{Dialect, Schema, Table};

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What it is called.
    pub name: StreamName,
    /// The SQL that makes it where it is missing.
    pub sql: String,
}

/// The views of a stream; none of a stream of texts or of frames.
pub fn views(table: &Table, dialect: Dialect) -> Vec<View> {
    let view = |end: &str, query: &Query| query.view(table, end, dialect);
    match table.schema {
        Schema::Detections => vec![view("objects_1s", &OBJECTS)],
        Schema::Events => {
            vec![view("zone_dwell_1m", &DWELL), view("line_crossings_1m", &CROSSINGS)]
        }
        Schema::Frames | Schema::Raw => vec![],
    }
}

/// The column of the time in Timeplus. `window_start`, as it is called in ClickHouse, is reserved
/// there (`DDLHelper.cpp` in Proton).
const AT: &str = "at";

/// A query that groups a stream by time and columns; functions are Timeplus' and ClickHouse's.
struct Query {
    /// The time rounded down.
    time: (&'static str, &'static str),
    /// The columns it groups by.
    by: &'static str,
    /// What it computes, in either dialect.
    computed: (&'static str, &'static str),
    /// Which rows.
    rows: Option<&'static str>,
}

const OBJECTS: Query = Query {
    // ClickHouse's toStartOfSecond came later than what we speak to.
    time: ("to_datetime(_tp_time)", "toDateTime(_tp_time)"),
    by: "source, class",
    // A row that Timeplus has twice counts once; a table of ClickHouse has FINAL for that.
    computed: (
        "count_distinct(detection_id) AS detections, count_distinct(frame_id) AS frames, \
         count_distinct(tracker_id) AS tracks, avg(confidence) AS confidence_mean",
        "count() AS detections, uniqExact(frame_id) AS frames, \
         uniqExact(tracker_id) AS tracks, avg(confidence) AS confidence_mean",
    ),
    rows: None,
};

const DWELL: Query = Query {
    time: ("to_start_of_minute(_tp_time)", "toStartOfMinute(_tp_time)"),
    by: "source, name, class",
    computed: (
        "count_distinct(event_id) AS visits, avg(seconds) AS seconds_mean, max(seconds) AS seconds_max",
        "count() AS visits, avg(seconds) AS seconds_mean, max(seconds) AS seconds_max",
    ),
    rows: Some("event = 'zone_left'"),
};

const CROSSINGS: Query = Query {
    time: ("to_start_of_minute(_tp_time)", "toStartOfMinute(_tp_time)"),
    by: "source, name, direction, class",
    computed: ("count_distinct(event_id) AS crossings", "count() AS crossings"),
    rows: Some("event = 'line_crossed'"),
};

impl Query {
    fn view(&self, table: &Table, end: &str, dialect: Dialect) -> View {
        let stem = table.name.stream();
        let own = stem.strip_suffix("_detections").or_else(|| stem.strip_suffix("_events"));
        let name = table.name.sibling(format!("{}_{end}", own.unwrap_or(stem)));
        let (by, from, view) = (self.by, table.name.quoted(), name.quoted());
        let rows = self.rows.map(|rows| format!(" WHERE {rows}")).unwrap_or_default();
        let sql = match dialect {
            Dialect::Timeplus => format!(
                "CREATE VIEW IF NOT EXISTS {view} AS SELECT {} AS {AT}, {by}, {} \
                 FROM table({from}){rows} GROUP BY {AT}, {by}",
                self.time.0, self.computed.0
            ),
            Dialect::ClickHouse { .. } => format!(
                "CREATE VIEW IF NOT EXISTS {view} AS SELECT {} AS window_start, {by}, {} \
                 FROM {from} FINAL{rows} GROUP BY window_start, {by}",
                self.time.1, self.computed.1
            ),
        };
        View { name, sql }
    }
}
