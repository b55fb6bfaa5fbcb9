//! What is planned for a record in a style.

use super::*;
use crate::record::Place;

/// Draws nothing.
struct Nothing;

impl Rasterizer for Nothing {
    fn draw(&mut self, _: &mut Image, _: &[DrawOp]) -> Result<(), AnnotateError> {
        Ok(())
    }
}

fn style(marks: &[Mark]) -> Style {
    Style { marks: marks.to_vec(), ..Style::default() }
}

fn painter(marks: &[Mark]) -> Painter<Nothing> {
    Painter::new(Nothing, Fonts::new(None).unwrap(), style(marks), None)
}

const SIZE: Size = Size::new(400, 300);

fn record(frame_id: u64, boxes: usize) -> FrameRecord {
    let prediction = |i: usize| Prediction {
        place: Some(Place::rounded(&BBox::new(
            i as f32 * 100.0,
            50.0,
            i as f32 * 100.0 + 90.0,
            90.0,
        ))),
        confidence: 0.876,
        class: "person".into(),
        class_id: i as u32,
        tracker_id: None,
        detection_id: String::new(),
        predicted: None,
        speed_m_s: None,
        heading_deg: None,
        keypoints: vec![],
        points: vec![],
        rotation_deg: None,
        attributes: vec![],
        outputs: 0,
    };
    FrameRecord {
        source: "s".into(),
        frame_id,
        pts_s: Some(frame_id as f64 / 10.0),
        image: SIZE,
        predictions: (0..boxes).map(prediction).collect(),
        ..FrameRecord::default()
    }
}

/// The kinds of operations, in their order.
fn kinds(ops: &[DrawOp]) -> Vec<&'static str> {
    let kind = |op: &DrawOp| match op {
        DrawOp::Outline { .. } => "outline",
        DrawOp::Label { .. } => "label",
        DrawOp::Path { .. } => "path",
        DrawOp::Area { .. } => "area",
        DrawOp::Dot { .. } => "dot",
        DrawOp::Ring { .. } => "ring",
        DrawOp::Heat(_) => "heat",
        DrawOp::Hide { .. } => "hide",
    };
    ops.iter().map(kind).collect()
}

#[test]
fn the_most_confident_box_is_drawn_last_and_labels_on_top() {
    let ops = painter(&[Mark::Boxes, Mark::Labels]).plan(&record(0, 2), SIZE);
    let x = |op: &DrawOp| match op {
        DrawOp::Outline { bbox, .. } => ("outline", bbox.x1 as i32),
        DrawOp::Label { place, .. } => ("label", place.x),
        other => panic!("{other:?}"),
    };
    let order: Vec<_> = ops.iter().map(x).collect();
    assert_eq!(order, [("outline", 100), ("outline", 0), ("label", 100), ("label", 0)]);
}

#[test]
fn each_mark_draws_its_own() {
    let mut record = record(0, 1);
    let found = &mut record.predictions[0];
    found.tracker_id = Some(7);
    found.points = vec![PointRecord { x: 1.0, y: 1.0 }; 3];
    let expected: [(Mark, &[&str]); 11] = [
        (Mark::Boxes, &["outline"]),
        (Mark::Labels, &["label"]),
        (Mark::Confidence, &["label"]),
        (Mark::Ids, &["label"]),
        (Mark::Trace, &["path"]),
        (Mark::Masks, &["area", "path"]),
        (Mark::Corners, &["path"; 4]),
        (Mark::Ellipse, &["ring"]),
        (Mark::Dot, &["dot"]),
        (Mark::Heatmap, &["heat"]),
        (Mark::Counts, &["label"]),
    ];
    for (mark, ops) in expected {
        assert_eq!(kinds(&painter(&[mark]).plan(&record, SIZE)), ops, "{mark:?}");
    }
    assert!(painter(&[Mark::Blur]).plan(&record, SIZE).is_empty(), "hidden before, not drawn");
}

#[test]
fn an_oriented_box_is_drawn_as_it_lies() {
    let mut record = record(0, 1);
    let found = &mut record.predictions[0];
    let corners = [(20.0, 0.0), (40.0, 20.0), (20.0, 40.0), (0.0, 20.0)];
    found.points = corners.map(|(x, y)| PointRecord { x, y }).to_vec();
    found.rotation_deg = Some(45.0);
    let planned = |mark: Mark| painter(&[mark]).plan(&record, SIZE);
    let [DrawOp::Path { points, closed: true, .. }] = &planned(Mark::Boxes)[..] else { panic!() };
    assert_eq!(
        points.iter().map(|p| (p.x, p.y)).collect::<Vec<_>>(),
        corners.map(|(x, y)| (x as f32, y as f32))
    );
    assert_eq!(planned(Mark::Masks), [], "the box is no mask");
    let hooks = planned(Mark::Corners);
    let DrawOp::Path { points, closed: false, .. } = &hooks[0] else { panic!() };
    // A quarter of both sides from the corner.
    assert_eq!(
        points.iter().map(|p| (p.x, p.y)).collect::<Vec<_>>(),
        [(15.0, 5.0), (20.0, 0.0), (25.0, 5.0)]
    );
}

