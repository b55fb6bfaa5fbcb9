//! The panels of our dashboards: their SQL and how it is drawn.
//!
//! SQL is Timeplus': a query is a stream, and a name needs its `AS`. All panels look back an hour,
//! so that they show something at once.

use serde_json::{Value, json};

use super::dashboard::{Dashboard, NAME, Panel, Position, RAW_NAME, Shown};
use super::quote::StreamName;

/// Our dashboard for the streams that are there. `page` is the address of the live page, such as
/// `http://localhost:5001`.
pub fn dashboard(shown: &Shown, page: Option<&str>) -> Dashboard {
    let mut panels = Vec::new();
    if let Some((detections, frames)) = &shown.detections {
        panels.push(now_by_class(detections));
        panels.push(counts(frames));
        panels.push(occupancy(frames));
        panels.push(confidence(detections));
        panels.push(trends(detections));
    }
    if let Some(events) = &shown.events {
        panels.push(happened(events));
    }
    if let Some(page) = page {
        panels.push(video(page, "/", Position::new(6, 0, 6, 5)));
    }
    let description = "What vision-pipe sees".into();
    Dashboard { name: NAME.into(), description, panels }
}

/// The dashboard of the replaced program with its four panels, for a stream of texts.
pub fn raw_dashboard(raw: &StreamName, page: &str) -> Dashboard {
    let objects = format!(
        "WITH obj AS (SELECT _tp_time AS time, \
         array_join(json_extract_array(raw, 'model_detection_prediction')) AS detected_objects, \
         detected_objects:class_name AS name FROM {raw} WHERE _tp_time > (now() - 1h)) \
         SELECT count(*) AS count, name, window_start FROM hop(obj, time, 1s, 5s) \
         GROUP BY window_start, name ORDER BY count DESC",
        raw = raw.quoted()
    );
    let violence = format!(
        "WITH vio AS (SELECT _tp_time, raw:model_violence_predictions:top AS flag, \
         if(flag = 'violence', cast(raw:model_violence_predictions:confidence, 'float64'), 0) \
         AS vscore FROM {raw} WHERE _tp_time > now() - 1h) \
         SELECT window_start, count(*) AS count, sum(vscore) AS svscore, \
         svscore / count AS violence_rate FROM hop(vio, 1s, 5s) GROUP BY window_start",
        raw = raw.quoted()
    );
    let logs = json!({"content": "```json\n{{raw}}\n```", "updateKey": "", "updateMode": "all"});
    let panels = vec![
        Panel {
            title: "Object Detected in last 5 second".into(),
            ..chart("raw-objects", Position::new(0, 0, 6, 5), objects, "bar", raw_bars())
        },
        Panel {
            title: "Violence Rate Detected in last 5 second".into(),
            ..chart("raw-violence", Position::new(0, 5, 6, 4), violence, "line", raw_lines())
        },
        Panel {
            title: "Video Logs".into(),
            ..chart(
                "raw-logs",
                Position::new(6, 5, 6, 4),
                format!("SELECT raw FROM {}", raw.quoted()),
                "md",
                logs,
            )
        },
        video(page, "/static/video.html", Position::new(6, 0, 6, 5)),
    ];
    Dashboard { name: RAW_NAME.into(), description: String::new(), panels }
}

fn chart(id: &str, position: Position, sql: String, kind: &str, config: Value) -> Panel {
    Panel {
        id: id.into(),
        title: String::new(),
        description: String::new(),
        position,
        viz_type: "chart",
        viz_content: sql,
        viz_config: json!({"chartType": kind, "config": config}),
    }
}

/// What every drawing over axes says.
fn axes(x: &str, y: &str, color: &str) -> Value {
    json!({
        "xAxis": x,
        "yAxis": y,
        "color": color,
        "xTitle": "",
        "yTitle": "",
        "xFormat": "",
        "legend": !color.is_empty(),
        "gridlines": true,
        "dataLabel": false,
        "fractionDigits": 2,
        "unit": {"position": "left", "value": ""},
        "colors": COLORS,
    })
}

/// Ten colours that are told apart by those who see few (Okabe and Ito 2008, and two greys).
const COLORS: [&str; 10] = [
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
    "#999999", "#666666",
];

/// The colours of the replaced program's charts.
const RAW_COLORS: [&str; 10] = [
    "#ED64A6", "#F0BE3E", "#DA4B36", "#9A1563", "#FF4A71", "#D12D50", "#8934D9", "#D53F8C",
    "#F7775A", "#8934D9",
];

/// Its bars, as its `dashboard/payload.json` has them.
fn raw_bars() -> Value {
    let more = json!({
        "colors": RAW_COLORS, "xFormat": "HH:mm", "gridlines": true, "xTickLabel": {"maxChar": 10},
    });
    with(now_bars("name"), more)
}

/// Its line, the same.
fn raw_lines() -> Value {
    let more = json!({"colors": RAW_COLORS, "gridlines": false});
    with(lines("violence_rate", "", "5"), more)
}

