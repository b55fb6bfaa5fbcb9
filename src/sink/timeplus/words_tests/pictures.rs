//! The replaced program's texts, and dashboards.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::dashboard::{PATH, Shown, Step, step};
use super::super::panels::{dashboard, raw_dashboard};
use super::super::quote::StreamName;
use super::super::raw;
use super::items::frame;
use crate::record::{FrameRecord, OutputName};

fn name(text: &str) -> StreamName {
    StreamName::parse(text).unwrap()
}

/// The frame of `items`, and a class of the whole picture in place of its second box.
fn classified() -> Value {
    let mut record = frame("a.mp4", 3, Some(0.1));
    record.predictions[1].place = None;
    serde_json::from_str(&raw::text(&record, "source-1", None)).unwrap()
}

#[test]
fn a_text_has_the_replaced_programs_keys() {
    let text = classified();
    let boxes = text["model_detection_prediction"].as_array().unwrap();
    assert_eq!(boxes.len(), 1);
    let corners = json!({
        "x1": 590.0, "y1": 335.0, "x2": 690.0, "y2": 385.5, "width": 100.0, "height": 50.5
    });
    assert_eq!(boxes[0]["bbox"], corners);
    assert_eq!(boxes[0]["class_name"], "person");
    assert_eq!(boxes[0]["image_dimensions"], "[480 640]");
    // attach_parent_coordinates_to_detections() of roboflow/inference, for a picture that is no crop:
    // its corner, then height and width, which the replaced program wrote as numpy prints them.
    for parent in ["parent", "root_parent"] {
        assert_eq!(boxes[0][format!("{parent}_id")], "a.mp4");
        assert_eq!(boxes[0][format!("{parent}_coordinates")], "[0 0]");
        assert_eq!(boxes[0][format!("{parent}_dimensions")], "[480 640]");
    }
    for key in ["confidence", "class_id", "tracker_id", "detection_id", "prediction_type"] {
        assert!(!boxes[0][key].is_null(), "{key}");
    }
    let whole = &text["model_violence_predictions"];
    assert_eq!((&whole["top"], &whole["confidence"]), (&json!("street"), &json!(0.75)));
    assert_eq!(whole["predictions"], json!([{"class": "car", "class_id": 0, "confidence": 0.5}]));
    assert_eq!(whole["image"], json!({"width": 640, "height": 480}));
}

#[test]
fn a_text_without_classes_has_only_boxes() {
    let record = FrameRecord { top: None, confidence: None, ..FrameRecord::default() };
    // As Python's `json.dumps(…, indent=2)` writes it.
    assert_eq!(raw::text(&record, "s", None), "{\n  \"model_detection_prediction\": []\n}");
}

#[test]
fn a_text_of_a_workflow_has_its_outputs_by_name() {
    let whole = json!({"top": "calm", "confidence": 0.5, "predictions": []});
    let named =
        |name: &str, value: Option<&Value>| OutputName { name: name.into(), value: value.cloned() };
    let names = [named("people", None), named("mood", Some(&whole)), named("cars", None)];
    let of = |record: &FrameRecord| -> Value {
        serde_json::from_str(&raw::text(record, "source-1", Some(&names))).unwrap()
    };
    let mut record = frame("a.mp4", 3, None);
    record.names = Some(names.to_vec().into());
    record.outputs = Some(Arc::new([("n".to_owned(), json!(2))].into_iter().collect()));
    (record.predictions[0].outputs, record.predictions[1].outputs) = (0b001, 0b101);
    let text = of(&record);
    let keys: Vec<_> = text.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
    assert_eq!((&text["mood"], &text["n"]), (&whole, &json!(2)));
    assert_eq!(text["people"].as_array().unwrap().len(), 2);
    assert_eq!(text["cars"].as_array().unwrap().len(), 1);
    assert_eq!(text["cars"][0]["class_name"], "car");
    record.predictions.clear();
    let text = of(&record);
    assert_eq!((&text["people"], &text["cars"]), (&json!([]), &json!([])));
    // In a frame that was not looked at.
    (record.names, record.outputs) = (None, None);
    assert_eq!(of(&record), json!({"people": [], "cars": []}));
}

