//! What is in rows, and when they say it was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::super::columns::BATCH_ID;
use super::items::{event, frame, of_frame, prediction, run};
use super::*;
use crate::record::{EventRecord, FrameRecord};

fn at(text: &str) -> SystemTime {
    humantime::parse_rfc3339(text).unwrap()
}

fn maker(targets: Vec<Target>, first_frame: &str) -> Rows {
    let first_frame = at(first_frame);
    Rows::new(targets, begins(first_frame))
}

fn rows_of(maker: &mut Rows, items: &[Item]) -> Vec<Row> {
    let mut rows = Vec::new();
    items.iter().for_each(|item| give(maker, item, &mut rows));
    rows
}

fn values(row: &Row) -> Value {
    assert!(row.json.starts_with('{') && !row.json.contains('\n'), "{}", row.json);
    serde_json::from_str(&row.json).unwrap()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// A run, a full frame and a full event.
fn full() -> [Item; 3] {
    [
        Item::Run(Arc::new(run("a.mp4"))),
        of_frame(frame("a.mp4", 41, Some(4.1))),
        Item::Event(Arc::new(event("a.mp4", 40))),
    ]
}

#[test]
fn every_row_has_every_column() {
    let targets: Vec<_> = SCHEMAS.map(target).into();
    let mut maker = maker(targets.clone(), "2026-01-01T00:00:00Z");
    let mut items = full().to_vec();
    let mut bare = prediction("person", 0.5);
    (bare.place, bare.tracker_id, bare.predicted, bare.speed_m_s) = (None, None, None, None);
    (bare.keypoints, bare.points, bare.attributes) = (vec![], vec![], vec![]);
    items.push(of_frame(FrameRecord {
        source: "a.mp4".into(),
        predictions: vec![bare],
        ..FrameRecord::default()
    }));
    let empty = EventRecord { pts_s: None, name: None, class: None, ..event("a.mp4", 42) };
    items.push(Item::Event(Arc::new(empty)));
    let rows = rows_of(&mut maker, &items);
    let streams: Vec<_> = rows.iter().map(|row| row.stream).collect();
    assert_eq!(streams, [0, 0, 1, 3, 2, 0, 1, 3, 2], "events stand behind their frame");
    for row in &rows {
        let target = &targets[row.stream];
        let columns = target.insert_columns().into_iter().map(str::to_owned);
        let mut wanted: BTreeSet<_> = columns.collect();
        wanted.remove(BATCH_ID);
        assert_eq!(keys(&values(row)), wanted, "{:?}", target.table.schema);
    }
    let bare = values(&rows[5]);
    let nothing = ["pts_s", "x", "y2", "tracker_id", "speed_m_s"];
    assert!(nothing.iter().all(|key| bare[key].is_null()));
    assert!(["file", "extra"].iter().all(|key| bare[key] == ""));
}

#[test]
fn a_detection_keeps_its_numbers() {
    let mut maker = maker(vec![target(Schema::Detections)], "2026-01-01T00:00:00Z");
    let rows = rows_of(&mut maker, &full());
    let row = values(&rows[0]);
    assert_eq!(row["_tp_time"], "2026-01-01T00:00:04.100Z");
    assert_eq!((row["x"].as_f64(), row["y"].as_f64()), (Some(640.0), Some(360.25)));
    assert_eq!((row["x1"].as_f64(), row["y2"].as_f64()), (Some(590.0), Some(385.5)));
    assert_eq!((row["class"].as_str(), row["confidence"].as_f64()), (Some("person"), Some(0.91)));
    assert_eq!((row["tracker_id"].as_u64(), row["predicted"].as_u64()), (Some(7), Some(1)));
    let extra: Value = serde_json::from_str(row["extra"].as_str().unwrap()).unwrap();
    assert_eq!(extra["keypoints"][0]["class"], "nose");
    assert_eq!(extra["attributes"][0]["class"], "red");
}

#[test]
fn an_empty_frame_has_a_row() {
    let items = [
        Item::Run(Arc::new(run("a"))),
        of_frame(FrameRecord {
            source: "a".into(),
            inferred: Some(false),
            ..FrameRecord::default()
        }),
    ];
    let targets = vec![target(Schema::Detections), target(Schema::Frames)];
    let rows = rows_of(&mut maker(targets, "2026-01-01T00:00:00Z"), &items);
    assert_eq!(rows.len(), 1);
    let row = values(&rows[0]);
    assert_eq!((row["detections"].as_u64(), row["inferred"].as_u64()), (Some(0), Some(0)));
    assert_eq!((&row["classes"], &row["counts"]), (&Value::Array(vec![]), &Value::Array(vec![])));
}

#[test]
fn frames_count_by_class_and_zone() {
    let rows = rows_of(&mut maker(vec![target(Schema::Frames)], "2026-01-01T00:00:00Z"), &full());
    let row = values(&rows[0]);
    assert_eq!(row["classes"], serde_json::json!(["car", "person"]));
    assert_eq!(row["counts"], serde_json::json!([1, 1]));
    assert_eq!((&row["zones"][0], &row["zone_counts"][0]), (&"door".into(), &2.into()));
    assert_eq!((&row["lines_in"][0], &row["lines_out"][0]), (&3.into(), &1.into()));
    assert_eq!(row["tracked"], 2);
}

#[test]
fn event_time_is_that_of_the_record_or_of_the_first_frame() {
    let time = |first: &str, ts: Option<&str>, pts_s: Option<f64>| {
        let record = FrameRecord { ts: ts.map(Into::into), ..frame("a", 0, pts_s) };
        let items = [Item::Run(Arc::new(run("a"))), of_frame(record)];
        let rows = rows_of(&mut maker(vec![target(Schema::Frames)], first), &items);
        (values(&rows[0])["_tp_time"].as_str().unwrap().to_owned(), rows[0].day)
    };
    let midnight = "2026-01-01T23:59:59.950Z";
    assert_eq!(time(midnight, None, Some(0.0)), ("2026-01-01T23:59:59.950Z".into(), 20_454));
    assert_eq!(time(midnight, None, Some(0.05)), ("2026-01-02T00:00:00.000Z".into(), 20_455));
    assert_eq!(time(midnight, None, None).0, "2026-01-01T23:59:59.950Z");
    let ts = Some("2026-03-01T12:00:00.123456Z");
    assert_eq!(time(midnight, ts, Some(9.0)).0, "2026-03-01T12:00:00.123Z");
    for odd in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        assert_eq!(time(midnight, None, Some(odd)).0, "2026-01-01T23:59:59.950Z");
    }
    assert_eq!(time(midnight, Some("junk"), Some(0.0)).0, "2026-01-01T23:59:59.950Z");
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(3600);
    let mut maker = Rows::new(vec![target(Schema::Frames)], begins(early));
    assert_eq!(rows_of(&mut maker, &full())[0].day, 0, "no earlier than 1970");
    assert_eq!(time("2200-01-01T00:00:00Z", None, None).0, "2106-02-07T06:28:15.999Z");
}

