//! What was found is the same after a format and back, but for what it cannot hold.

use proptest::prelude::*;

use super::super::found::{Corners, Found, Keypoint, class_of, derived_id};
use super::super::ndjson_write::NdjsonWriter;
use super::super::stream::Writer;
use super::*;

const SIZE: Size = Size::new(1920, 1080);
const CLASSES: [&str; 4] = ["person", "a, \"b\"\u{e9}", "traffic light", "7"];

/// Of whole hundredths, as all our positions are.
fn hundredths(of: u32) -> f64 {
    f64::from(of) / 100.0
}

fn corners() -> impl Strategy<Value = Corners> {
    let side = |bound: u32| (0..=bound * 100, 0..=bound * 100);
    (side(SIZE.width), side(SIZE.height)).prop_map(|((a, b), (c, d))| Corners {
        x1: hundredths(a.min(b)),
        y1: hundredths(c.min(d)),
        x2: hundredths(a.max(b)),
        y2: hundredths(c.max(d)),
    })
}

fn spot() -> impl Strategy<Value = [f64; 2]> {
    (0..=SIZE.width * 100, 0..=SIZE.height * 100).prop_map(|(x, y)| [hundredths(x), hundredths(y)])
}

fn keypoints() -> impl Strategy<Value = Vec<Keypoint>> {
    let points = prop::collection::vec((spot(), 0..=10_000_u32), 0..4);
    points.prop_map(|points| {
        let points = points.into_iter().zip(0..);
        points
            .map(|(([x, y], sure), at)| Keypoint {
                x,
                y,
                confidence: Some(f64::from(sure) / 10_000.0),
                class: format!("keypoint_{at}"),
                class_id: at,
            })
            .collect()
    })
}

fn found() -> impl Strategy<Value = Found> {
    let outline = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(spot(), 3..7)];
    let place = prop_oneof![9 => corners().prop_map(Some), 1 => Just(None)];
    let track = prop::option::of(1..2000_u64);
    (place, 0..=10_000_u32, 0..4_u32, track, keypoints(), outline).prop_map(
        |(corners, sure, class_id, tracker_id, keypoints, points)| Found {
            corners: Corners::around(&points).or(corners),
            confidence: Some(f64::from(sure) / 10_000.0),
            class: Some(CLASSES[class_id as usize].into()),
            class_id,
            tracker_id,
            keypoints,
            points,
            ..Found::default()
        },
    )
}

/// Some frames of one source, in order, not all of them there.
fn clip() -> impl Strategy<Value = Vec<FrameFound>> {
    let frame = (1..5_u64, prop::collection::vec(found(), 0..5));
    prop::collection::vec(frame, 1..6).prop_map(|frames| {
        let mut next = 0;
        let mut clip = Vec::new();
        for (step, mut boxes) in frames {
            next += step;
            for (found, at) in boxes.iter_mut().zip(0..) {
                found.detection_id = Some(derived_id("own", next, at));
            }
            clip.push(FrameFound {
                source: "cam 1".into(),
                frame_id: next - 1,
                pts_s: Some((next - 1) as f64 / 25.0),
                size: Some(SIZE),
                boxes,
                ..FrameFound::default()
            });
        }
        clip
    })
}

/// Our NDJSON of frames.
fn ndjson(clip: &[FrameFound]) -> String {
    let mut bytes = Vec::new();
    let mut writer = NdjsonWriter::new(&mut bytes, "x", Emit::Frames);
    for frame in clip {
        writer.frame(frame.clone(), &mut Notes::default()).unwrap();
    }
    String::from_utf8(bytes).unwrap()
}

