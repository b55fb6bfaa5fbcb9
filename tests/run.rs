//! Runs on made-up frames with a scripted detector: records, outputs, endings. They need neither
//! video nor model.

use crate::common::{Place, frame_ids, frame_lines, of_type, records_of};

#[test]
fn a_run_is_a_run_record_its_frames_and_a_summary() {
    let run = Place::new().output("run synthetic:64x48@10x5 --engine fake:boxes=2").ended(0);
    assert_eq!(run.stderr(), "");
    let records = run.records();
    assert_eq!(records[0]["type"], "run");
    assert_eq!(records[0]["input"]["width"], 64);
    assert_eq!(frame_ids(&records), [0, 1, 2, 3, 4]);
    let times: Vec<_> =
        of_type(&records, "frame").iter().map(|f| f["pts_s"].as_f64().unwrap()).collect();
    assert_eq!(times, [0.0, 0.1, 0.2, 0.3, 0.4]);
    let summary = records.last().unwrap();
    assert_eq!((&summary["type"], &summary["exit"]), (&"summary".into(), &"end_of_input".into()));
    assert_eq!((&summary["frames"], &summary["detections"]), (&5.into(), &10.into()));
    assert_eq!(summary["run_id"], records[0]["run_id"]);
}

#[test]
fn frame_lines_are_the_same_for_any_number_of_workers() {
    let place = Place::new();
    let run = |workers: u32| {
        let arguments = format!("run synthetic:64x48@25x300 --engine fake:boxes=3 -w {workers}");
        place.output(&arguments).ended(0).stdout()
    };
    let one = run(1);
    assert_eq!(frame_lines(&one).len(), 300);
    for workers in [1, 2, 8] {
        assert!(frame_lines(&run(workers)) == frame_lines(&one), "{workers} workers");
    }
}

#[test]
fn the_selection_is_counted() {
    let place = Place::new();
    let records = place
        .output("run synthetic:8x8@10x50 --engine fake --start 1 --end 00:00:03 --stride 4")
        .ended(0)
        .records();
    assert_eq!(frame_ids(&records), [12, 16, 20, 24, 28]);
    let summary = records.last().unwrap();
    assert_eq!(summary["skipped"]["start"], 10);
    assert_eq!(summary["skipped"]["stride"], 15);
    assert_eq!(summary["exit"], "end_of_input");
    let records = place.output("run synthetic:8x8@10x50 --engine fake --max-frames 3").records();
    assert_eq!((frame_ids(&records).len(), &records.last().unwrap()["exit"]), (3, &"limit".into()));
    let records = place.output("run synthetic:8x8@10x50 --engine fake --max-fps 5").records();
    assert_eq!(frame_ids(&records).len(), 25);
}

#[test]
fn files_get_their_names_at_the_end_and_agree() {
    let place = Place::new();
    place
        .output("run synthetic:64x48@10x5 --engine fake:boxes=2 --ndjson sub/a.ndjson --csv a.csv --summary-json s.json")
        .ended(0);
    assert_eq!(place.names(), ["a.csv", "s.json", "sub"]);
    let records = records_of(&place.path("sub/a.ndjson"));
    let csv = std::fs::read_to_string(place.path("a.csv")).unwrap();
    let mut rows = csv.lines();
    assert_eq!(
        rows.next().unwrap(),
        "source,frame_id,pts_s,ts,class_id,class,confidence,x_min,y_min,x_max,y_max,tracker_id,detection_id"
    );
    let first: Vec<_> = rows.next().unwrap().split(',').collect();
    let prediction = &of_type(&records, "frame")[0]["predictions"][0];
    assert_eq!(first[12], prediction["detection_id"]);
    assert_eq!(first[9].parse::<f64>().ok(), prediction["bbox"]["x2"].as_f64());
    assert_eq!((first[3], first[11]), ("", ""), "absent values are empty");
    assert_eq!(rows.count() + 1, 10);
    let summary = &records_of(&place.path("s.json"))[0];
    assert_eq!(summary["frames"], 5);
    let stages: Vec<_> = summary["stages"].as_object().unwrap().keys().collect();
    assert_eq!(stages, ["csv", "decode", "infer", "ndjson", "postprocess", "preprocess"]);
}

#[test]
fn emit_detections_is_one_flat_line_a_box() {
    let place = Place::new();
    let emitted = "run synthetic:64x48@10x3 --engine fake:boxes=2 --emit detections";
    let records = place.output(emitted).ended(0).records();
    let detections = of_type(&records, "detection");
    assert_eq!(detections.len(), 6);
    assert!(detections.iter().all(|d| d.as_object().unwrap().values().all(|v| !v.is_object())));
    assert!(of_type(&records, "frame").is_empty());
}

