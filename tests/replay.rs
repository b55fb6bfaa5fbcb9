//! Records in the place of a model: the same records come out, with and without the video.

use serde_json::Value;

use crate::common::{Place, records_of, sample};

/// The frame and event records of a file.
fn told(place: &Place, file: &str) -> Vec<Value> {
    let told = |record: &Value| record["type"] == "frame" || record["type"] == "event";
    records_of(&place.path(file)).into_iter().filter(told).collect()
}

const TRACKING: &str = "--track --zone {name='z',polygon=[[0.2,0.2],[0.9,0.2],[0.9,0.9]]} \
                        --line {name='l',from=[430,100],to=[430,500]}";

#[test]
fn a_replay_gives_the_records_of_a_run_with_the_model() {
    let place = Place::new();
    std::fs::copy(sample(), place.path("in.mp4")).unwrap();
    let engine = "--engine tract --max-frames 60";
    place.output(&format!("run in.mp4 {engine} --conf 0.1 --ndjson once.ndjson")).ended(0);
    place.output(&format!("run in.mp4 {engine} {TRACKING} --ndjson model.ndjson")).ended(0);
    let replay = format!("--detections once.ndjson {TRACKING} --max-frames 60");
    place.output(&format!("run in.mp4 {replay} --ndjson video.ndjson")).ended(0);
    place.output(&format!("run {replay} --ndjson alone.ndjson")).ended(0);
    let expected = told(&place, "model.ndjson");
    assert!(expected.iter().any(|record| record["event"] == "zone_entered"));
    assert!(expected == told(&place, "video.ndjson"), "with the video");
    assert!(expected == told(&place, "alone.ndjson"), "with the records alone");
}

#[test]
fn a_replay_draws_and_cuts_clips_without_a_model() {
    let place = Place::new();
    std::fs::copy(sample(), place.path("in.mp4")).unwrap();
    place.output("run in.mp4 --engine tract --max-frames 20 --ndjson once.ndjson").ended(0);
    let outputs = "-o out.mp4 --snapshots best --csv out.csv";
    let run = format!("run in.mp4 --detections once.ndjson --model nowhere.onnx --track {outputs}");
    place.output(&run).ended(0);
    assert!(place.path("out.mp4").exists());
    assert!(std::fs::read_dir(place.path("best")).unwrap().count() > 0);
    let rows = std::fs::read_to_string(place.path("out.csv")).unwrap().lines().count();
    let boxes: usize = records_of(&place.path("once.ndjson"))
        .iter()
        .filter_map(|record| Some(record["predictions"].as_array()?.len()))
        .sum();
    assert_eq!(rows, boxes + 1);
}

#[test]
fn only_some_classes_and_times_can_be_replayed() {
    let place = Place::new();
    std::fs::copy(sample(), place.path("in.mp4")).unwrap();
    place.output("run in.mp4 --engine tract --max-frames 30 --ndjson once.ndjson").ended(0);
    let run =
        "run --detections once.ndjson --classes person --start 1 --stride 2 --ndjson out.ndjson";
    place.output(run).ended(0);
    let frames = told(&place, "out.ndjson");
    let ids: Vec<_> = frames.iter().map(|frame| frame["frame_id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (10..30).step_by(2).collect::<Vec<_>>());
    let found = frames.iter().flat_map(|frame| frame["predictions"].as_array().unwrap());
    let classes: Vec<_> = found.map(|found| found["class"].clone()).collect();
    assert!(!classes.is_empty() && classes.iter().all(|class| class == "person"));
}

#[test]
fn what_is_no_record_is_named_by_its_line() {
    let place = Place::new();
    std::fs::copy(sample(), place.path("in.mp4")).unwrap();
    place.output("run in.mp4 --engine fake --max-frames 3 --ndjson once.ndjson").ended(0);
    let good = std::fs::read_to_string(place.path("once.ndjson")).unwrap();
    let run = |text: &str, more: &str| {
        place.file("d.ndjson", text);
        place.output(&format!("run --detections d.ndjson {more}"))
    };
    let said = |text: &str, code: i32| run(text, "").ended(code).stderr();
    assert!(said("", 65).contains("without a run record"));
    assert!(said("hello\n", 65).contains("line 1 is no record"));
    let lines: Vec<&str> = good.lines().collect();
    let swapped = [lines[0], lines[2], lines[1]].join("\n") + "\n";
    assert!(said(&swapped, 65).contains("line 3 has a frame that does not come after the last"));
    let twice = [lines[0], lines[0]].join("\n") + "\n";
    assert!(said(&twice, 65).contains("line 2 starts a second run"));
    run(&good[..good.len() / 2], "--ndjson x").ended(0);
    let refused = run(&good, "-o out.mp4").ended(2).stderr();
    assert!(refused.contains("--output needs pictures"), "{refused}");
    let far = good.replace("\"x1\":0.0", "\"x1\":-1e30").replace("\"y2\":", "\"y2\":1e30,\"was\":");
    let drawn = "in.mp4 --max-frames 3 --ndjson far.ndjson -o far.mp4 --detections d.ndjson";
    place.file("d.ndjson", &far);
    place.output(&format!("run {drawn}")).ended(0);
    assert_eq!(records_of(&place.path("far.ndjson")).len(), lines.len(), "and all fit the schema");
    let missing = place.output("run --detections nowhere.ndjson").ended(66).stderr();
    assert!(missing.contains("nowhere.ndjson"), "{missing}");
}