/// What is left of a clip after a format and back.
fn left(clip: &[FrameFound], format: Format, holds: Holds) -> Vec<FrameFound> {
    let mut clip = clip.to_vec();
    for frame in &mut clip {
        frame.boxes.retain(|found| holds.boxless || found.corners.is_some());
        frame.boxes.retain(|found| holds.untracked || found.tracker_id.is_some());
        frame.pts_s = frame.pts_s.filter(|_| holds.times);
        let frame_id = frame.frame_id;
        for (found, at) in frame.boxes.iter_mut().zip(0..) {
            if !holds.classes {
                (found.class_id, found.class) = (0, Some(CLASSES[0].into()));
            }
            if !holds.ids {
                found.detection_id = Some(derived_id("cam 1", frame_id, at));
            }
            if !holds.keypoints {
                found.keypoints.clear();
            }
            if format == Format::Yolo && !found.points.is_empty() {
                found.tracker_id = None;
            }
            if !holds.outlines {
                found.points.clear();
            }
        }
    }
    clip.retain(|frame| holds.empty || !frame.boxes.is_empty());
    clip
}

/// What the formats do not tell.
fn options() -> Options {
    Options {
        source: Some("cam 1".into()),
        names: CLASSES.map(Into::into).into(),
        size: Some(SIZE),
        classes_from: Some(1),
        mot: Some(MotKind::Tracks),
        ..Options::default()
    }
}

fn there_and_back(clip: &[FrameFound], format: Format) -> Vec<FrameFound> {
    let outlined = clip.iter().flat_map(|frame| &frame.boxes).any(|found| !found.points.is_empty());
    let kind = if outlined { YoloKind::Segment } else { YoloKind::Detect };
    let options = Options { yolo: Some(kind), ..options() };
    let ours = ndjson(clip);
    if format.is_folder() || format == Format::Parquet {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels");
        to_path(format, &ours, &path, &options).unwrap();
        return frames(&of_path(format, &path, &options).unwrap().0);
    }
    let (middle, _) = text((Format::Ndjson, format), &ours, &options).unwrap();
    frames(&text((format, Format::Ndjson), &middle, &options).unwrap().0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(48), ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_survives_every_format(clip in clip()) {
        for (word, format) in Format::WORDS {
            if cfg!(not(feature = "parquet")) && format == Format::Parquet {
                continue;
            }
            // Upright boxes come back as oriented ones: see the tests of those.
            if matches!(format, Format::YoloObb | Format::Dota) {
                continue;
            }
            let back = there_and_back(&clip, format);
            prop_assert_eq!(back, left(&clip, format, format.holds()), "{}", word);
        }
    }

    #[test]
    fn flat_lines_survive_too(clip in clip()) {
        let flat = Options { emit: Emit::Detections, ..options() };
        let (lines, counts) = text((Format::Ndjson, Format::Ndjson), &ndjson(&clip), &flat).unwrap();
        prop_assert_eq!(lines.lines().count() as u64, counts.detections);
        let (back, _) = text((Format::Ndjson, Format::Ndjson), &lines, &options()).unwrap();
        let expected = left(&clip, Format::Ndjson, Holds {
            empty: false, keypoints: false, outlines: false, ..Format::Ndjson.holds()
        });
        prop_assert_eq!(frames(&back), expected);
    }

    #[test]
    fn nonsense_is_an_error_or_nothing_but_no_panic(input in "[\\[\\]{},:\"a-z0-9.\\n -]{0,80}") {
        for (_, format) in Format::WORDS {
            let _unused = text((format, Format::Ndjson), &input, &sized());
        }
    }
}

#[test]
fn detections_without_a_track_are_written_to_mot_where_asked() {
    let found = Found { corners: Some(Corners::default()), ..Found::default() };
    let frame = FrameFound {
        source: "a".into(),
        size: Some(SIZE),
        boxes: vec![found],
        ..FrameFound::default()
    };
    let ours = ndjson(&[frame]);
    let (lines, counts) = text((Format::Ndjson, Format::Mot), &ours, &options()).unwrap();
    assert_eq!(lines, "");
    let note = "mot cannot hold detections without a track: 1 lost";
    assert!(counts.notes.iter().any(|said| said == note), "{:?}", counts.notes);
    let asked = Options { untracked: true, ..options() };
    let (lines, _) = text((Format::Ndjson, Format::Mot), &ours, &asked).unwrap();
    assert_eq!(lines, "1,-1,0.00,0.00,0.00,0.00,1.0000,-1,-1,-1\n");
    assert_eq!(class_of(3), "class_3");
}