#[test]
fn names_times_and_timing_are_added_when_asked_for() {
    let place = Place::new();
    let records = place
        .output("run synthetic:8x8@10x2 --engine fake --name cam --recorded-at 2026-01-02T03:04:05Z --timing")
        .ended(0)
        .records();
    let second = of_type(&records, "frame")[1];
    assert_eq!(second["source"], "cam");
    assert_eq!(second["ts"], "2026-01-02T03:04:05.100000Z");
    assert!(second["timing_ms"]["infer"].is_number());
}

#[test]
fn pictures_have_files_and_no_times() {
    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    for (name, side) in [("a2.png", 20), ("a10.png", 30), ("a1.png", 10)] {
        image::RgbImage::new(side, side).save(place.path("in").join(name)).unwrap();
    }
    let records = place.output("run in --engine fake").ended(0).records();
    let frames = of_type(&records, "frame");
    let files: Vec<_> = frames.iter().map(|f| f["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["in/a1.png", "in/a2.png", "in/a10.png"]);
    assert!(frames.iter().all(|f| f.get("pts_s").is_none()));
    assert_eq!(frames[2]["image"]["width"], 30);
    let one = place.output("run in/a1.png --engine fake").ended(0).records();
    assert_eq!(frame_ids(&one), [0]);
}

#[test]
fn two_inputs_of_one_name_get_different_detections() {
    let place = Place::new();
    let ids = |folder: &str, shade: u8| {
        std::fs::create_dir(place.path(folder)).unwrap();
        let picture = image::RgbImage::from_pixel(32, 32, image::Rgb([shade; 3]));
        picture.save(place.path(folder).join("a.png")).unwrap();
        let run = || place.output(&format!("run {folder}/a.png --engine fake")).records();
        assert_eq!(of_type(&run(), "frame"), of_type(&run(), "frame"), "the same again");
        run()[1]["predictions"][0]["detection_id"].clone()
    };
    assert_ne!(ids("x", 1), ids("y", 2));
}

#[test]
fn a_bug_ends_with_101_and_leaves_closed_parts() {
    let place = Place::new();
    let run = place
        .output("run synthetic:8x8@10x1000 --engine fake:panic=20 --ndjson a.ndjson --csv a.csv")
        .ended(101);
    assert!(run.stderr().contains("error: a bug in inference: the script says so"));
    assert_eq!(place.names(), ["a.part.csv", "a.part.ndjson"]);
    let records = records_of(&place.path("a.part.ndjson"));
    let summary = records.last().unwrap();
    assert_eq!((&summary["exit"], &summary["exit_code"]), (&"error".into(), &101.into()));
    assert_eq!(summary["frames"], frame_ids(&records).len());
}

#[test]
fn a_failing_model_ends_with_1_and_whole_files() {
    let place = Place::new();
    let run =
        place.output("run synthetic:8x8@10x1000 --engine fake:fail=20 --ndjson a.ndjson").ended(1);
    assert!(run.stderr().contains("the model failed in fake: the script says so"));
    let records = records_of(&place.path("a.ndjson"));
    assert_eq!(records.last().unwrap()["exit"], "error");
}

#[test]
fn a_full_disk_is_named() {
    let place = Place::new();
    let run = place.output("run synthetic:8x8@10x1000 --engine fake --ndjson /dev/full").ended(74);
    assert!(run.stderr().contains("cannot write '/dev/full': no space left on device"));
    assert!(run.stderr().contains("hint: make room"));
    let run = place.output("run synthetic:8x8@10x1000 --engine fake --csv /dev/full").ended(74);
    assert!(run.stderr().contains("'/dev/full'"));
}

#[test]
fn quiet_says_nothing_and_json_logs_are_json() {
    let place = Place::new();
    let run = place.output("run synthetic:8x8@10x5 --engine fake -q --csv a.csv").ended(0);
    assert_eq!(run.stderr(), "");
    assert_eq!(run.stdout(), "");
    let run = place.output("run no.mp4 --engine fake --log-format json").ended(66);
    let line: serde_json::Value =
        serde_json::from_str(run.stderr().lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "error");
}

#[test]
fn a_pipe_that_gets_nothing_is_mentioned_once() {
    let run = Place::new().output("run synthetic:8x8@10x5 --engine fake --csv a.csv").ended(0);
    assert_eq!(run.stderr().lines().count(), 1);
    assert!(run.stderr().contains("standard output gets nothing"));
}

#[test]
fn json_progress_goes_to_standard_error() {
    let run = Place::new()
        .output("run synthetic:8x8@10x30 --engine fake:sleep-ms=100 -w 2 --progress json")
        .ended(0);
    let line: serde_json::Value =
        serde_json::from_str(run.stderr().lines().next().unwrap()).unwrap();
    assert_eq!((&line["type"], &line["total"]), (&"progress".into(), &30.into()));
    assert_eq!(frame_ids(&run.records()).len(), 30);
}
