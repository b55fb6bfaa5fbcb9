//! Our dashboards for Grafana: the panels of `panels` as its JSON model has them, for the data
//! sources of ClickHouse (`grafana-clickhouse-datasource`) and of Timeplus
//! (`timeplus-proton-datasource`).
//!
//! Queries are of what is stored (`FINAL`, `table(...)`) within the time that Grafana shows: both
//! sources put its milliseconds in the place of `${__from}` and `${__to}`. A query gives a row for
//! each time and name, which `prepareTimeSeries` makes lines of, whichever the source. The data
//! source is a variable of the dashboard, so that it can be imported as it is.

use serde_json::{Value, json};

use super::dashboard::{NAME, RAW_NAME, Shown};
use super::quote::StreamName;
use super::tables::Dialect;

/// The version of Grafana's model that this is (Grafana 10.3 and newer read it).
const SCHEMA: u32 = 39;

/// Whose SQL, and what it calls things.
#[derive(Clone, Copy)]
struct Words {
    plugin: &'static str,
    is_timeplus: bool,
}

impl Words {
    fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Timeplus => Self { plugin: "timeplus-proton-datasource", is_timeplus: true },
            Dialect::ClickHouse { .. } => {
                Self { plugin: "grafana-clickhouse-datasource", is_timeplus: false }
            }
        }
    }

    /// One word of both.
    fn word(self, timeplus: &'static str, clickhouse: &'static str) -> &'static str {
        if self.is_timeplus { timeplus } else { clickhouse }
    }

    /// A stream as it is stored, each row once where the server knows that.
    fn from(self, stream: &StreamName, once: bool) -> String {
        match (self.is_timeplus, once) {
            (true, _) => format!("table({})", stream.quoted()),
            (false, true) => format!("{} FINAL", stream.quoted()),
            (false, false) => stream.quoted(),
        }
    }

    /// The rows of the last `s` seconds that are shown, or of all of them.
    fn shown(self, s: Option<u32>) -> String {
        let time = self.word("from_unix_timestamp64_milli", "fromUnixTimestamp64Milli");
        let int = self.word("to_int64", "toInt64");
        let from = s.map_or("${__from}".into(), |s| format!("${{__to}} - {}", s * 1000));
        format!("_tp_time >= {time}({int}({from})) AND _tp_time < {time}({int}(${{__to}}))")
    }

    /// The second of a row.
    fn second(self) -> &'static str {
        self.word("to_datetime(_tp_time)", "toDateTime(_tp_time)")
    }
}

/// Our dashboard for the streams that are there. `page` is the address of the live page, such as
/// `http://localhost:5001`.
pub fn dashboard(shown: &Shown, page: Option<&str>, dialect: Dialect) -> Value {
    let words = Words::of(dialect);
    let mut panels = Vec::new();
    if let Some((detections, frames)) = &shown.detections {
        let (found, frames) = (words.from(detections, true), words.from(frames, true));
        let (second, within) = (words.second(), words.shown(None));
        let last = words.shown(Some(5));
        panels.push(panel(
            "Objects in the last 5 seconds",
            [0, 0, 12, 9],
            "barchart",
            words,
            &format!("SELECT class, count() AS count FROM {found} WHERE {last} GROUP BY class ORDER BY count DESC"),
        ));
        panels.push(lines(
            "Objects in a frame",
            [0, 9, 12, 8],
            words,
            &format!(
                "SELECT {second} AS time, source, avg(detections) AS objects FROM {frames} \
                 WHERE {within} GROUP BY time, source ORDER BY time"
            ),
        ));
        let (join, zip, part) = (
            words.word("array_join", "arrayJoin"),
            words.word("array_zip", "arrayZip"),
            words.word("tuple_element", "tupleElement"),
        );
        panels.push(lines(
            "Objects in each zone",
            [12, 9, 12, 8],
            words,
            &format!(
                "SELECT time, {part}(pair, 1) AS name, max({part}(pair, 2)) AS inside FROM \
                 (SELECT {second} AS time, {join}({zip}(zones, zone_counts)) AS pair FROM {frames} \
                 WHERE {within}) GROUP BY time, name ORDER BY time"
            ),
        ));
        panels.push(lines(
            "Confidence",
            [0, 17, 12, 8],
            words,
            &format!(
                "SELECT {second} AS time, class, avg(confidence) AS confidence_mean FROM {found} \
                 WHERE {within} GROUP BY time, class ORDER BY time"
            ),
        ));
        let hour = words.word("to_start_of_hour(_tp_time)", "toStartOfHour(_tp_time)");
        panels.push(lines(
            "Detections an hour",
            [0, 25, 24, 8],
            words,
            &format!(
                "SELECT {hour} AS time, class, count() AS count FROM {found} WHERE {within} \
                 GROUP BY time, class ORDER BY time"
            ),
        ));
    }
    if let Some(events) = &shown.events {
        let (events, within) = (words.from(events, true), words.shown(None));
        panels.push(panel(
            "Events",
            [12, 17, 12, 8],
            "table",
            words,
            &format!(
                "SELECT _tp_time AS time, source, event, name, direction, class, tracker_id, seconds \
                 FROM {events} WHERE {within} ORDER BY time DESC LIMIT 200"
            ),
        ));
    }
    panels.extend(page.map(|page| video(page, [12, 0, 12, 9])));
    board(NAME, "vision-pipe", panels, words)
}

