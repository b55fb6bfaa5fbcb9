//! The room as a whole: equal to the references on stored detections, and what must hold for any.
//!
//! `tests/data/track/make_golden.py` made the files and says what is in them.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const GOLDEN: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/track/golden.json"));
const VTEST: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/track/vtest.json"));
const CROSSINGS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/track/crossings.json"));

const FRAMES: Pace = Pace { fps: 30.0, time: TrackTime::Frames };

fn stored(text: &str) -> Vec<Vec<Seen>> {
    let frames: Vec<Vec<i32>> = serde_json::from_str(text).unwrap();
    let seen = |v: &[i32]| {
        let edge = |hundredths: i32| (f64::from(hundredths) / 100.0) as f32;
        let bbox = BBox::new(edge(v[0]), edge(v[1]), edge(v[0] + v[2]), edge(v[1] + v[3]));
        Seen { bbox, confidence: (f64::from(v[4]) / 10_000.0) as f32, class_id: 0 }
    };
    frames.iter().map(|frame| frame.chunks(5).map(seen).collect()).collect()
}

type Ids = Vec<Vec<Option<u64>>>;

fn ids_of(tracker: &mut dyn Tracker, frames: &[Vec<Seen>]) -> Ids {
    frames.iter().map(|seen| tracker.update(seen, None).ids).collect()
}

fn run(method: Method, pace: Pace, frames: &[Vec<Seen>]) -> Ids {
    ids_of(method.tracker(pace).unwrap().as_mut(), frames)
}

/// Fails where two runs differ in more than the numbers of their tracks.
fn assert_same_tracks(found: &Ids, expected: &Ids, of: &str) {
    assert_eq!(found.len(), expected.len(), "{of}: frames");
    let (mut there, mut back) = (HashMap::new(), HashMap::new());
    for (frame, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{of}: detections of frame {frame}");
        for (index, pair) in found.iter().zip(expected).enumerate() {
            let at = format!("{of}: frame {frame}, detection {index}: {pair:?}");
            match pair {
                (None, None) => {}
                (Some(a), Some(b)) => {
                    assert_eq!(there.entry(*a).or_insert(*b), b, "{at}");
                    assert_eq!(back.entry(*b).or_insert(*a), a, "{at}");
                }
                _ => panic!("{at}"),
            }
        }
    }
}

/// How one run of a reference was set.
fn method(run: &Value) -> (Method, Pace) {
    let number = |key: &str| run[key].as_f64().unwrap();
    let high = number("high");
    let method = match run["tracker"].as_str().unwrap() {
        "bytetrack" => {
            let fuse_score = run["fuse_score"].as_bool().unwrap();
            let (first_match, buffer) = (number("first_match"), number("buffer") as u32);
            let rest = ByteTrackParams::default();
            Method::ByteTrack(ByteTrackParams { high, first_match, fuse_score, buffer, ..rest })
        }
        "sort" => Method::Sort(SortParams { high, ..SortParams::default() }),
        _ => {
            let use_byte = run["use_byte"].as_bool().unwrap();
            Method::OcSort(OcSortParams { high, use_byte, ..OcSortParams::default() })
        }
    };
    (method, Pace { fps: run["fps"].as_f64().unwrap_or(30.0), time: TrackTime::Frames })
}

#[test]
fn tracks_equal_the_references() {
    let sets = [("vtest", stored(VTEST)), ("crossings", stored(CROSSINGS))];
    let runs: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(runs.len(), 28);
    for golden in runs {
        let (_, frames) = sets.iter().find(|(name, _)| golden["detections"] == *name).unwrap();
        let pairs: Vec<Vec<u64>> = serde_json::from_value(golden["ids"].clone()).unwrap();
        let stride = golden["stride"].as_u64().unwrap() as usize;
        let frames: Vec<Vec<Seen>> = frames.iter().step_by(stride).cloned().collect();
        let expected = frames.iter().zip(&pairs).map(|(seen, pairs)| {
            let mut ids = vec![None; seen.len()];
            pairs.chunks(2).for_each(|pair| ids[pair[0] as usize] = Some(pair[1]));
            ids
        });
        let (method, pace) = method(&golden);
        let found = run(method, pace, &frames);
        assert_same_tracks(&found, &expected.collect(), &format!("{method:?}"));
    }
}

