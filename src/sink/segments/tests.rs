//! Segments of a made-up output that writes a line a frame.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::record::FrameRecord;
use proptest::prelude::*;

/// Writes frame numbers to a part, and gives it its name when it ends.
struct Lines {
    target: Target,
    text: String,
}

impl Sink for Lines {
    fn kind(&self) -> &'static str {
        "lines"
    }

    fn target(&self) -> String {
        self.target.shown()
    }

    fn wants_pixels(&self) -> bool {
        true
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        if let Item::Frame { record, .. } = item {
            writeln!(self.text, "{:09}", record.frame_id).unwrap();
            std::fs::write(self.target.writing_path(), &self.text).unwrap();
        }
        Ok(Flow::Continue)
    }

    fn finish(self: Box<Self>, _: Ending) -> Result<(), SinkError> {
        self.target.commit()
    }
}

struct Room {
    dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn open(&self, name: &str, split: Split, limits: Limits) -> Segmented {
        self.begun_at(SystemTime::UNIX_EPOCH, name, split, limits)
    }

    fn begun_at(&self, begun: SystemTime, name: &str, split: Split, limits: Limits) -> Segmented {
        let pattern = Pattern::parse(&self.dir.path().join(name)).unwrap();
        let make: Make = Box::new(|path| {
            let target = Target::prepare(path, true)?;
            std::fs::write(target.writing_path(), "").unwrap();
            Ok(Box::new(Lines { target, text: String::new() }))
        });
        Segmented::open(pattern, split, begun, Arc::new(Keeper::new(limits)), make).unwrap()
    }

    /// The files that show, in the order of their names, with the frames in them.
    fn files(&self) -> Vec<(String, Vec<u64>)> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let frames = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(|line| line.parse().unwrap()).collect()
        };
        let shown = paths.iter().filter(|path| !name(path).starts_with('.'));
        shown.map(|path| (name(path), frames(path))).collect()
    }
}

fn frame(id: u64, pts_s: f64) -> Item {
    let record = FrameRecord { frame_id: id, pts_s: Some(pts_s), ..FrameRecord::default() };
    Item::Frame { record: Arc::new(record), image: None, clean: None }
}

fn every(seconds: f64) -> Split {
    Split::Every(Duration::from_secs_f64(seconds))
}

/// Writes frames at these times to the end.
fn write(mut sink: Segmented, times: impl IntoIterator<Item = f64>) {
    for (id, pts_s) in times.into_iter().enumerate() {
        sink.write(&frame(id as u64, pts_s)).unwrap();
    }
    Box::new(sink).finish(Ending::Whole).unwrap();
}

#[test]
fn boundaries_are_multiples_from_the_first_frame_on() {
    let room = Room::new();
    let sink = room.open("%s", every(2.0), Limits::default());
    assert!(sink.wants_pixels() && sink.kind() == "lines");
    write(sink, [10.5, 11.0, 12.4, 12.5, 14.49999999, 19.0, 19.1]);
    let expected = [("10", vec![0, 1, 2]), ("12", vec![3]), ("14", vec![4]), ("19", vec![5, 6])];
    assert_eq!(room.files(), expected.map(|(name, ids)| (name.to_owned(), ids)));
}

#[test]
fn a_file_that_has_the_size_is_the_last_of_its_frames() {
    let room = Room::new();
    // A line has ten bytes.
    write(room.open("%s", Split::Bytes(25), Limits::default()), [0.0, 1.0, 2.0, 3.0, 4.0]);
    let expected = [("0".to_owned(), vec![0, 1, 2]), ("3".to_owned(), vec![3, 4])];
    assert_eq!(room.files(), expected);
}

#[test]
fn no_file_that_is_there_is_written_over() {
    let room = Room::new();
    for name in ["0.x", "0.part.x", "0-2.part.x", "0-3.x"] {
        std::fs::write(room.dir.path().join(name), "7\n").unwrap();
    }
    std::os::unix::fs::symlink("nowhere", room.dir.path().join("0-4.x")).unwrap();
    write(room.open("%s.x", every(0.1), Limits::default()), [0.0, 0.2]);
    std::fs::remove_file(room.dir.path().join("0-4.x")).unwrap();
    let files = room.files();
    assert_eq!(files.len(), 6, "{files:?}");
    assert!(
        files.contains(&("0-5.x".into(), vec![0])) && files.contains(&("0-6.x".into(), vec![1]))
    );
    assert_eq!(files.iter().filter(|(_, frames)| frames == &[7]).count(), 4);
}

