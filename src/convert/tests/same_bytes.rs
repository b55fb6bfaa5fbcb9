//! Records in every format, read and written again, are the same to the byte: by themselves and by
//! way of our own records. `PROPTEST_CASES=10000` tries more of them than a usual run does.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::found::{Corners, Found, Keypoint, derived_id};
use super::super::ndjson_write::NdjsonWriter;
use super::super::stream::Writer;
use super::*;
use crate::record::round;

const SIZE: Size = Size::new(1920, 1080);

/// Names of files by their content.
type Files = BTreeMap<String, Vec<u8>>;

/// What pictures are called; `None` where the frames are of a video.
#[derive(Clone, Copy, Debug)]
enum Called {
    Video,
    Padded,
    Numbers,
    Dots,
    Plain,
}

impl Called {
    fn file(self, at: u64) -> Option<String> {
        match self {
            Self::Video => None,
            Self::Padded => Some(format!("in/IMG_{at:04}.jpg")),
            Self::Numbers => Some(format!("{at:012}.png")),
            Self::Dots => Some(format!("street.{at}.webp")),
            Self::Plain => Some(format!("photo_{}.JPG", at + 1)),
        }
    }
}

/// Whole hundredths within a side.
fn within(side: u32) -> impl Strategy<Value = f64> {
    (0..=side * 100).prop_map(|at| f64::from(at) / 100.0)
}

fn spot() -> impl Strategy<Value = [f64; 2]> {
    (within(SIZE.width), within(SIZE.height)).prop_map(|(x, y)| [x, y])
}

/// A box, an outline or an oriented box.
fn place() -> impl Strategy<Value = Found> {
    let upright = (spot(), spot()).prop_map(|(one, other)| Found {
        corners: Corners::around(&[one, other]),
        ..Found::default()
    });
    let outline = prop::collection::vec(spot(), 3..9).prop_map(|points| Found {
        corners: Corners::around(&points),
        points,
        ..Found::default()
    });
    let turned = (300..1500_u32, 300..700_u32, 20..250_u32, 20..250_u32, 0..180_u32);
    let turned = turned.prop_map(|(x, y, w, h, degrees)| {
        let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
        let corner = |[a, b]: [f64; 2]| {
            let (a, b) = (a * f64::from(w), b * f64::from(h));
            let at = [f64::from(x) + a * cos - b * sin, f64::from(y) + a * sin + b * cos];
            at.map(|at| round(at, 100.0))
        };
        let corners = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]].map(corner);
        let turn = round(crate::geometry::rotation(&corners), 100.0) % 180.0;
        let points = corners.to_vec();
        Found {
            corners: Corners::around(&points),
            points,
            rotation_deg: Some(turn),
            ..Found::default()
        }
    });
    prop_oneof![6 => upright, 2 => outline, 1 => turned, 1 => Just(Found::default())]
}

fn keypoints() -> impl Strategy<Value = Vec<Keypoint>> {
    let points = prop::collection::vec((spot(), 0..=10_000_u32), 0..4);
    points.prop_map(|points| {
        let points = points.into_iter().zip(0..);
        let keypoint = |(([x, y], sure), at): (([f64; 2], u32), u32)| Keypoint {
            x,
            y,
            confidence: Some(f64::from(sure) / 10_000.0),
            class: format!("keypoint_{at}"),
            class_id: at,
        };
        points.map(keypoint).collect()
    })
}

/// A detection whose class is one of some.
fn found() -> impl Strategy<Value = Found> {
    let track = prop::option::of(prop_oneof![1..4_u64, 1..1_000_000_000_u64]);
    let sure = prop_oneof![1 => Just(10_000_u32), 1 => Just(0), 8 => 0..=10_000_u32];
    (place(), sure, 0..6_u32, track, keypoints()).prop_map(|(place, sure, id, track, keypoints)| {
        Found {
            confidence: Some(f64::from(sure) / 10_000.0),
            class_id: id,
            tracker_id: track,
            keypoints,
            ..place
        }
    })
}