const METHODS: [fn(bool) -> Method; 3] = [
    |per_class| {
        Method::ByteTrack(ByteTrackParams { per_class, buffer: 30, ..ByteTrackParams::default() })
    },
    |per_class| Method::Sort(SortParams { per_class, ..SortParams::default() }),
    |per_class| {
        Method::OcSort(OcSortParams { per_class, use_byte: true, ..OcSortParams::default() })
    },
];

fn seen(left: f32, upper: f32, confidence: f32, class_id: u32) -> Seen {
    Seen { bbox: BBox::new(left, upper, left + 20.0, upper + 50.0), confidence, class_id }
}

/// One object that walks right by 3 pixels a frame, but is not found in `missed` frames.
fn walk(frames: usize, missed: std::ops::Range<usize>) -> Vec<Vec<Seen>> {
    let at = |i: usize| {
        if missed.contains(&i) { vec![] } else { vec![seen(3.0 * i as f32, 9.0, 0.9, 0)] }
    };
    (0..frames).map(at).collect()
}

#[test]
fn bytetrack_remembers_for_its_buffer_and_no_longer() {
    let method = METHODS[0](true);
    for (fps, missed, same) in
        [(30.0, 20, true), (30.0, 40, false), (10.0, 9, true), (10.0, 20, false)]
    {
        let ids = run(method, Pace { fps, ..FRAMES }, &walk(90, 20..20 + missed));
        let (before, after) = (ids[19][0], ids[61][0]);
        assert_eq!(before, Some(1));
        // The object moves on while it is away, so IoU finds it only because its speed is known.
        assert_eq!(after, Some(if same { 1 } else { 2 }), "{fps} fps, {missed} missed");
    }
}

#[test]
fn an_ended_track_is_told_once() {
    for method in METHODS.map(|method| method(true)) {
        let mut tracker = method.tracker(FRAMES).unwrap();
        let mut ended = Vec::new();
        for (i, frame) in walk(80, 20..80).iter().enumerate() {
            ended.extend(tracker.update(frame, Some(i as f64 / 30.0)).ended);
            let live = tracker.tracks();
            assert_eq!(
                live.len() + ended.len(),
                usize::from(i > 0 || live.len() == 1),
                "{method:?}"
            );
            assert!(live.iter().all(|track| track.lost == (i >= 20)));
        }
        let [track] = ended[..] else { panic!("{method:?}: {ended:?}") };
        assert_eq!((track.id, track.hits, track.lost), (1, 20, true));
        assert_eq!((track.first_s, track.last_s), (Some(0.0), Some(19.0 / 30.0)));
        assert_eq!(track.bbox, walk(20, 0..0)[19][0].bbox);
    }
}

#[test]
fn a_later_object_is_confirmed_by_its_second_frame() {
    let mut frames = vec![vec![]];
    frames.extend(walk(4, 0..0));
    let ids = run(METHODS[0](true), FRAMES, &frames);
    assert_eq!(ids[1..], [[None], [Some(1)], [Some(1)], [Some(1)]]);
}

#[test]
fn weak_detections_keep_a_track_but_start_none() {
    let mut frames = walk(20, 0..0);
    frames.iter_mut().skip(5).for_each(|frame| frame[0].confidence = 0.2);
    assert!(run(METHODS[0](true), FRAMES, &frames).iter().all(|ids| ids[0] == Some(1)));
    assert!(run(METHODS[0](true), FRAMES, &frames[5..]).iter().all(|ids| ids[0].is_none()));
}

#[test]
fn classes_share_tracks_only_when_told() {
    let mut frames = walk(20, 0..0);
    frames.iter_mut().skip(10).for_each(|frame| frame[0].class_id = 7);
    for method in METHODS {
        let numbers = |ids: Ids| ids.into_iter().flatten().flatten().max();
        assert_eq!(numbers(run(method(false), FRAMES, &frames)), Some(1));
        assert_eq!(numbers(run(method(true), FRAMES, &frames)), Some(2));
    }
}

#[test]
fn real_time_follows_through_dropped_frames() {
    // After a second of every frame, only every seventh comes: 21 pixels of a 20-pixel box.
    let frames = walk(160, 0..0);
    let kept: Vec<usize> = (0..30).chain((30..160).step_by(7)).collect();
    let all_one = |method: Method, time| {
        let mut tracker = method.tracker(Pace { fps: 30.0, time }).unwrap();
        let mut ids =
            kept.iter().map(|&i| tracker.update(&frames[i], Some(i as f64 / 30.0)).ids[0]);
        ids.all(|id| id == Some(1))
    };
    for method in METHODS.map(|method| method(true)) {
        assert!(all_one(method, TrackTime::Pts), "{method:?}");
        assert!(!all_one(method, TrackTime::Frames), "{method:?}");
    }
}

