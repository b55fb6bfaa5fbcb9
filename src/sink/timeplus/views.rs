//! Views of our streams for `timeplus init`: objects a second by class, dwell by zone, crossings by
//! line.
//!
//! In Timeplus they are materialized: they run on and keep what they find, from when they are made.
//! In ClickHouse a materialized view adds up every insert, so that a run on the same video twice
//! would count twice what its tables count once (`ReplacingMergeTree`). There they are plain views
//! over `FINAL`, always right and computed when they are asked.

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

/// A query that groups a stream by time and columns; functions are Timeplus' and ClickHouse's.
struct Query {
    /// Timeplus' window, and ClickHouse's function that rounds a time down to its start.
    window: (&'static str, &'static str),
    /// The columns it groups by.
    by: &'static str,
    /// What it computes, in either dialect.
    computed: (&'static str, &'static str),
    /// Which rows.
    rows: Option<&'static str>,
}

const OBJECTS: Query = Query {
    // ClickHouse's toStartOfSecond came later than what we speak to.
    window: ("1s", "toDateTime(_tp_time)"),
    by: "source, class",
    computed: (
        "count() AS detections, count_distinct(frame_id) AS frames, \
         count_distinct(tracker_id) AS tracks, avg(confidence) AS confidence_mean",
        "count() AS detections, uniqExact(frame_id) AS frames, \
         uniqExact(tracker_id) AS tracks, avg(confidence) AS confidence_mean",
    ),
    rows: None,
};

const DWELL: Query = Query {
    window: ("1m", "toStartOfMinute(_tp_time)"),
    by: "source, name, class",
    computed: (
        "count() AS visits, avg(seconds) AS seconds_mean, max(seconds) AS seconds_max",
        "count() AS visits, avg(seconds) AS seconds_mean, max(seconds) AS seconds_max",
    ),
    rows: Some("event = 'zone_left'"),
};

const CROSSINGS: Query = Query {
    window: ("1m", "toStartOfMinute(_tp_time)"),
    by: "source, name, direction, class",
    computed: ("count() AS crossings", "count() AS crossings"),
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
                "CREATE MATERIALIZED VIEW IF NOT EXISTS {view} AS SELECT window_start, {by}, {} \
                 FROM tumble({from}, _tp_time, {}){rows} GROUP BY window_start, {by}",
                self.computed.0, self.window.0
            ),
            Dialect::ClickHouse { .. } => format!(
                "CREATE VIEW IF NOT EXISTS {view} AS SELECT {} AS window_start, {by}, {} \
                 FROM {from} FINAL{rows} GROUP BY window_start, {by}",
                self.window.1, self.computed.1
            ),
        };
        View { name, sql }
    }
}