#[test]
fn times_without_fractions_lose_none() {
    let coarse = |schema| Target { time: TimeForm::Seconds, ..target(schema) };
    let rows = rows_of(&mut maker(vec![coarse(Schema::Raw)], "2026-01-01T00:00:00Z"), &full());
    let row = values(&rows[0]);
    assert_eq!(
        (&row["_tp_time"], &row["_tp_ms"]),
        (&"2026-01-01T00:00:04Z".into(), &1_767_225_604_100u64.into())
    );
    let untimed = Target { time: TimeForm::None, ..target(Schema::Raw) };
    let rows = rows_of(&mut maker(vec![untimed], "2026-01-01T00:00:00Z"), &full());
    assert_eq!(keys(&values(&rows[0])), BTreeSet::from(["raw".into()]));
}

#[test]
fn the_clock_is_read_once_for_a_run() {
    let clock = at("2026-01-01T00:00:00Z");
    let begins = move |_: &_, known: Option<SystemTime>| Start {
        at: known.unwrap_or(clock),
        by_clock: true,
    };
    let mut record = frame("a", 1, Some(0.5));
    record.ts = Some("2026-06-06T06:06:06.000000Z".into());
    let (begun, frame) = (run("a"), of_frame(record));
    for (known, expected) in [
        (None, "2026-01-01T00:00:00.500Z"),
        (Some(at("2025-05-05T05:05:05Z")), "2025-05-05T05:05:05.500Z"),
    ] {
        let mut maker = Rows::new(vec![target(Schema::Frames)], Box::new(begins));
        assert_eq!(maker.begin(&begun, known), Some(known.unwrap_or(clock)), "for the next one");
        let mut rows = Vec::new();
        maker.write(&frame, &mut rows);
        assert_eq!(values(&rows[0])["_tp_time"], expected);
    }
    let mut maker = maker(vec![target(Schema::Frames)], "2026-01-01T00:00:00Z");
    assert_eq!(maker.begin(&begun, None), None, "what is known anyhow is not kept");
}