fn with(mut config: Value, more: Value) -> Value {
    if let (Some(config), Value::Object(more)) = (config.as_object_mut(), more) {
        config.extend(more);
    }
    config
}

/// Bars of the newest window alone.
fn now_bars(x: &str) -> Value {
    let more = json!({
        "groupType": "stack", "updateMode": "time", "updateKey": "window_start",
        "dataLabel": true, "xTickLabel": {"maxChar": 25}, "yTickLabel": {"maxChar": 25},
    });
    with(axes(x, "count", ""), more)
}

/// Lines over the last `minutes`.
fn lines(y: &str, color: &str, minutes: &str) -> Value {
    let more = json!({
        "xRange": minutes, "lineStyle": "curve", "points": false, "showAll": false,
        "yRange": {"min": null, "max": null}, "yTickLabel": {"maxChar": 25},
    });
    with(axes("window_start", y, color), more)
}

fn now_by_class(detections: &StreamName) -> Panel {
    let sql = format!(
        "SELECT window_start, class, count() AS count FROM hop({}, _tp_time, 1s, 5s) \
         WHERE _tp_time > now() - 1h GROUP BY window_start, class ORDER BY count DESC",
        detections.quoted()
    );
    Panel {
        title: "Objects in the last 5 seconds".into(),
        ..chart("objects", Position::new(0, 0, 6, 5), sql, "bar", now_bars("class"))
    }
}

fn counts(frames: &StreamName) -> Panel {
    let sql = format!(
        "SELECT window_start, source, avg(detections) AS objects FROM tumble({}, _tp_time, 1s) \
         WHERE _tp_time > now() - 1h GROUP BY window_start, source",
        frames.quoted()
    );
    Panel {
        title: "Objects in a frame".into(),
        description: "Mean of each second; frames with nothing count".into(),
        ..chart("counts", Position::new(0, 5, 6, 4), sql, "line", lines("objects", "source", "5"))
    }
}

fn occupancy(frames: &StreamName) -> Panel {
    let sql = format!(
        "WITH zone AS (SELECT _tp_time, array_join(array_zip(zones, zone_counts)) AS pair, \
         tuple_element(pair, 1) AS name, tuple_element(pair, 2) AS inside FROM {} \
         WHERE _tp_time > now() - 1h) \
         SELECT window_start, name, max(inside) AS inside_now FROM tumble(zone, _tp_time, 1s) \
         GROUP BY window_start, name",
        frames.quoted()
    );
    Panel {
        title: "Objects in each zone".into(),
        ..chart("zones", Position::new(6, 5, 6, 4), sql, "area", lines("inside_now", "name", "5"))
    }
}

fn confidence(detections: &StreamName) -> Panel {
    let sql = format!(
        "SELECT window_start, class, avg(confidence) AS confidence_mean \
         FROM tumble({}, _tp_time, 5s) WHERE _tp_time > now() - 1h \
         GROUP BY window_start, class",
        detections.quoted()
    );
    let config = lines("confidence_mean", "class", "30");
    Panel {
        title: "Confidence".into(),
        ..chart("confidence", Position::new(0, 9, 6, 4), sql, "line", config)
    }
}

fn trends(detections: &StreamName) -> Panel {
    // The past alone: an hour that is not over would jump each second.
    let sql = format!(
        "SELECT to_start_of_hour(_tp_time) AS hour, class, count() AS count FROM table({}) \
         WHERE _tp_time > now() - 7d GROUP BY hour, class ORDER BY hour",
        detections.quoted()
    );
    let config = with(axes("hour", "count", "class"), json!({"groupType": "stack"}));
    Panel {
        title: "Detections an hour".into(),
        description: "The last seven days".into(),
        ..chart("trends", Position::new(0, 13, 12, 4), sql, "column", config)
    }
}

fn happened(events: &StreamName) -> Panel {
    let sql = format!(
        "SELECT _tp_time, source, event, name, direction, class, tracker_id, seconds FROM {} \
         WHERE _tp_time > now() - 1h",
        events.quoted()
    );
    let config = json!({"rowCount": 50, "updateMode": "all", "updateKey": ""});
    Panel {
        title: "Events".into(),
        ..chart("events", Position::new(6, 9, 6, 4), sql, "table", config)
    }
}

/// The live page of the program, in a frame.
fn video(page: &str, path: &str, position: Position) -> Panel {
    let address = format!("{}{path}?id={{{{id}}}}", page.trim_end_matches('/'));
    let content = format!(
        "<iframe src=\"{}\" width=\"640\" height=\"480\" frameborder=\"0\"></iframe>",
        attribute(&address)
    );
    let config = json!({"content": content, "updateKey": "", "updateMode": "all"});
    Panel {
        title: "Video".into(),
        ..chart("video", position, "SELECT rand() AS id".into(), "md", config)
    }
}

/// Text within quotation marks in HTML.
fn attribute(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('"', "&quot;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
