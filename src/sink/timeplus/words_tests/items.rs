//! Items: made up, and read from records.

use std::sync::Arc;

use serde_json::Value;

use crate::frame::Size;
use crate::geometry::BBox;
use crate::record::{
    AttributeRecord, ClassCount, EventKind, EventRecord, FrameRecord, InputInfo, KeypointRecord,
    LineRecord, ModelInfo, Place, PointRecord, Prediction, RunRecord, TimingMs, ZoneRecord,
};
use crate::sink::Item;

pub(super) fn run(source: &str) -> RunRecord {
    RunRecord {
        schema: "vision-pipe/1",
        version: "0",
        run_id: "run-1".into(),
        source: source.into(),
        input: InputInfo {
            uri: source.into(),
            width: 640,
            height: 480,
            fps: None,
            frames: None,
            live: false,
            pts_source: None,
        },
        segment: None,
        source_id: "source-1".into(),
        detector_id: "d".into(),
        config_id: "config-1".into(),
        settings_id: None,
        model: ModelInfo {
            name: "m".into(),
            sha256: String::new(),
            task: "detect",
            imgsz: [1, 1],
            names: None,
        },
        engine: "fake".into(),
        workers: 1,
        started_at: "2026-01-01T00:00:00.000Z".into(),
    }
}

pub(super) fn prediction(class: &str, confidence: f64) -> Prediction {
    Prediction {
        place: Some(Place::rounded(&BBox::new(590.0, 335.0, 690.0, 385.5))),
        confidence,
        class: class.into(),
        class_id: 0,
        tracker_id: Some(7),
        detection_id: "id-1".into(),
        predicted: Some(true),
        speed_m_s: Some(1.5),
        heading_deg: Some(90.0),
        keypoints: vec![KeypointRecord {
            x: 1.0,
            y: 2.0,
            confidence: None,
            class: "nose".into(),
            class_id: 0,
        }],
        points: vec![PointRecord { x: 1.0, y: 2.0 }],
        rotation_deg: None,
        attributes: vec![AttributeRecord {
            model: "colour".into(),
            class: "red".into(),
            class_id: 1,
            confidence: 0.5,
        }],
        outputs: 0,
    }
}

/// A frame in which everything has a value.
pub(super) fn frame(source: &str, frame_id: u64, pts_s: Option<f64>) -> FrameRecord {
    FrameRecord {
        source: source.into(),
        frame_id,
        pts_s,
        ts: None,
        file: Some("a.jpg".into()),
        image: Size::new(640, 480),
        outputs: None,
        names: None,
        inferred: None,
        top: Some("street".into()),
        confidence: Some(0.75),
        predictions: vec![prediction("person", 0.91), prediction("car", 0.5)],
        zones: vec![ZoneRecord {
            name: "door".into(),
            count: 2,
            classes: vec![ClassCount { class: "person".into(), class_id: 0, count: 2 }],
        }],
        lines: vec![LineRecord { name: "gate".into(), count_in: 3, count_out: 1, classes: vec![] }],
        unreported: vec![],
        timing_ms: Some(TimingMs { decode: 1.0, preprocess: 1.0, infer: 1.0, postprocess: 1.0 }),
    }
}

pub(super) fn event(source: &str, frame_id: u64) -> EventRecord {
    EventRecord {
        source: source.into(),
        frame_id,
        pts_s: Some(1.0),
        ts: None,
        event_id: "event-1".into(),
        event: EventKind::LineCrossed,
        name: Some("gate".into()),
        direction: Some("in"),
        count: Some(3),
        cause: Some("event-0".into()),
        tracker_id: Some(7),
        class: Some("person".into()),
        class_id: Some(0),
        seconds: Some(2.5),
        file: Some("clip.mp4".into()),
    }
}

pub(super) fn of_frame(record: FrameRecord) -> Item {
    Item::Frame { record: Arc::new(record), image: None, clean: None }
}

/// What a file of records has, as an output is given it.
pub(super) fn read(text: &str) -> Vec<Item> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| item(&line)).collect()
}

fn item(line: &Value) -> Option<Item> {
    let text = |key: &str| line[key].as_str().map(str::to_owned);
    let name = |key: &str| line[key].as_str().map(Arc::from);
    let pts_s = line["pts_s"].as_f64();
    match line["type"].as_str()? {
        "run" => Some(Item::Run(Arc::new(RunRecord {
            run_id: text("run_id")?,
            source_id: text("source_id")?,
            config_id: text("config_id")?,
            settings_id: text("settings_id"),
            ..run(line["source"].as_str()?)
        }))),
        "frame" => Some(of_frame(FrameRecord {
            source: name("source")?,
            frame_id: line["frame_id"].as_u64()?,
            pts_s,
            image: Size::new(side(line, "width"), side(line, "height")),
            predictions: line["predictions"].as_array()?.iter().filter_map(stored).collect(),
            zones: line["zones"].as_array().into_iter().flatten().filter_map(zone).collect(),
            ..FrameRecord::default()
        })),
        "event" => Some(Item::Event(Arc::new(EventRecord {
            frame_id: line["frame_id"].as_u64()?,
            pts_s,
            event_id: text("event_id")?,
            event: EventKind::HAPPENINGS.iter().find(|(word, _)| line["event"] == *word)?.1,
            name: name("name"),
            direction: line["direction"]
                .as_str()
                .map(|word| if word == "in" { "in" } else { "out" }),
            count: line["count"].as_u64(),
            cause: None,
            tracker_id: line["tracker_id"].as_u64(),
            class: name("class"),
            class_id: line["class_id"].as_u64().map(|id| id as u32),
            seconds: line["seconds"].as_f64(),
            file: None,
            ..event(line["source"].as_str()?, 0)
        }))),
        _ => None,
    }
}

fn side(line: &Value, key: &str) -> u32 {
    line["image"][key].as_u64().unwrap() as u32
}

fn stored(found: &Value) -> Option<Prediction> {
    let edge = |key: &str| found["bbox"][key].as_f64().unwrap() as f32;
    let bbox = BBox::new(edge("x1"), edge("y1"), edge("x2"), edge("y2"));
    Some(Prediction {
        place: Some(Place::rounded(&bbox)),
        class_id: found["class_id"].as_u64()? as u32,
        tracker_id: found["tracker_id"].as_u64(),
        detection_id: found["detection_id"].as_str()?.into(),
        predicted: None,
        speed_m_s: None,
        heading_deg: None,
        keypoints: vec![],
        points: vec![],
        attributes: vec![],
        ..prediction(found["class"].as_str()?, found["confidence"].as_f64()?)
    })
}

fn zone(zone: &Value) -> Option<ZoneRecord> {
    let count = zone["count"].as_u64()?;
    Some(ZoneRecord { name: zone["name"].as_str()?.into(), count, classes: vec![] })
}