/// Follows every JSON path that the four queries of the replaced program's dashboard use.
#[test]
fn the_replaced_programs_queries_find_what_they_ask_for() {
    let text = classified();
    let mut walked = Vec::new();
    for panel in raw_dashboard(&name("video_stream_log"), "http://localhost:5001").panels {
        let sql = panel.viz_content;
        for list in after(&sql, "json_extract_array(raw, '") {
            let list = list.split('\'').next().unwrap();
            for key in after(&sql, "detected_objects:") {
                let key = word(key);
                walked.push(format!("{list}[]:{key}"));
                assert_eq!(text[list][0][key], "person");
            }
        }
        for path in after(&sql, "raw:") {
            let path = path.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).next();
            let path = path.unwrap();
            let value = path.split(':').fold(&text, |value, key| &value[key]);
            assert!(!value.is_null(), "{path}");
            assert!(!path.ends_with("confidence") || value.is_f64());
            walked.push(path.into());
        }
    }
    let all = [
        "model_detection_prediction[]:class_name",
        "model_violence_predictions:top",
        "model_violence_predictions:confidence",
    ];
    assert_eq!(walked, all);
}

fn after<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(mark).skip(1)
}

fn word(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap()
}

/// As `realtime_video_roboflow/dashboard/payload.json` of timeplus-io/examples has them.
#[test]
fn the_replaced_programs_charts_look_as_they_did() {
    let panels = raw_dashboard(&name("video_stream_log"), "http://localhost:5001").panels;
    let colors = [
        "#ED64A6", "#F0BE3E", "#DA4B36", "#9A1563", "#FF4A71", "#D12D50", "#8934D9", "#D53F8C",
        "#F7775A", "#8934D9",
    ];
    let bars = json!({
        "color": "", "colors": colors, "dataLabel": true, "fractionDigits": 2, "gridlines": true,
        "groupType": "stack", "legend": false, "unit": {"position": "left", "value": ""},
        "updateKey": "window_start", "updateMode": "time", "xAxis": "name", "xFormat": "HH:mm",
        "xTickLabel": {"maxChar": 10}, "xTitle": "", "yAxis": "count",
        "yTickLabel": {"maxChar": 25}, "yTitle": "",
    });
    assert_eq!(panels[0].viz_config, json!({"chartType": "bar", "config": bars}));
    let line = json!({
        "color": "", "colors": colors, "dataLabel": false, "fractionDigits": 2, "gridlines": false,
        "legend": false, "lineStyle": "curve", "points": false, "showAll": false,
        "unit": {"position": "left", "value": ""}, "xAxis": "window_start", "xFormat": "",
        "xRange": "5", "xTitle": "", "yAxis": "violence_rate", "yRange": {"max": null, "min": null},
        "yTickLabel": {"maxChar": 25}, "yTitle": "",
    });
    assert_eq!(panels[1].viz_config, json!({"chartType": "line", "config": line}));
}

#[test]
fn a_dashboard_is_made_once() {
    let list = |all: Value| all.to_string();
    assert_eq!(step(&list(json!([])), "a"), Ok(Step::Create));
    let known = json!([{"name": "b", "id": "1"}, {"name": "a", "id": "x-2"}]);
    assert_eq!(step(&list(known.clone()), "a"), Ok(Step::Update(format!("{PATH}/x-2"))));
    assert_eq!(step(&list(json!({"data": known})), "c"), Ok(Step::Create));
    let twice = json!([
        {"name": "a", "id": "late", "created_at": "2026-02-01T00:00:00Z"},
        {"name": "a", "id": "early", "created_at": "2026-01-01T00:00:00Z"},
    ]);
    assert_eq!(step(&list(twice), "a"), Ok(Step::Update(format!("{PATH}/early"))));
    for bad in ["", "{}", "[{\"name\":\"a\"}]", "[{\"name\":\"a\",\"id\":\"../x\"}]"] {
        assert!(step(bad, "a").is_err(), "{bad}");
    }
}

#[test]
fn panels_are_of_the_streams_that_are_there() {
    let titles = |shown: &Shown, page| {
        let panels = dashboard(shown, page).panels;
        panels.into_iter().map(|panel| panel.title).collect::<Vec<_>>()
    };
    let events = Shown { events: Some(name("e")), ..Shown::default() };
    assert_eq!(titles(&events, None), ["Events"]);
    let both = Shown { detections: Some((name("d"), name("f"))), ..events };
    assert_eq!(titles(&both, Some("http://localhost:5001")).len(), 7);
}

#[test]
fn an_address_cannot_leave_its_frame() {
    let board = raw_dashboard(&name("r"), "http://h/\"><script>");
    let content = board.panels[3].viz_config["config"]["content"].as_str().unwrap();
    assert!(content.starts_with(
        "<iframe src=\"http://h/&quot;&gt;&lt;script&gt;/static/video.html?id={{id}}\""
    ));
}
