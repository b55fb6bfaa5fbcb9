//! Journals as runs use them: begun, cut off anywhere, gone on with.

use std::time::Duration;

use super::*;
use crate::analyze::{Observer, Told};
use crate::detection::Detection;
use crate::frame::{FrameMeta, Image, Size};
use crate::geometry::BBox;
use crate::infer::{Basis, Found};
use crate::source::{Colour, Source, SourceError, SourceInfo};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Mutex;

/// An observer that notes what it is told.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(u64, Found)>>>);

impl Observer for Notes {
    fn frame(&mut self, meta: &FrameMeta, _: Size, found: Found, _: Duration) -> Told {
        self.0.lock().unwrap().push((meta.index, found));
        Told::default()
    }
}

/// Known frames before this one are not looked at.
const UNSEEN_BEFORE: u64 = 3;

/// White frames with these indices.
struct Frames {
    info: SourceInfo,
    left: VecDeque<u64>,
}

impl Frames {
    fn of(indices: &[u64]) -> Box<Self> {
        let info = SourceInfo {
            uri: "frames".into(),
            size: Size::new(2, 2),
            pixel_aspect: None,
            colour: Colour::usual(Size::new(2, 2)),
            fps: None,
            frames: None,
            duration_s: None,
            live: false,
            pts_source: None,
            created: None,
            segment: None,
            video_streams: Vec::new(),
        };
        Box::new(Self { info, left: indices.iter().copied().collect() })
    }
}

impl Source for Frames {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let meta = |index| FrameMeta { index, pts_s: None, file: None };
        Ok(self.left.pop_front().map(meta))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        Ok(Image::filled(self.info.size, [255; 3]))
    }
}

/// What the model finds in a frame: something else in each.
fn model(index: u64) -> Found {
    let bbox = BBox::new(0.1, 0.2, index as f32 + 1.3, 4.0);
    let detections = vec![Detection::of_box(bbox, 0.01, 7)];
    Found { detections, ..Found::default() }
}

/// Runs over frames with these indices, and gives what was told and at how many the model looked.
fn run(path: &Path, key: &str, frames: &[u64]) -> (Vec<(u64, Found)>, usize) {
    run_telling(path, key, frames, None)
}

/// The same with somebody who is told of alerts.
fn run_telling(
    path: &Path,
    key: &str,
    frames: &[u64],
    tells: Option<&str>,
) -> (Vec<(u64, Found)>, usize) {
    let journal = Journal::open(path, key, tells).unwrap();
    let notes = Notes::default();
    let observer = Box::new(notes.clone());
    let ends = Ends { source: Frames::of(frames), gate: None, observer };
    let Ends { mut source, gate, mut observer } = journal.between(ends, UNSEEN_BEFORE).unwrap();
    let mut gate = gate.unwrap();
    let mut looked = 0;
    while let Some(meta) = source.grab().unwrap() {
        let (index, image) = (meta.index, source.retrieve().unwrap());
        let found = match gate.look(&meta, &image, None) {
            Basis::Model => {
                looked += 1;
                assert_eq!(image.row(0)[0], 255, "the model sees every frame that it looks at");
                model(index)
            }
            basis => {
                assert_eq!(image.row(0)[0] == 0, index < UNSEEN_BEFORE);
                Found { basis, ..Found::default() }
            }
        };
        observer.frame(&meta, image.size(), found, Duration::ZERO);
    }
    drop((source, gate, observer));
    let told = std::mem::take(&mut *notes.0.lock().unwrap());
    (told, looked)
}

fn expected(frames: &[u64]) -> Vec<(u64, Found)> {
    frames.iter().map(|&index| (index, model(index))).collect()
}

#[test]
fn the_second_run_looks_only_at_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let path = Journal::path_of(&dir.path().join("deep/a.ndjson"));
    assert_eq!(run(&path, "k", &[0, 1, 2]), (expected(&[0, 1, 2]), 3));
    assert_eq!(run(&path, "k", &[0, 1, 2, 3, 4]), (expected(&[0, 1, 2, 3, 4]), 2));
    assert_eq!(run(&path, "k", &[0, 1, 2, 3, 4]).1, 0);
    let known = Journal::open(&path, "k", None).unwrap().known();
    assert_eq!((known.count(), known.has(4), known.has(5)), (5, true, false));
}