#[test]
fn progress_never_goes_back() {
    let rows = rows_of(&mut maker(vec![target(Schema::Events)], "2026-01-01T00:00:00Z"), &full());
    assert_eq!(rows[0].frame_id, 41, "it came behind this frame");
    assert_eq!(values(&rows[0])["frame_id"], 40, "and is about this one");
}

#[test]
fn an_event_has_every_key_of_its_record() {
    let record = serde_json::to_value(event("a", 1)).unwrap();
    let columns: BTreeSet<_> =
        Schema::Events.columns().iter().map(|column| column.name.to_owned()).collect();
    assert!(keys(&record).is_subset(&columns), "{:?}", keys(&record).difference(&columns));
}

#[test]
fn what_is_no_number_is_nothing() {
    let mut odd = prediction("person", f64::NAN);
    odd.speed_m_s = Some(f64::INFINITY);
    let record = FrameRecord { predictions: vec![odd], ..frame("a", 0, Some(f64::NAN)) };
    let items = [Item::Run(Arc::new(run("a"))), of_frame(record)];
    let targets = vec![target(Schema::Detections)];
    let rows = rows_of(&mut maker(targets, "2026-01-01T00:00:00Z"), &items);
    let row = values(&rows[0]);
    assert!(row["speed_m_s"].is_null() && row["pts_s"].is_null());
    assert_eq!(row["confidence"], 0.0);
}

#[test]
fn sources_keep_apart() {
    let mut second = run("b");
    second.source_id = "source-2".into();
    let items = [
        Item::Run(Arc::new(run("a"))),
        Item::Run(Arc::new(second)),
        of_frame(frame("a", 1, None)),
        of_frame(frame("b", 9, None)),
    ];
    let rows = rows_of(&mut maker(vec![target(Schema::Frames)], "2026-01-01T00:00:00Z"), &items);
    let ids: Vec<_> = rows.iter().map(|row| values(row)["source_id"].clone()).collect();
    assert_eq!(ids, ["source-1", "source-2"]);
}

proptest! {
    #[test]
    fn any_name_makes_a_row(source in any::<String>(), class in any::<String>()) {
        let mut record = frame(&source, 0, Some(0.0));
        record.predictions = vec![prediction(&class, 0.5)];
        let items = [Item::Run(Arc::new(run(&source))), of_frame(record)];
        let targets: Vec<_> = SCHEMAS.map(target).into();
        for row in rows_of(&mut maker(targets, "2026-01-01T00:00:00Z"), &items) {
            let values = values(&row);
            prop_assert!(values.get("source").is_none_or(|name| *name == *source));
            prop_assert!(values.get("class").is_none_or(|name| *name == *class));
        }
    }
}

/// By hand: `cargo test --lib sink::timeplus -- --ignored --nocapture rows_a_second`.
#[test]
#[ignore = "a figure, by hand"]
fn rows_a_second() {
    let mut record = frame("a", 0, Some(1.25));
    let plain = crate::record::Prediction {
        keypoints: vec![],
        points: vec![],
        attributes: vec![],
        detection_id: "6f0c41d2-7a4b-5d5e-9f3a-52c188e7d0b6".into(),
        ..prediction("person", 0.9123)
    };
    record.predictions = vec![plain; 8];
    let items = [Item::Run(Arc::new(run("a"))), of_frame(record)];
    let mut maker = maker(vec![target(Schema::Detections)], "2026-01-01T00:00:00Z");
    give(&mut maker, &items[0], &mut Vec::new());
    let (mut count, start) = (0, Instant::now());
    while start.elapsed() < Duration::from_secs(2) {
        let mut rows = Vec::new();
        (0..1000).for_each(|_| give(&mut maker, &items[1], &mut rows));
        count += rows.len();
    }
    say(&format!("{:.0} rows a second", count as f64 / start.elapsed().as_secs_f64()));
    assert!(count > 0);
}
