//! The spool through kills, cuts, full disks and damage.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::sink::timeplus::stream::Stream;

const ROOM: u64 = 1 << 30;

fn stream() -> Stream {
    let columns = vec!["n".into()];
    Stream { sql_name: "`d`.`s`".into(), rest_name: None, columns, batch_id: true, key: None }
}

fn batch(rows: std::ops::Range<u64>) -> Arc<Segment> {
    let lines: Vec<_> = rows.map(|n| format!("{{\"n\":{n}}}")).collect();
    Segment::of_lines(&stream(), &lines).unwrap()
}

fn numbers(segment: &Segment) -> Vec<u64> {
    let number = |line: &String| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["n"].as_u64().unwrap()
    };
    segment.lines().unwrap().iter().map(number).collect()
}

/// Everything that waits, in order.
fn all(spool: &mut Spool) -> Vec<u64> {
    let mut rows = Vec::new();
    while let Some(front) = spool.front().unwrap() {
        rows.extend(numbers(&front.segment));
        spool.remove(&front.name).unwrap();
    }
    rows
}

fn reached(frame: u64) -> Option<Reached<'static>> {
    Some(Reached { key: "a/b", frame, first_frame: None, said: &[] })
}

fn frame_of(spool: &Spool, key: &str) -> Option<u64> {
    spool.known(key).map(|known| known.frame)
}

fn names(folder: &Path, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

/// A copy of a folder, as after a kill: without the lock of the one who uses it.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in names(from, "") {
        fs::copy(from.join(&name), to.path().join(&name)).unwrap();
    }
    to
}

#[test]
fn what_is_safe_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), ROOM).unwrap();
    assert_eq!(frame_of(&spool, "a/b"), None);
    spool.commit(&[batch(0..3), batch(3..5)], reached(7)).unwrap();
    spool.commit(&[batch(5..6)], reached(9)).unwrap();
    let front = spool.front().unwrap().unwrap();
    spool.mark(&front.name).unwrap();
    let killed = copy(folder.path());
    let mut again = Spool::open(killed.path(), ROOM).unwrap();
    assert_eq!((again.rows(), again.batches(), frame_of(&again, "a/b")), (6, 3, Some(9)));
    let first = again.front().unwrap().unwrap();
    assert!(first.tried);
    assert_eq!(first.segment, front.segment);
    assert_eq!(all(&mut again), [0, 1, 2, 3, 4, 5]);
    assert_eq!(names(killed.path(), ".new"), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A process is killed while it writes the files of a second group: any of them may be cut at
    /// any byte, or not be there.
    #[test]
    fn what_was_cut_does_not_count(cut in 0.0..1.0_f64, third in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), ROOM).unwrap();
        spool.commit(&[batch(0..3)], reached(7)).unwrap();
        let killed = copy(folder.path());
        spool.commit(&[batch(3..50), batch(50..60)], reached(9)).unwrap();
        let files = names(folder.path(), ".new");
        let whole = fs::read(folder.path().join(&files[1])).unwrap();
        let length = (whole.len() as f64 * cut) as usize;
        fs::write(killed.path().join(&files[1]), &whole[..length]).unwrap();
        if third {
            fs::copy(folder.path().join(&files[2]), killed.path().join(&files[2])).unwrap();
        }
        fs::write(killed.path().join("progress.tmp"), &b"{\"v\":1,\"la"[..]).unwrap();
        let mut again = Spool::open(killed.path(), ROOM).unwrap();
        prop_assert_eq!(frame_of(&again, "a/b"), Some(7));
        again.commit(&[batch(3..50), batch(50..60)], reached(9)).unwrap();
        prop_assert_eq!(all(&mut again), (0..60).collect::<Vec<_>>());
    }

    /// A process is killed at any file operation of a division.
    #[test]
    fn a_division_is_whole_or_not_there(written in 0..3_usize, cut in 0.0..1.0_f64, gone in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), ROOM).unwrap();
        spool.commit(&[batch(0..9), batch(9..12)], reached(1)).unwrap();
        let name = spool.front().unwrap().unwrap().name;
        spool.mark(&name).unwrap();
        let killed = copy(folder.path());
        prop_assert!(spool.divide(&name, &[batch(0..4), batch(4..9)]).unwrap());
        let parts: Vec<_> =
            names(folder.path(), ".new").into_iter().filter(|name| name.contains('-')).collect();
        prop_assert_eq!(parts.len(), 2);
        let written = if gone { 2 } else { written };
        for (index, part) in parts.iter().take(written).enumerate() {
            let whole = fs::read(folder.path().join(part)).unwrap();
            let is_last = index + 1 == written && !gone;
            let length = if is_last { (whole.len() as f64 * cut) as usize } else { whole.len() };
            fs::write(killed.path().join(part), &whole[..length]).unwrap();
        }
        if gone {
            fs::remove_file(killed.path().join(format!("{name}.tried"))).unwrap();
        }
        let mut again = Spool::open(killed.path(), ROOM).unwrap();
        prop_assert_eq!(again.batches(), if gone { 3 } else { 2 });
        prop_assert_eq!(again.front().unwrap().unwrap().tried, !gone);
        prop_assert_eq!(all(&mut again), (0..12).collect::<Vec<_>>());
    }
}

#[test]
fn damage_is_set_aside_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), ROOM).unwrap();
    spool.commit(&[batch(0..3), batch(3..5)], None).unwrap();
    let file = folder.path().join(&names(folder.path(), ".new")[0]);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() - 40;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(all(&mut spool), [3, 4]);
    assert_eq!(spool.damaged(), 3);
    assert_eq!(names(folder.path(), ".bad").len(), 1);
    drop(spool);
    fs::write(folder.path().join("progress.json"), "{\"v\":2}").unwrap();
    assert!(matches!(Spool::open(folder.path(), ROOM), Err(SpoolError::Foreign { .. })));
}

