//! Tracks, events and the pictures of tracks, through the program and the built-in model.

use serde_json::Value;

use crate::common::{Place, of_type, sample};

fn run(place: &Place, arguments: &str) -> Vec<Value> {
    std::fs::copy(sample(), place.path("in.mp4")).unwrap();
    let run = format!("run in.mp4 --engine tract --ndjson - {arguments}");
    place.output(&run).ended(0).records()
}

fn ids(records: &[Value]) -> Vec<u64> {
    let frames = of_type(records, "frame");
    let found = frames.iter().flat_map(|frame| frame["predictions"].as_array().unwrap());
    found.filter_map(|found| found["tracker_id"].as_u64()).collect()
}

#[test]
fn tracks_are_dense_and_tell_when_they_come_and_go() {
    let place = Place::new();
    let records = run(&place, "--track --classes person");
    let mut ids = ids(&records);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
    assert!((5..=40).contains(&ids.len()), "a handful of people: {ids:?}");
    let events = of_type(&records, "event");
    let of = |kind: &str| -> Vec<u64> {
        let of_kind = events.iter().filter(|event| event["event"] == kind);
        of_kind.map(|event| event["tracker_id"].as_u64().unwrap()).collect()
    };
    assert_eq!(of("appeared"), ids, "each once, in their order");
    assert!(of("left").iter().all(|id| ids.contains(id)));
    assert!(!of("left").is_empty());
}

#[test]
fn tracking_changes_no_detection_and_repeats_itself() {
    let place = Place::new();
    let bare = |records: &[Value]| -> Vec<Value> {
        let frames = of_type(records, "frame");
        let found =
            frames.iter().flat_map(|frame| frame["predictions"].as_array().unwrap().clone());
        found
            .map(|mut found| {
                found.as_object_mut().unwrap().remove("tracker_id");
                found.as_object_mut().unwrap().remove("detection_id");
                found
            })
            .collect()
    };
    let without = run(&place, "--max-frames 40");
    let with = run(&place, "--max-frames 40 --tracker bytetrack --workers 1");
    assert_eq!(bare(&without), bare(&with));
    let again = run(&place, "--max-frames 40 --tracker bytetrack --workers 3");
    let lines = |records: &[Value]| {
        let told = |record: &&Value| record["type"] == "frame" || record["type"] == "event";
        records.iter().filter(told).cloned().collect::<Vec<_>>()
    };
    assert_eq!(lines(&with), lines(&again));
}

#[test]
fn each_track_has_its_best_picture() {
    let place = Place::new();
    let records = run(&place, "--track --classes person --snapshots best --max-frames 60");
    let events = of_type(&records, "event");
    let told: Vec<&Value> = events.into_iter().filter(|e| e["event"] == "snapshot").collect();
    let mut ids = ids(&records);
    ids.sort_unstable();
    ids.dedup();
    let mut of: Vec<u64> = told.iter().map(|e| e["tracker_id"].as_u64().unwrap()).collect();
    of.sort_unstable();
    assert_eq!(of, ids, "one for each");
    for event in told {
        let file = event["file"].as_str().unwrap();
        let picture = image::open(place.path(file)).unwrap();
        // The box of that very frame, and a tenth of it more on each side.
        let frame = of_type(&records, "frame")
            .into_iter()
            .find(|frame| frame["frame_id"] == event["frame_id"])
            .unwrap();
        let found = frame["predictions"].as_array().unwrap().iter();
        let found = found.clone().find(|f| f["tracker_id"] == event["tracker_id"]).unwrap();
        let (width, height) =
            (found["width"].as_f64().unwrap() * 1.2, found["height"].as_f64().unwrap() * 1.2);
        let apart = |got: u32, expected: f64| f64::from(got) - expected;
        // Less only at the edge of the picture.
        assert!(apart(picture.width(), width) <= 2.0, "{file}");
        assert!(apart(picture.height(), height) <= 2.0, "{file}");
        assert!(picture.width() >= 5 && picture.height() >= 5);
    }
    let files = std::fs::read_dir(place.path("best")).unwrap().count();
    assert_eq!(files, ids.len(), "and nothing else");
}

#[test]
fn settings_of_another_tracker_are_refused() {
    let place = Place::new();
    for (arguments, message) in [
        ("--snapshots best", "--snapshots needs a tracker"),
        ("--tracker sort --track-buffer 9", "--track-buffer is no setting of --tracker sort"),
        ("--track --track-low 0.9", "low threshold is above its high threshold"),
        ("--tracker best", "must be one of none, bytetrack, sort, ocsort"),
    ] {
        let said = place.output(&format!("run in.mp4 {arguments}")).ended(2).stderr();
        assert!(said.contains(message), "{arguments}: {said}");
    }
}