#[test]
fn a_label_has_the_parts_that_are_asked_for() {
    let mut found = record(0, 1).predictions.remove(0);
    found.tracker_id = Some(7);
    let text = |marks: &[Mark]| words(&found, &style(marks));
    let all = [Mark::Ids, Mark::Labels, Mark::Confidence];
    assert_eq!(text(&all).as_deref(), Some("#7 person 0.88"));
    assert_eq!(text(&[Mark::Ids]).as_deref(), Some("#7"));
    assert_eq!(text(&[Mark::Boxes]), None);
}

#[test]
fn bones_join_what_was_seen() {
    let mut record = record(0, 1);
    let keypoint = |id: u32| KeypointRecord {
        x: f64::from(id),
        y: 0.0,
        confidence: Some(if id == 9 { 0.1 } else { 0.9 }),
        class: "k".into(),
        class_id: id,
    };
    record.predictions[0].keypoints = (0..17).map(keypoint).collect();
    let ops = kinds(&painter(&[Mark::Keypoints]).plan(&record, SIZE));
    let count = |kind: &str| ops.iter().filter(|other| **other == kind).count();
    assert_eq!((count("path"), count("dot")), (15, 16), "none to the unseen wrist");
}

#[test]
fn a_trail_follows_its_track_for_two_seconds() {
    let mut painter = painter(&[Mark::Trace]);
    let mut points = 0;
    for frame in 0..50 {
        let mut record = record(frame, 1);
        record.predictions[0].tracker_id = Some(1);
        if let [DrawOp::Path { points: path, .. }] = &painter.plan(&record, SIZE)[..] {
            points = path.len();
        }
    }
    assert_eq!(points, 21, "from now to two seconds ago at ten frames a second");
}

#[test]
fn who_was_hidden_stays_hidden_for_a_moment() {
    let mut veil = Veil::of(&style(&[Mark::Blur]), Some(vec![0])).unwrap();
    assert_eq!(veil.plan(&record(0, 2)).len(), 1, "only the class that is asked for");
    for frame in 1..=5 {
        assert_eq!(veil.plan(&record(frame, 0)).len(), 1, "{frame}");
    }
    assert!(veil.plan(&record(6, 0)).is_empty());
    let DrawOp::Hide { bbox, .. } = &veil.plan(&record(7, 1))[0] else { panic!("another") };
    assert!(bbox.x1 < -8.0 && bbox.x2 > 98.0, "hair and ears too");
}

#[test]
fn who_is_found_but_not_reported_is_hidden_too() {
    let mut veil = Veil::of(&style(&[Mark::Pixelate]), Some(vec![0])).unwrap();
    let mut record = record(0, 0);
    record.unreported =
        vec![(BBox::new(5.0, 5.0, 9.0, 9.0), 0), (BBox::new(5.0, 5.0, 9.0, 9.0), 1)];
    assert_eq!(veil.plan(&record).len(), 1);
}

#[test]
fn counts_are_by_class() {
    let mut record = record(0, 3);
    record.predictions[2].class_id = 1;
    let counts: Vec<_> = counts(&record).into_values().collect();
    assert_eq!(counts, [1, 2]);
}

#[test]
fn lines_and_text_grow_with_the_picture_and_the_style() {
    let sizes = [(320, 240), (768, 576), (1920, 1080), (3840, 2160)];
    let of = |style: &Style| sizes.map(|(w, h)| Scale::of(Size::new(w, h), style));
    let usual = of(&style(&[]));
    assert_eq!(usual.each_ref().map(|s| s.line), [1, 2, 4, 8]);
    assert_eq!(usual.each_ref().map(|s| s.capital), [9, 10, 19, 37]);
    let chosen = of(&Style { line_width: Some(3), font_scale: 2.0, ..style(&[]) });
    assert_eq!(chosen.each_ref().map(|s| s.line), [3; 4]);
    assert_eq!(chosen.each_ref().map(|s| s.capital), [18, 20, 38, 74]);
}
