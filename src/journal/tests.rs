//! Journals as runs use them: begun, cut off anywhere, gone on with.

use std::time::Duration;

use super::*;
use crate::analyze::{Observer, Told};
use crate::detection::Detection;
use crate::frame::{FrameMeta, Image, Size};
use crate::geometry::BBox;
use crate::infer::{Basis, Found};
use proptest::prelude::*;
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

fn meta(index: u64) -> FrameMeta {
    FrameMeta { index, pts_s: None, file: None }
}

/// What the model finds in a frame: something else in each.
fn model(index: u64) -> Found {
    let bbox = BBox::new(0.1, 0.2, index as f32 + 1.3, 4.0);
    let detections = vec![Detection::of_box(bbox, 0.01, 7)];
    Found { detections, ..Found::default() }
}

fn key_of(found: &str) -> Key {
    Key { found: found.into(), made: "m".into() }
}

/// Runs over frames with these indices, and gives what was told and at how many the model looked.
fn run(path: &Path, key: &str, frames: &[u64]) -> (Vec<(u64, Found)>, usize) {
    let journal = Journal::open(path, key_of(key)).unwrap();
    let notes = Notes::default();
    let (mut gate, mut observer) = journal.between(None, Box::new(notes.clone())).unwrap();
    let image = Image::filled(Size::new(2, 2), [0; 3]);
    let mut looked = 0;
    for &index in frames {
        let found = match gate.look(&meta(index), &image, None) {
            Basis::Model => {
                looked += 1;
                model(index)
            }
            basis => Found { basis, ..Found::default() },
        };
        observer.frame(&meta(index), image.size(), found, Duration::ZERO);
    }
    drop((gate, observer));
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
    let known = Journal::open(&path, key_of("k")).unwrap().known();
    assert_eq!((known.count(), known.has(4), known.has(5)), (5, true, false));
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
    assert!(matches!(Journal::open(&path, key_of("k")), Err(JournalError::Foreign { .. })));
    Journal::remove(&path);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine\n");
}

#[test]
fn what_is_found_outlives_what_is_made_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let with = |made: &str| Key { made: made.into(), ..key_of("k") };
    assert!(!Journal::open(&path, with("m")).unwrap().makes_the_same());
    // Nothing was found, so nothing was made.
    assert!(!Journal::open(&path, with("m")).unwrap().makes_the_same());
    run(&path, "k", &[0, 1]);
    assert!(Journal::open(&path, with("m")).unwrap().makes_the_same());
    let journal = Journal::open(&path, with("n")).unwrap();
    assert_eq!((journal.makes_the_same(), journal.known().count()), (false, 2));
    drop(journal);
    // Until it is said that it does, nothing else is there.
    let journal = Journal::open(&path, with("n")).unwrap();
    assert!(!journal.makes_the_same());
    journal.makes_its_own().unwrap();
    drop(journal);
    let journal = Journal::open(&path, with("n")).unwrap();
    assert_eq!((journal.makes_the_same(), journal.known().count()), (true, 2));
}

#[test]
fn two_runs_do_not_share_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let first = Journal::open(&path, key_of("k")).unwrap();
    assert!(matches!(Journal::open(&path, key_of("k")), Err(JournalError::Busy { .. })));
    drop(first);
    Journal::open(&path, key_of("k")).unwrap();
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
        prop_assert!(!Journal::open(&path, key_of("k")).unwrap().known().has(1000));
    }

    #[test]
    fn known_is_what_was_put_in(indices in prop::collection::btree_set(0u64..60, 0..40)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let indices: Vec<u64> = indices.into_iter().collect();
        run(&path, "k", &indices);
        let known = Journal::open(&path, key_of("k")).unwrap().known();
        prop_assert_eq!(known.count(), indices.len() as u64);
        for index in 0..61 {
            prop_assert_eq!(known.has(index), indices.contains(&index));
        }
    }
}
