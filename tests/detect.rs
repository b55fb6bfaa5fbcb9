//! The built-in model on the committed clip, against an outside judge.

use serde_json::Value;

use crate::common::{Place, frame_lines, of_type, records, records_of, sample};

/// A box: class, score, corners.
pub(crate) type Found = (u64, f64, [f64; 4]);

fn iou(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    let shared = width.max(0.0) * height.max(0.0);
    let area = |r: &[f64; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    shared / (area(a) + area(b) - shared)
}

/// How many of `some` that score at least 0.25 have a twin in `among`, and how many there are: the
/// same class, IoU and score no further apart than said.
pub(crate) fn matched(
    some: &[Vec<Found>],
    among: &[Vec<Found>],
    least_iou: f64,
    score_step: f64,
) -> (usize, usize) {
    let (mut hits, mut total) = (0, 0);
    for (some, among) in some.iter().zip(among) {
        let mut free = among.clone();
        for (class, score, bbox) in some.iter().filter(|found| found.1 >= 0.25) {
            total += 1;
            let twin = free.iter().position(|(other, s, b)| {
                other == class && (s - score).abs() <= score_step && iou(b, bbox) >= least_iou
            });
            if let Some(twin) = twin {
                hits += 1;
                free.remove(twin);
            }
        }
    }
    (hits, total)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub(crate) fn ours(frame: &Value) -> Vec<Found> {
    let found = |p: &Value| {
        let corners = ["x1", "y1", "x2", "y2"].map(|key| number(&p["bbox"][key]));
        (p["class_id"].as_u64().unwrap(), number(&p["confidence"]), corners)
    };
    frame["predictions"].as_array().unwrap().iter().map(found).collect()
}

fn golden() -> Vec<Vec<Found>> {
    let found = |b: &Value| {
        let corners = [2, 3, 4, 5].map(|i| number(&b[i]));
        (b[0].as_u64().unwrap(), number(&b[1]), corners)
    };
    include_str!("golden/pedestrians.nanodet-g-416.ndjson")
        .lines()
        .map(|line| {
            let frame: Value = serde_json::from_str(line).unwrap();
            frame["boxes"].as_array().unwrap().iter().map(found).collect()
        })
        .collect()
}

/// The golden boxes come from `tests/reference/reference.py`, which shares no code with us.
#[test]
fn boxes_are_those_of_the_reference() {
    let place = Place::new();
    let arguments = format!("run {} --stride 5 --conf 0.2", sample().display());
    let records = place.output(&arguments).ended(0).records();
    let ours: Vec<_> = of_type(&records, "frame").into_iter().map(ours).collect();
    let golden = golden();
    assert_eq!((ours.len(), golden.len()), (20, 20));
    for (name, (hits, total)) in [
        ("golden in ours", matched(&golden, &ours, 0.98, 0.005)),
        ("ours in golden", matched(&ours, &golden, 0.98, 0.005)),
    ] {
        assert!(total > 100, "{name}: {total}");
        assert!(hits * 1000 >= total * 995, "{name}: {hits} of {total}");
    }
}

#[test]
fn classes_and_confidence_filter() {
    let place = Place::new();
    let run = |more: &str| {
        let arguments = format!("run {} --max-frames 3 {more}", sample().display());
        let records = place.output(&arguments).ended(0).records();
        of_type(&records, "frame").into_iter().flat_map(ours).collect::<Vec<_>>()
    };
    let all = run("");
    let people = run("--classes person");
    assert!(!people.is_empty() && people.iter().all(|found| found.0 == 0));
    let filtered: Vec<_> = all.iter().filter(|found| found.0 == 0).cloned().collect();
    assert_eq!(people, filtered);
    assert!(run("--conf 0.7").iter().all(|found| found.1 >= 0.7));
    assert_eq!(run("--max-det 1").len(), 3);
}

#[test]
fn real_frame_lines_are_the_same_for_any_number_of_workers() {
    let place = Place::new();
    let run = |workers: u32| {
        let arguments = format!("run {} --max-frames 12 -w {workers}", sample().display());
        place.output(&arguments).ended(0).stdout()
    };
    let (one, two, eight) = (run(1), run(2), run(8));
    assert_eq!(frame_lines(&one).len(), 12);
    assert!(frame_lines(&one) == frame_lines(&two) && frame_lines(&one) == frame_lines(&eight));
    assert_eq!(records(&one)[0]["engine"], "tract");
}

#[test]
fn all_outputs_at_once() {
    let place = Place::new();
    let arguments = format!(
        "run {} --max-frames 5 -o out.mp4 --ndjson a.ndjson --csv a.csv --save-frames frames",
        sample().display()
    );
    place.output(&arguments).ended(0);
    assert_eq!(place.names(), ["a.csv", "a.ndjson", "frames", "out.mp4"]);
    let frames = std::fs::read_dir(place.path("frames")).unwrap().count();
    assert_eq!(frames, 5);
    let records = records_of(&place.path("a.ndjson"));
    let boxes: usize = of_type(&records, "frame").into_iter().map(|f| ours(f).len()).sum();
    let rows = std::fs::read_to_string(place.path("a.csv")).unwrap().lines().count();
    assert_eq!(rows, boxes + 1);
}