#[test]
fn frames_are_known_in_whatever_order_they_came() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    run(&path, "k", &[0, 2, 4, 20, 21, 22]);
    let all: Vec<u64> = (0..24).collect();
    assert_eq!(run(&path, "k", &all[..10]), (expected(&all[..10]), 7));
    assert_eq!(run(&path, "k", &all), (expected(&all), 11));
    assert_eq!(run(&path, "k", &all), (expected(&all), 0));
}

#[test]
fn who_was_told_is_known_by_who_tells() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let told = |by: Option<&str>| {
        let journal = Journal::open(&path, "k", by).unwrap();
        (0..6).filter(|index| journal.told().has(*index)).collect::<Vec<_>>()
    };
    run(&path, "k", &[0, 1]);
    run_telling(&path, "k", &[0, 1, 2, 3], Some("a"));
    assert_eq!((told(Some("a")), told(Some("b")), told(None)), (vec![2, 3], vec![], vec![]));
    // Where no frame was new, nobody else is noted.
    run_telling(&path, "k", &[0, 1], Some("b"));
    run_telling(&path, "k", &[4, 5], Some("a"));
    assert_eq!(told(Some("a")), [2, 3, 4, 5]);
    Journal::untell(&path);
    assert_eq!(told(Some("a")), [0; 0]);
    assert_eq!(run(&path, "k", &[0, 1, 2, 3, 4, 5]).1, 0);
}

#[test]
fn nothing_is_changed_before_the_run_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    drop(Journal::open(&path, "k", None).unwrap());
    assert!(!path.exists());
    run(&path, "k", &[0, 1]);
    let before = std::fs::read(&path).unwrap();
    drop(Journal::open(&path, "other", Some("a")).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn another_key_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    run(&path, "k", &[0, 1]);
    assert_eq!(run(&path, "other", &[0, 1]).1, 2);
    assert_eq!(run(&path, "other", &[0, 1]).1, 0);
}

#[test]
fn what_somebody_else_wrote_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    std::fs::write(&path, "mine\n").unwrap();
    assert!(matches!(Journal::open(&path, "k", None), Err(JournalError::Foreign { .. })));
    Journal::remove(&path);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine\n");
}

#[test]
fn two_runs_do_not_share_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let first = Journal::open(&path, "k", None).unwrap();
    assert!(matches!(Journal::open(&path, "k", None), Err(JournalError::Busy { .. })));
    // Nor does one take away what another is at work on.
    Journal::remove(&path);
    assert!(path.exists());
    drop(first);
    run(&path, "k", &[0]);
    Journal::remove(&path);
    Journal::remove(&path);
    assert!(!path.exists());
}

proptest! {
    /// Wherever a run is cut off, and whatever frames the next one has, the same is told.
    #[test]
    fn a_run_cut_off_anywhere_is_made_whole(
        cut in 0.0f64..=1.0, first in 0u64..20, step in 1usize..4, spoilt in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let before: Vec<u64> = (0..first).collect();
        run(&path, "k", &before);
        let bytes = std::fs::read(&path).unwrap();
        let mut kept = bytes[..(bytes.len() as f64 * cut) as usize].to_vec();
        if spoilt && kept.contains(&b'\n') {
            kept.extend_from_slice(b"\0\0\0\n{\"frame\":1000,\"found\":[]}\n");
        }
        std::fs::write(&path, &kept).unwrap();
        let frames: Vec<u64> = (0..30).step_by(step).collect();
        let (told, _) = run(&path, "k", &frames);
        prop_assert_eq!(told, expected(&frames));
        prop_assert!(!Journal::open(&path, "k", None).unwrap().known().has(1000));
    }

    #[test]
    fn known_is_what_was_put_in(indices in prop::collection::btree_set(0u64..60, 0..40)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let indices: Vec<u64> = indices.into_iter().collect();
        run(&path, "k", &indices);
        let known = Journal::open(&path, "k", None).unwrap().known();
        prop_assert_eq!(known.count(), indices.len() as u64);
        for index in 0..61 {
            prop_assert_eq!(known.has(index), indices.contains(&index));
        }
    }
}