#[test]
fn a_gap_in_the_source_ends_all_tracks_but_long_steps_do_not() {
    let there = [seen(0.0, 0.0, 0.9, 0)];
    for method in METHODS.map(|method| method(true)) {
        let tracker = || method.tracker(Pace { time: TrackTime::Pts, ..FRAMES }).unwrap();
        let mut gap = tracker();
        let ended: Vec<usize> = [0.0, 0.03, 0.06, 5.0]
            .map(|time_s| gap.update(&there, Some(time_s)).ended.len())
            .to_vec();
        assert_eq!(ended, [0, 0, 0, 1], "{method:?}");
        let mut slow = tracker();
        let frame = |i: u32| slow.update(&there, Some(f64::from(i) * 4.0)).ids[0];
        assert!((0..20).map(frame).all(|id| id == Some(1)), "{method:?}");
    }
}

#[test]
fn wrong_parameters_are_named() {
    let wrong = ByteTrackParams { first_match: 1.5, ..ByteTrackParams::default() };
    let error = Method::ByteTrack(wrong).tracker(FRAMES).err().unwrap();
    assert_eq!(error.to_string(), "the tracker's first_match is 1.5, outside 0 to 1");
    let wrong = OcSortParams { low: f64::NAN, ..OcSortParams::default() };
    assert!(Method::OcSort(wrong).tracker(FRAMES).is_err());
    let wrong = ByteTrackParams { low: 0.6, ..ByteTrackParams::default() };
    assert!(matches!(wrong.check(), Err(ParamError::Order)));
}

fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => 0f32..300.0,
        1 => prop::num::f32::ANY,
        1 => Just(f32::MAX),
        1 => Just(-1e20f32),
    ]
}

/// Frames of any numbers at all.
fn any_frames() -> impl Strategy<Value = Vec<Vec<Seen>>> {
    let confidence = prop_oneof![9 => 0f32..1.0, 1 => prop::num::f32::ANY];
    let seen = (prop::array::uniform4(any_number()), confidence, 0u32..3).prop_map(
        |([x, y, w, h], confidence, class_id)| Seen {
            bbox: BBox::new(x, y, x + w, y + h),
            confidence,
            class_id,
        },
    );
    prop::collection::vec(prop::collection::vec(seen, 0..12), 0..25)
}

/// Objects that walk and are now and then missed, at places that hardly tie.
fn scene() -> impl Strategy<Value = Vec<Vec<Seen>>> {
    let object = (0f32..600.0, 0f32..400.0, -6f32..6.0, -2f32..2.0, 0u32..2, any::<u64>());
    prop::collection::vec(object, 1..10).prop_map(|objects| {
        let frame = |i: u32| {
            let found = objects.iter().filter(|object| object.5.rotate_right(i) & 7 != 0);
            let at = |&(x, y, across, down, class_id, unrest): &(f32, f32, f32, f32, u32, u64)| {
                let unrest = (unrest.rotate_left(i * 7) & 0xff) as f32 / 255.0;
                let (x, y) = (x + across * i as f32 + unrest, y + down * i as f32 - unrest);
                seen(x, y, 0.3 + 0.65 * unrest, class_id)
            };
            found.map(at).collect()
        };
        (0..40).map(frame).collect()
    })
}