/// Frames of one source, in order, not all of them there.
fn clip() -> impl Strategy<Value = Vec<FrameFound>> {
    let called = prop_oneof![
        3 => Just(Called::Video),
        1 => Just(Called::Padded),
        1 => Just(Called::Numbers),
        1 => Just(Called::Dots),
        1 => Just(Called::Plain),
    ];
    let source = prop_oneof![Just("cam 1".to_owned()), "[a-z.:_]{1,6}", "\\PC{1,8}"];
    // Names as models have them, and as nobody should.
    let name = prop_oneof!["[a-z]{1,8}( [a-z]{1,5})?", "[ ,\"'\\\\\t\r\n;a]{1,5}", "\\PC{1,6}"];
    let names = prop::collection::vec(name, 6);
    let frames = prop::collection::vec((1..50_u64, prop::collection::vec(found(), 0..5)), 1..6);
    (called, source, names, frames).prop_map(|(called, source, names, frames)| {
        let mut next = 0;
        let mut clip = Vec::new();
        for (step, mut boxes) in frames {
            next += step;
            for (found, at) in boxes.iter_mut().zip(0..) {
                found.class = Some(names[found.class_id as usize].clone());
                found.detection_id = Some(derived_id("own", next, at));
            }
            let file = called.file(next - 1);
            clip.push(FrameFound {
                source: source.clone(),
                frame_id: next - 1,
                pts_s: file.is_none().then(|| round((next - 1) as f64 / 29.97, 1e6)),
                file,
                size: Some(SIZE),
                boxes,
                ..FrameFound::default()
            });
        }
        clip
    })
}

/// Our NDJSON of frames.
fn ndjson(clip: &[FrameFound]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = NdjsonWriter::new(&mut bytes, "x", Emit::Frames);
    for frame in clip {
        writer.frame(frame.clone(), &mut Notes::default()).unwrap();
    }
    bytes
}

/// A place on disk, in which each step has a file or folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    options: Options,
}

impl Bench {
    /// Writes what is in `from`, of the format `of`, in the format `to`.
    fn turn(&self, (of, from): (Format, &str), (to, name): (Format, &str)) -> Files {
        let (from, path) = (self.folder.path().join(from), self.folder.path().join(name));
        let mut bytes = Vec::new();
        let output = match to.is_folder() {
            true => Output::Folder(&path),
            false => Output::Stream { bytes: &mut bytes, name: "out" },
        };
        let yolo = self.options.yolo.filter(|_| of == Format::Yolo);
        let options = Options { yolo, ..self.options.clone() };
        if let Err(error) = convert(of, to, Input::Path(&from), output, &options) {
            panic!("{of} to {to}: {error}");
        }
        if !to.is_folder() {
            std::fs::write(&path, &bytes).unwrap();
            return BTreeMap::from([(String::new(), bytes)]);
        }
        let files = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap());
        let read = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        };
        files.map(read).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(48), ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_written_as_it_was(clip in clip(), confidence in prop::bool::weighted(0.7)) {
        let outlined = clip.iter().flat_map(|frame| &frame.boxes).any(|b| b.points.len() > 2);
        let kind = if outlined { YoloKind::Segment } else { YoloKind::Detect };
        let options = Options {
            size: Some(SIZE),
            classes_from: Some(1),
            mot: Some(MotKind::Tracks),
            untracked: true,
            yolo: Some(kind),
            confidence,
            ..Options::default()
        };
        for (word, format) in Format::WORDS {
            if cfg!(not(feature = "parquet")) && format == Format::Parquet {
                continue;
            }
            let bench = Bench { folder: tempfile::tempdir().unwrap(), options: options.clone() };
            std::fs::write(bench.folder.path().join("own"), ndjson(&clip)).unwrap();
            let first = bench.turn((Format::Ndjson, "own"), (format, "first"));
            let second = bench.turn((format, "first"), (format, "second"));
            prop_assert_eq!(&shown(&first), &shown(&second), "{}", word);
            bench.turn((format, "first"), (Format::Ndjson, "between"));
            let third = bench.turn((Format::Ndjson, "between"), (format, "third"));
            prop_assert_eq!(&shown(&first), &shown(&third), "{} by way of ndjson", word);
        }
    }
}

/// Files for a message.
fn shown(files: &Files) -> BTreeMap<&str, String> {
    files
        .iter()
        .map(|(name, bytes)| (name.as_str(), String::from_utf8_lossy(bytes).into()))
        .collect()
}