#[test]
fn times_come_from_the_records_where_they_say() {
    let room = Room::new();
    let mut sink = room.open("%F.%H%M%S", every(5.0), Limits::default());
    let ts = Some("2026-11-23T01:02:03.500000Z".to_owned());
    let record = FrameRecord { pts_s: Some(1e6), ts, ..FrameRecord::default() };
    sink.write(&Item::Frame { record: Arc::new(record), image: None, clean: None }).unwrap();
    Box::new(sink).finish(Ending::Whole).unwrap();
    assert_eq!(room.files()[0].0, "2026-11-23.010203");
}

#[test]
fn outputs_of_one_run_count_from_its_begin_whenever_they_are_opened() {
    let (one, other) = (Room::new(), Room::new());
    // A hundred milliseconds before the next second.
    let begun = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_900);
    for room in [&one, &other] {
        write(room.begun_at(begun, "%s", every(1.0), Limits::default()), [0.0, 0.5, 1.0, 2.5]);
        std::thread::sleep(Duration::from_millis(150));
    }
    let names = |room: &Room| room.files().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&one), ["1000", "1001", "1003"]);
    assert_eq!(names(&one), names(&other));
}

#[test]
fn another_run_of_the_same_name_is_refused() {
    let room = Room::new();
    let _one = room.open("%s", every(1.0), Limits::default());
    let pattern = Pattern::parse(&room.dir.path().join("%s")).unwrap();
    let make: Make = Box::new(|path| {
        Ok(Box::new(Lines { target: Target::prepare(path, true)?, text: String::new() }))
    });
    let keeper = Arc::new(Keeper::new(Limits::default()));
    let other = Segmented::open(pattern, every(1.0), SystemTime::UNIX_EPOCH, keeper, make);
    assert!(matches!(other.map(|_| ()), Err(SinkError::Locked { .. })));
}

#[test]
fn frames_are_left_out_while_the_disk_is_nearly_full() {
    let room = Room::new();
    let guard = Guard::new(room.dir.path(), Some(u64::MAX), 1, "lines 'x'".into());
    let mut sink = room.open("%s", every(1.0), Limits::default()).guarded(guard);
    for id in 0..4 {
        sink.write(&frame(id, id as f64)).unwrap();
    }
    let error = Box::new(sink).finish(Ending::Whole).unwrap_err();
    assert!(matches!(error, SinkError::LeftOut { lost: 4, .. }), "{error}");
    assert_eq!(room.files(), []);
}

#[test]
fn what_is_kept_holds_over_runs() {
    let room = Room::new();
    let limits = Limits { age: None, bytes: Some(45) };
    for _ in 0..2 {
        write(room.open("%s", every(2.0), limits), (0..20).map(f64::from));
        // Two lines a file, ten bytes a line.
        assert_eq!(room.files().len(), 2, "{:?}", room.files());
    }
}

proptest! {
    #[test]
    fn every_frame_is_in_one_file(
        steps in prop::collection::vec(0.0..3.0f64, 1..40), length in 0.5..4.0f64,
    ) {
        let room = Room::new();
        let times: Vec<f64> = steps
            .iter()
            .scan(0.0, |sum, step| { *sum += step; Some(*sum) })
            .collect();
        write(room.open("%s.x", every(length), Limits::default()), times.iter().copied());
        let mut files = room.files();
        files.sort_by_key(|(_, frames)| frames[0]);
        let all: Vec<u64> = files.iter().flat_map(|(_, frames)| frames.clone()).collect();
        prop_assert_eq!(all, (0..times.len() as u64).collect::<Vec<_>>());
        for (_, frames) in files {
            let (first, last) = (times[frames[0] as usize], times[*frames.last().unwrap() as usize]);
            prop_assert!(last - first <= length * 1.001);
        }
    }
}
