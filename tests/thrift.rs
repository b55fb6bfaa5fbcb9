//! Less inference: frames that the model does not look at, and what their records say.

use serde_json::Value;

use crate::common::{Place, sample};

fn frames(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["type"] == "frame").collect()
}

/// The overlap of two boxes over their union.
fn iou(a: &Value, b: &Value) -> f64 {
    let side = |v: &Value, key: &str| v["bbox"][key].as_f64().unwrap();
    let across = side(a, "x2").min(side(b, "x2")) - side(a, "x1").max(side(b, "x1"));
    let down = side(a, "y2").min(side(b, "y2")) - side(a, "y1").max(side(b, "y1"));
    let both = across.max(0.0) * down.max(0.0);
    let area = |v: &Value| side(v, "width") * side(v, "height");
    both / (area(a) + area(b) - both)
}

#[test]
fn tracks_carry_boxes_over_frames_that_nobody_looked_at() {
    let place = Place::new();
    let run = format!("run {} --engine tract --track", sample().display());
    let every = place.output(&run).ended(0).records();
    let third = place.output(&format!("{run} --detect-every 3 --workers 3")).ended(0).records();
    let (every, summary) = (frames(&every), third.last().unwrap());
    let third = frames(&third);
    assert_eq!(summary["inferred"].as_u64().unwrap(), every.len().div_ceil(3) as u64);
    assert_eq!(summary["frames"].as_u64().unwrap(), every.len() as u64);
    let (mut sure, mut near) = (0, 0);
    for (index, (all, carried)) in every.iter().zip(&third).enumerate() {
        let found = |frame: &Value| frame["predictions"].as_array().unwrap().clone();
        let looked_at = index % 3 == 0;
        assert_eq!(carried.get("inferred").is_none(), looked_at);
        let marked = |found: &Value| found.get("predicted").is_some();
        assert!(found(carried).iter().all(|found| marked(found) != looked_at));
        // What stands or walks at an even pace is where its track says.
        for wanted in found(all).iter().filter(|found| found["confidence"].as_f64() > Some(0.7)) {
            sure += 1;
            near += usize::from(found(carried).iter().any(|found| iou(wanted, found) > 0.5));
        }
    }
    assert!(near as f64 > 0.8 * f64::from(sure), "{near} of {sure}");
}

#[test]
fn a_still_scene_is_looked_at_once_and_told_in_every_frame() {
    let place = Place::new();
    let cut = format!("run {} --max-frames 1 --save-frames one --draw none", sample().display());
    place.output(&format!("{cut} --engine fake")).ended(0);
    std::fs::create_dir(place.path("still")).unwrap();
    for i in 0..6 {
        let to = place.path(&format!("still/{i}.jpg"));
        std::fs::copy(place.path("one/000000.jpg"), to).unwrap();
    }
    let run = "run still --engine tract --motion-gate";
    let records = place.output(run).ended(0).records();
    assert_eq!(records.last().unwrap()["inferred"], 1);
    let told = |frame: &Value| {
        let found = frame["predictions"].as_array().unwrap().iter();
        found.map(|f| (f["class"].clone(), f["bbox"].clone())).collect::<Vec<_>>()
    };
    let frames = frames(&records);
    assert!(!told(frames[0]).is_empty());
    assert!(frames[0].get("inferred").is_none());
    for frame in &frames[1..] {
        assert_eq!((told(frame), &frame["inferred"]), (told(frames[0]), &Value::from(false)));
    }
    // The same again from the records, with tracks.
    place.output(&format!("{run} --ndjson found.ndjson")).ended(0);
    let model = place.output(&format!("{run} --track")).ended(0).records();
    let replay = "run still --detections found.ndjson --track --motion-gate";
    let replay = place.output(replay).ended(0).records();
    let tracks = |records: &[Value]| -> Vec<Value> {
        let found = records.iter().filter_map(|r| r["predictions"].as_array()).flatten();
        found.map(|f| f["tracker_id"].clone()).collect()
    };
    assert_eq!(tracks(&model), tracks(&replay));
    assert!(tracks(&model).iter().any(Value::is_u64));
}

#[test]
fn what_cannot_be_spared_says_why() {
    let place = Place::new();
    for (more, words) in [
        ("--detect-every 3", "--detect-every needs a tracker"),
        ("--track --detect-every 0", "--detect-every must be auto or a whole number"),
        ("--mask {polygon=[[0,0],[1,0],[1,1]]}", "--mask needs --motion-gate"),
        ("--motion-gate --mask {polygon=[[0,0],[1,0]]}", "polygon"),
    ] {
        let run = place.output(&format!("run {} {more}", sample().display())).ended(2);
        assert!(run.stderr().contains(words), "{more}: {}", run.stderr());
    }
}

#[test]
fn a_slow_model_is_asked_as_often_as_it_can_answer() {
    let place = Place::new();
    // 10 frames a second, and a model that takes half a second on one worker: every sixth frame,
    // once it is known how slow it is.
    let run = format!("run {} --workers 1 --track --detect-every auto", sample().display());
    let records = place.output(&format!("{run} --engine fake:sleep-ms=500 --max-frames 60"));
    let inferred = records.ended(0).records().last().unwrap()["inferred"].as_u64().unwrap();
    assert!((9..=14).contains(&inferred), "{inferred}");
}