#[test]
fn parts_stay_in_their_place() {
    for on_disk in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let open = || Spool::open(folder.path(), ROOM).unwrap();
        let mut spool = if on_disk { open() } else { Spool::in_memory(ROOM) };
        spool.commit(&[batch(0..8), batch(8..9)], None).unwrap();
        let whole = spool.front().unwrap().unwrap().name;
        assert!(spool.divide(&whole, &[batch(0..4), batch(4..8)]).unwrap());
        let first = spool.front().unwrap().unwrap().name;
        assert!(spool.divide(&first, &[batch(0..2), batch(2..4)]).unwrap());
        assert_eq!((spool.rows(), spool.batches()), (9, 4));
        assert_eq!(all(&mut spool), (0..9).collect::<Vec<_>>());
    }
}

#[test]
fn it_is_bounded_but_takes_one_group_always() {
    let mut spool = Spool::in_memory(1);
    spool.commit(&[batch(0..100), batch(100..200)], None).unwrap();
    assert_eq!(spool.commit(&[batch(0..1)], None), Err(SpoolError::Full));
    let busy = spool.front().unwrap().unwrap().name;
    assert_eq!(spool.drop_oldest(Some(&busy)), Ok(Some(100)));
    assert_eq!(spool.drop_oldest(Some(&busy)), Ok(None));
    spool.remove(&busy).unwrap();
    assert_eq!((spool.rows(), spool.bytes()), (0, 0));
    spool.commit(&[batch(0..1)], None).unwrap();
}

#[test]
fn two_processes_never_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Spool::open(folder.path(), ROOM).unwrap();
    assert!(matches!(Spool::open(folder.path(), ROOM), Err(SpoolError::Locked { .. })));
    drop(first);
    Spool::open(folder.path(), ROOM).unwrap();
}

#[test]
fn how_far_a_run_is_is_forgotten_when_all_of_it_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), ROOM).unwrap();
    spool.commit(&[batch(0..1)], reached(3)).unwrap();
    spool
        .commit(
            &[batch(1..2)],
            Some(Reached { key: "c/d", frame: 1, first_frame: None, said: &[] }),
        )
        .unwrap();
    spool.end_run(reached(3).unwrap()).unwrap();
    assert_eq!(frame_of(&spool, "a/b"), Some(3));
    assert_eq!(all(&mut spool), [0, 1]);
    spool.tidy().unwrap();
    assert_eq!((frame_of(&spool, "a/b"), frame_of(&spool, "c/d")), (None, Some(1)));
    spool.end_run(Reached { key: "c/d", frame: 1, first_frame: None, said: &[] }).unwrap();
    assert_eq!(names(folder.path(), "json"), [""; 0]);
    drop(spool);
    let mut spool = Spool::open(folder.path(), ROOM).unwrap();
    spool.commit(&[batch(0..1)], reached(3)).unwrap();
    assert_eq!(all(&mut Spool::open(copy(folder.path()).path(), ROOM).unwrap()), [0]);
}

#[test]
fn the_time_of_a_run_is_kept_with_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), ROOM).unwrap();
    let time = UNIX_EPOCH.checked_add(Duration::new(1_790_000_000, 123_456_789));
    let of = |key, first_frame| Some(Reached { key, frame: 1, first_frame, said: &[] });
    spool.commit(&[batch(0..1)], of("a", time)).unwrap();
    spool.commit(&[batch(1..2)], of("b", None)).unwrap();
    spool.commit(&[batch(2..3)], of("a", None)).unwrap();
    drop(spool);
    let again = Spool::open(folder.path(), ROOM).unwrap();
    let time_of = |key| again.known(key).unwrap().first_frame;
    assert_eq!((time_of("a"), time_of("b")), (time, None));
}

#[test]
fn a_run_that_was_cut_off_is_known_by_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), ROOM).unwrap();
    let said: Vec<_> = [("realtime", "1"), ("zone", "2")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let reached = |key, frame| Reached { key, frame, first_frame: None, said: &said };
    spool.commit(&[batch(0..1)], Some(reached("video/model/settings/streams", 7))).unwrap();
    spool.commit(&[batch(1..2)], Some(reached("film/model/settings/streams", 9))).unwrap();
    drop(spool);
    let mut spool = Spool::open(folder.path(), ROOM).unwrap();
    let other = |spool: &Spool, key: &str, said: &[(String, String)]| {
        spool.other(key, said).map(|other| (other.frame, other.differs))
    };
    assert_eq!(other(&spool, "video/model/settings/streams", &said), None, "that is this one");
    assert_eq!(other(&spool, "another/model/settings/streams", &said), None, "another input");
    let known = |differs: &str| Some((7, differs.to_owned()));
    assert_eq!(other(&spool, "video/model/x/streams", &said[1..]), known("realtime"));
    assert_eq!(other(&spool, "video/model/x/streams", &[]), known("realtime, zone"));
    let zone = [said[0].clone(), ("zone".to_owned(), "3".to_owned())];
    assert_eq!(other(&spool, "video/model/x/streams", &zone), known("zone"));
    let model = "the model or its settings, the streams";
    assert_eq!(other(&spool, "video/m/settings/s", &said), known(model));
    spool.end_run(reached("video/model/settings/streams", 7)).unwrap();
    assert_eq!(other(&spool, "video/model/x/streams", &[]), None, "it was not cut off");
}
