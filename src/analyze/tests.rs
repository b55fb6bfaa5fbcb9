//! What a scene tells of tracks, with a tracker that says what the test wants.

use super::*;
use crate::geometry::BBox;
use crate::infer::labels::Labels;

/// Says that the detections of frame N are the tracks of list N; a track ends in the frame after
/// its last.
struct Scripted {
    frames: Vec<Vec<Option<u64>>>,
    next: usize,
}

impl Tracker for Scripted {
    fn update(&mut self, seen: &[Seen], _: Option<f64>) -> Update {
        let ids = self.frames[self.next].clone();
        assert_eq!(seen.len(), ids.len());
        let before = self.next.checked_sub(1).map_or(&[][..], |last| &self.frames[last]);
        let ended = before.iter().flatten().filter(|id| !ids.contains(&Some(**id)));
        let ended = ended.map(|id| Track {
            id: *id,
            class_id: 0,
            bbox: BBox::new(0.0, 0.0, 1.0, 1.0),
            estimate: BBox::new(0.0, 0.0, 1.0, 1.0),
            confidence: 0.5,
            first_s: Some(1.0),
            last_s: Some(3.5),
            hits: 2,
            lost: true,
        });
        let ended = ended.collect();
        self.next += 1;
        Update { ids, ended }
    }

    fn coast(&mut self, _: Option<f64>) -> Vec<Track> {
        unreachable!("every frame is looked at")
    }

    fn tracks(&self) -> Vec<Track> {
        Vec::new()
    }
}

fn scene(frames: Vec<Vec<Option<u64>>>, takes: Takes) -> Scene {
    let recorder = Recorder {
        source: "in/cam 1.mp4".into(),
        source_id: "s".into(),
        config_id: "c".into(),
        labels: Labels::coco(),
        keypoints: Labels::of(vec![]),
        recorded_at: None,
        timing: false,
    };
    Scene::new(recorder, 0.4).tracked(Box::new(Scripted { frames, next: 0 }), takes)
}

/// A frame with boxes of so much confidence and width, in a picture of 100 by 100.
fn frame(scene: &mut Scene, index: u64, boxes: &[(f32, f32)]) -> (FrameRecord, Vec<EventRecord>) {
    let detection = |&(confidence, width): &(f32, f32)| {
        Detection::of_box(BBox::new(10.0, 10.0, 10.0 + width, 50.0), confidence, 0)
    };
    let found = Found { detections: boxes.iter().map(detection).collect(), ..Found::default() };
    let meta = FrameMeta { index, pts_s: Some(index as f64 / 4.0), file: None };
    scene.frame(&meta, Size::new(100, 100), found, Duration::ZERO)
}

fn told(events: &[EventRecord]) -> Vec<(EventKind, Option<u64>)> {
    events.iter().map(|event| (event.event, event.tracker_id)).collect()
}

#[test]
fn unsure_detections_are_tracked_and_not_reported() {
    let mut scene = scene(vec![vec![Some(1), Some(2)]], Takes::default());
    let (record, events) = frame(&mut scene, 0, &[(0.9, 20.0), (0.2, 20.0)]);
    let ids: Vec<_> = record.predictions.iter().map(|found| found.tracker_id).collect();
    assert_eq!(ids, [Some(1)]);
    assert_eq!(told(&events), [(EventKind::Appeared, Some(1)), (EventKind::Appeared, Some(2))]);
}

#[test]
fn who_leaves_is_told_with_its_presence() {
    let mut scene = scene(vec![vec![None], vec![Some(1)], vec![]], Takes::default());
    assert!(frame(&mut scene, 0, &[(0.9, 20.0)]).1.is_empty(), "not yet confirmed");
    assert_eq!(told(&frame(&mut scene, 1, &[(0.9, 20.0)]).1), [(EventKind::Appeared, Some(1))]);
    let (_, events) = frame(&mut scene, 2, &[]);
    assert_eq!(told(&events), [(EventKind::Left, Some(1))]);
    assert_eq!(events[0].seconds, Some(2.5));
    assert_eq!((events[0].frame_id, events[0].class.as_deref()), (2, Some("person")));
}

#[test]
fn the_best_picture_of_each_track_is_told_when_it_leaves_or_at_the_end() {
    let takes = Takes { clips: None, snapshots: Some("best".into()) };
    let ids = vec![vec![Some(1)], vec![Some(1), Some(2)], vec![Some(2), Some(1)], vec![Some(2)]];
    let mut scene = scene(ids, takes);
    frame(&mut scene, 0, &[(0.9, 20.0)]);
    frame(&mut scene, 1, &[(0.9, 30.0), (0.8, 30.0)]);
    frame(&mut scene, 2, &[(0.9, 20.0), (0.9, 29.0)]);
    let (_, events) = frame(&mut scene, 3, &[(0.8, 20.0)]);
    assert_eq!(told(&events), [(EventKind::Left, Some(1)), (EventKind::Snapshot, Some(1))]);
    assert_eq!(events[1].frame_id, 1, "where it was largest");
    assert_eq!(events[1].file.as_deref(), Some("best/in_cam_1-00h00m00.250s-1.jpg"));
    let last = scene.end();
    assert_eq!(told(&last), [(EventKind::Snapshot, Some(2))]);
    assert_eq!(last[0].frame_id, 1);
}

#[test]
fn a_clip_is_told_for_the_events_that_are_asked_for() {
    let takes = Takes { clips: Some(("clips".into(), vec![EventKind::Left])), snapshots: None };
    let mut scene = scene(vec![vec![Some(1)], vec![]], takes);
    assert_eq!(told(&frame(&mut scene, 0, &[(0.9, 20.0)]).1), [(EventKind::Appeared, Some(1))]);
    let (_, events) = frame(&mut scene, 1, &[]);
    assert_eq!(told(&events), [(EventKind::Left, Some(1)), (EventKind::Clip, Some(1))]);
    assert_eq!(events[1].file.as_deref(), Some("clips/in_cam_1-00h00m00.250s-left-1.mp4"));
    assert_ne!(events[0].event_id, events[1].event_id);
}

#[test]
fn times_sort_as_words() {
    let time = |pts_s: Option<f64>| time_of(&Moment { frame_id: 41, pts_s });
    assert_eq!(time(Some(0.0)), "00h00m00.000s");
    assert_eq!(time(Some(3725.0625)), "01h02m05.063s");
    assert_eq!(time(None), "frame000041");
}