/// The dashboard of the replaced program with its four panels, for a stream of texts.
pub fn raw_dashboard(raw: &StreamName, page: &str, dialect: Dialect) -> Value {
    let words = Words::of(dialect);
    let from = words.from(raw, false);
    let (last, within, second) = (words.shown(Some(5)), words.shown(None), words.second());
    let (name, top, confidence) = if words.is_timeplus {
        (
            "array_join(json_extract_array(raw, 'model_detection_prediction')) AS found, \
             found:class_name AS name",
            "raw:model_violence_predictions:top",
            "cast(raw:model_violence_predictions:confidence, 'float64')",
        )
    } else {
        (
            "arrayJoin(JSONExtractArrayRaw(raw, 'model_detection_prediction')) AS found, \
             JSONExtractString(found, 'class_name') AS name",
            "JSONExtractString(raw, 'model_violence_predictions', 'top')",
            "JSONExtractFloat(raw, 'model_violence_predictions', 'confidence')",
        )
    };
    let panels = vec![
        panel(
            "Object Detected in last 5 second",
            [0, 0, 12, 9],
            "barchart",
            words,
            &format!(
                "SELECT name, count() AS count FROM (SELECT {name} FROM {from} WHERE {last}) \
                 GROUP BY name ORDER BY count DESC"
            ),
        ),
        lines(
            "Violence Rate",
            [0, 9, 12, 8],
            words,
            &format!(
                "SELECT {second} AS time, sum(if({top} = 'violence', {confidence}, 0)) / count() \
                 AS violence_rate FROM {from} WHERE {within} GROUP BY time ORDER BY time"
            ),
        ),
        panel(
            "Video Logs",
            [12, 9, 12, 8],
            "table",
            words,
            &format!(
                "SELECT _tp_time AS time, raw FROM {from} WHERE {within} ORDER BY time DESC LIMIT 20"
            ),
        ),
        video(page, [12, 0, 12, 9]),
    ];
    board(RAW_NAME, "vision-pipe-raw", panels, words)
}

fn board(title: &str, uid: &str, mut panels: Vec<Value>, words: Words) -> Value {
    for (index, panel) in panels.iter_mut().enumerate() {
        panel["id"] = json!(index + 1);
    }
    json!({
        "uid": uid,
        "title": title,
        "description": "What vision-pipe sees",
        "tags": ["vision-pipe"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": true,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "5s",
        "templating": {"list": [{
            "name": "source",
            "label": "Data source",
            "type": "datasource",
            "query": words.plugin,
            "current": {},
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "options": [],
            "refresh": 1,
            "regex": "",
        }]},
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    })
}

/// A panel over one query; `place` is x, y, width and height on a grid of 24 columns.
fn panel(title: &str, place: [u32; 4], kind: &str, words: Words, sql: &str) -> Value {
    let source = json!({"type": words.plugin, "uid": "${source}"});
    let mut target = json!({"refId": "A", "datasource": source});
    let query = if words.is_timeplus {
        json!({"sql": sql})
    } else {
        // Written by hand, and given as a table.
        json!({"rawSql": sql, "editorType": "sql", "queryType": "table", "format": 1})
    };
    if let (Some(target), Value::Object(query)) = (target.as_object_mut(), query) {
        target.extend(query);
    }
    json!({
        "type": kind,
        "title": title,
        "gridPos": grid(place),
        "datasource": source,
        "targets": [target],
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {},
        "transformations": [],
    })
}

/// Lines over the time, one for each name.
fn lines(title: &str, place: [u32; 4], words: Words, sql: &str) -> Value {
    let mut panel = panel(title, place, "timeseries", words, sql);
    panel["transformations"] = json!([{"id": "prepareTimeSeries", "options": {"format": "multi"}}]);
    panel
}

/// The live picture. Grafana takes frames of other pages out of a text, and lets pictures stand.
fn video(page: &str, place: [u32; 4]) -> Value {
    let page = page.trim_end_matches('/');
    let address = page.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    json!({
        "type": "text",
        "title": "Video",
        "gridPos": grid(place),
        "options": {
            "mode": "html",
            "content": format!("<img src=\"{address}/video_feed\" alt=\"the video\" width=\"100%\">"),
        },
    })
}

fn grid([x, y, w, h]: [u32; 4]) -> Value {
    json!({"x": x, "y": y, "w": w, "h": h})
}
