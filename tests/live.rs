//! Files read as cameras are: at their own pace, again and again, with frames dropped to keep up.

use serde_json::Value;

use crate::common::{Place, sample};

fn frames(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["type"] == "frame").collect()
}

#[test]
fn what_is_dropped_is_counted_to_the_last_frame() {
    let place = Place::new();
    for policy in ["latest", "bounded:150ms"] {
        let run = format!(
            "run {} --engine fake:sleep-ms=250 --workers 1 --realtime --live yes --max-frames 40 \
             --live-policy {policy}",
            sample().display()
        );
        let records = place.output(&run).ended(0).records();
        let summary = records.last().unwrap();
        assert_eq!(records[0]["input"]["live"], true);
        let count = |key: &str| summary["dropped"][key].as_u64().unwrap();
        let dropped = count("live") + count("stale");
        let processed = frames(&records).len() as u64;
        assert_eq!(summary["frames_read"].as_u64(), Some(processed + dropped), "{policy}");
        assert!(dropped > 0 && processed > 5, "{policy}: {processed} and {dropped}");
        assert!(summary["stages"]["age"]["p99_ms"].is_number());
    }
}

#[test]
fn a_file_goes_round_with_times_that_go_on() {
    let place = Place::new();
    let plain = format!("run {} --engine fake", sample().display());
    let once = frames(&place.output(&plain).ended(0).records()).len();
    let most = once + once / 2;
    let records = place.output(&format!("{plain} --loop --max-frames {most}")).ended(0).records();
    let frames = frames(&records);
    assert_eq!(frames.len(), most);
    for (index, pair) in frames.windows(2).enumerate() {
        assert_eq!(pair[1]["frame_id"].as_u64(), Some(index as u64 + 1));
        let time = |frame: &Value| frame["pts_s"].as_f64().unwrap();
        assert!((time(pair[1]) - time(pair[0]) - 0.1).abs() < 0.01, "at {index}");
    }
}

#[test]
fn a_file_at_its_own_pace_takes_its_time() {
    let place = Place::new();
    let run = format!("run {} --engine fake --realtime --max-frames 11", sample().display());
    let records = place.output(&run).ended(0).records();
    // Ten intervals of a tenth of a second; how much longer is the machine's matter.
    assert!(records.last().unwrap()["elapsed_s"].as_f64() >= Some(1.0));
    assert_eq!(frames(&records).len(), 11);
}