#[test]
fn tracks_are_carried_over_frames_that_nobody_looked_at() {
    let at = |frame: usize| {
        let x = 20.0 + 3.0 * frame as f32;
        BBox::new(x, 50.0, x + 40.0, 150.0)
    };
    for method in METHODS {
        let mut tracker = method(true).tracker(FRAMES).unwrap();
        for frame in 0..60 {
            if frame % 3 == 0 {
                let seen = Seen { bbox: at(frame), confidence: 0.9, class_id: 0 };
                let update = tracker.update(&[seen], None);
                assert!(update.ended.is_empty());
                assert!(update.ids[0].is_none_or(|id| id == 1), "one track, {update:?}");
            } else {
                let carried = tracker.coast(None);
                // Once the speed is known, the box is where the object is.
                if frame > 12 {
                    assert_eq!(carried.len(), 1);
                    assert!(carried[0].estimate.iou(&at(frame)) > 0.9, "{frame}: {carried:?}");
                }
            }
        }
        // Who was not found when somebody looked is not carried on.
        tracker.update(&[], None);
        assert!(tracker.coast(None).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn anything_is_survived_and_numbers_are_dense(
        frames in any_frames(),
        steps in prop::collection::vec(prop_oneof![-1f64..2.0, prop::num::f64::ANY], 25),
    ) {
        for method in METHODS {
            let pace = Pace { time: TrackTime::Pts, ..FRAMES };
            let mut tracker = method(true).tracker(pace).unwrap();
            let (mut highest, mut ended, mut time_s) = (0, Vec::new(), 0.0);
            for (seen, step) in frames.iter().zip(&steps) {
                time_s += step;
                let update = tracker.update(seen, Some(time_s));
                prop_assert_eq!(update.ids.len(), seen.len());
                let mut ids: Vec<u64> = update.ids.into_iter().flatten().collect();
                ids.sort_unstable();
                let differ = ids.windows(2).all(|pair| pair[0] != pair[1]);
                prop_assert!(differ, "one detection a track");
                for id in ids {
                    prop_assert!(id <= highest + 1, "{id} after {highest}");
                    prop_assert!(!ended.contains(&id), "an ended number came back");
                    highest = highest.max(id);
                }
                ended.extend(update.ended.iter().map(|track| track.id));
                let live = tracker.tracks();
                let mut told = live.iter().chain(&update.ended);
                prop_assert!(told.all(|track| track.estimate.is_sound()));
                let live = live.iter().map(|track| track.id);
                let mut all: Vec<u64> = live.chain(ended.clone()).collect();
                all.sort_unstable();
                prop_assert_eq!(all, (1..=highest).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn trackers_know_nothing_of_each_other(one in scene(), other in scene()) {
        for method in METHODS {
            let alone = run(method(true), FRAMES, &one);
            let new = || method(true).tracker(FRAMES).unwrap();
            let (mut a, mut b) = (new(), new());
            for (i, expected) in alone.iter().enumerate() {
                b.update(&other[i], None);
                prop_assert_eq!(&a.update(&one[i], None).ids, expected);
            }
        }
    }

    #[test]
    fn the_order_of_detections_does_not_matter(frames in scene(), by in 1usize..9) {
        let turned: Vec<Vec<Seen>> = frames.iter().cloned().map(|mut frame| {
            let by = by % frame.len().max(1);
            frame.rotate_left(by);
            frame
        }).collect();
        for method in METHODS {
            let mut found = run(method(true), FRAMES, &turned);
            for ids in &mut found {
                let by = by % ids.len().max(1);
                ids.rotate_right(by);
            }
            assert_same_tracks(&found, &run(method(true), FRAMES, &frames), "turned");
        }
    }

    #[test]
    fn a_steady_rate_makes_real_time_count_frames(frames in scene(), fps in 1f64..60.0) {
        for method in METHODS {
            let mut tracker = method(true).tracker(Pace { fps, time: TrackTime::Pts }).unwrap();
            // As Matroska would round.
            let time = |i: usize| Some((i as f64 / fps * 1e3).round() / 1e3);
            let found = frames.iter().enumerate();
            let found: Ids = found.map(|(i, seen)| tracker.update(seen, time(i)).ids).collect();
            prop_assert_eq!(found, run(method(true), Pace { fps, ..FRAMES }, &frames));
        }
    }

    #[test]
    fn each_class_is_tracked_as_if_alone(frames in scene()) {
        let method = METHODS[0](true);
        let together = run(method, FRAMES, &frames);
        for class_id in 0..2 {
            let of_class = |seen: &Seen| seen.class_id == class_id;
            let alone = frames.iter().map(|frame| frame.iter().copied().filter(of_class).collect());
            let alone: Vec<Vec<Seen>> = alone.collect();
            let ids = frames.iter().zip(&together).map(|(frame, ids)| {
                let of_class = frame.iter().zip(ids).filter(|(seen, _)| of_class(seen));
                of_class.map(|(_, id)| *id).collect()
            });
            assert_same_tracks(&ids.collect(), &run(method, FRAMES, &alone), "one class");
        }
    }
}
