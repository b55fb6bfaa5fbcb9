//! Many inputs: found in folders, by patterns and in lists, and gone through under cron.

use std::path::Path;
#[cfg(all(feature = "libav", feature = "opencv"))]
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

#[cfg(all(feature = "libav", feature = "opencv"))]
use crate::common::frame_ids;
use crate::common::{Place, frame_lines, of_type, records_of};

/// Names of the sources that began, in their order.
fn sources(records: &[Value]) -> Vec<&str> {
    of_type(records, "run").iter().map(|run| run["source"].as_str().unwrap()).collect()
}

/// Puts a link to the committed clip at each of these names.
#[cfg(feature = "libav")]
fn clips(place: &Place, names: &[&str]) {
    for name in names {
        let path = place.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(crate::common::sample(), path).unwrap();
    }
}

fn folder(place: &Place, name: &str) {
    std::fs::create_dir_all(place.path(name)).unwrap();
}

#[test]
#[cfg(feature = "libav")]
fn a_folder_of_videos_is_all_of_them() {
    let place = Place::new();
    clips(&place, &["v/b.mp4", "v/a.MKV", "v/.c.mp4", "v/d.part.mp4", "v/below/e.mp4"]);
    place.file("v/notes.txt", "no video");
    let run = place.output("run v --engine fake --max-frames 2").ended(0);
    assert_eq!(sources(&run.records()), ["a.MKV", "b.mp4"]);
    let run = place.output("run --recursive v --engine fake --max-frames 2").ended(0);
    assert_eq!(sources(&run.records()), ["a.MKV", "b.mp4", "e.mp4"]);
    let run = place.output("run v/[b-z]*.mp4 --engine fake --max-frames 2").ended(0);
    assert_eq!(sources(&run.records()), ["b.mp4"]);
}

#[test]
#[cfg(feature = "libav")]
fn pictures_beside_videos_are_left_and_that_is_said() {
    let place = Place::new();
    clips(&place, &["v/a.mp4"]);
    place.file("v/poster.jpg", "not looked at");
    let run = place.output("run v --engine fake --max-frames 2").ended(0);
    assert_eq!(sources(&run.records()), ["a.mp4"]);
    assert!(run.stderr().contains("note: of 'v' the videos are read, not the pictures"));
    let run = place.output("run v -q --engine fake --max-frames 2").ended(0);
    assert_eq!(run.stderr(), "");
}

#[test]
fn a_folder_of_pictures_is_one_input() {
    let place = Place::new();
    folder(&place, "p");
    for name in ["p/1.png", "p/2.png"] {
        image::RgbImage::new(8, 8).save(place.path(name)).unwrap();
    }
    let run = place.output("run p --engine fake").ended(0);
    assert_eq!(sources(&run.records()), ["p"]);
    assert_eq!(of_type(&run.records(), "frame").len(), 2);
}

#[test]
fn what_is_empty_or_missing_fails_by_itself() {
    let place = Place::new();
    folder(&place, "empty");
    let film = "synthetic:8x8@10x5";
    let run = place.output(&format!("run empty {film} no.mp4 --engine fake")).ended(3);
    assert!(run.stderr().contains("'empty': the directory holds no videos"), "{}", run.stderr());
    let records = run.records();
    let total = records.last().unwrap();
    let failed: Vec<_> = total["failed"].as_array().unwrap().iter().collect();
    let told: Vec<_> = failed
        .iter()
        .map(|failed| (failed["source"].clone(), failed["exit_code"].clone()))
        .collect();
    assert_eq!(told, [("empty".into(), 66.into()), ("no.mp4".into(), 66.into())]);
    assert_eq!(total["done"], 1);
}

#[test]
fn a_list_of_inputs_from_a_file_or_standard_input() {
    let place = Place::new();
    let (a, b) = ("synthetic:8x8@10x3", "synthetic:8x8@10x4");
    place.file("list", format!("# made up\n{a}\r\n\n{b}\n"));
    let run = place.output("run --inputs-from list --engine fake").ended(0);
    assert_eq!(sources(&run.records()), [a, b]);
    let mut command = place.command(&format!("run {b} --inputs-from - -0 --engine fake"));
    let run = command.write_stdin(format!("{a}\0")).assert().code(0);
    let stdout = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    assert_eq!(sources(&crate::common::records(&stdout)), [b, a]);
}

#[test]
fn a_list_that_names_nothing_or_is_not_there() {
    let place = Place::new();
    place.file("list", "\n#none\n");
    let run = place.output("run --inputs-from list --engine fake").ended(66);
    assert!(run.stderr().contains("cannot open 'list': the list names no input"));
    let run = place.output("run --inputs-from no.txt --engine fake").ended(66);
    assert!(run.stderr().contains("cannot open 'no.txt': no such file"));
    let run = place.output("run - --inputs-from - --engine fake").ended(2);
    assert!(run.stderr().contains("cannot be both"));
}

/// Frames that last for minutes where they are read at their own pace.
const LONG: &str = "synthetic:8x8@10x3000 --realtime";

/// Waits until `is_so`, for a minute at most.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A run that is killed when a test ends, however that ends.
struct Running(Child);

impl Running {
    fn start(place: &Place, arguments: &str) -> Self {
        let mut command = place.spawnable(arguments);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The `total` in a file.
fn total(place: &Place, name: &str) -> Value {
    records_of(&place.path(name)).remove(0)
}

#[test]
fn the_first_failure_stops_the_rest() {
    let place = Place::new();
    let films = "no.mp4 synthetic:8x8@10x3 synthetic:8x8@10x4";
    let run = place.output(&format!("run {films} --engine fake --fail-fast")).ended(66);
    let records = run.records();
    let total = records.last().unwrap();
    assert_eq!((&total["left"], &total["exit"]), (&2.into(), &"error".into()));
    assert_eq!((&total["done"], &total["exit_code"]), (&0.into(), &66.into()));
    assert_eq!(total["failed"].as_array().unwrap().len(), 1);
    assert_eq!(sources(&records), [""; 0]);
}

#[test]
fn what_runs_beside_a_failure_is_interrupted() {
    let place = Place::new();
    let run = place.output(&format!("run {LONG} no.mp4 --engine fake --fail-fast")).ended(66);
    let records = run.records();
    let ends: Vec<_> = of_type(&records, "summary").iter().map(|end| end["exit"].clone()).collect();
    assert!(ends.iter().all(|end| end == "interrupted"), "{ends:?}");
    let total = records.last().unwrap();
    assert_eq!((&total["done"], &total["left"]), (&0.into(), &1.into()));
}

#[test]
fn a_lock_is_held_by_one_run_and_let_go_by_its_death() {
    let place = Place::new();
    let number = || std::fs::read_to_string(place.path("lock")).unwrap_or_default();
    let mut first = Running::start(&place, &format!("run {LONG} --engine fake --lock lock"));
    let pid = first.0.id().to_string();
    wait_until("the first run has the lock", || number().trim() == pid);
    let short = "run synthetic:8x8@10x3 --engine fake --lock lock";
    let second = place.output(short).ended(75);
    let stderr = second.stderr();
    assert!(stderr.contains(&format!("holds the lock 'lock' (process {pid})")), "{stderr}");
    assert_eq!(second.stdout(), "");
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    place.output(short).ended(0);
    assert!(place.path("lock").exists());
    place.file("film.mp4", "somebody's film");
    place.output("run synthetic:8x8@10x3 --engine fake --lock film.mp4").ended(2);
    assert_eq!(std::fs::read(place.path("film.mp4")).unwrap(), b"somebody's film");
}

#[test]
fn a_lock_is_asked_for_before_the_list_is_read() {
    let place = Place::new();
    let number = || std::fs::read_to_string(place.path("lock")).unwrap_or_default();
    let first = Running::start(&place, &format!("run {LONG} --engine fake --lock lock"));
    wait_until("the first run has the lock", || number().trim() == first.0.id().to_string());
    let mut command = place.spawnable("run --inputs-from - --engine fake --lock lock");
    // Nobody writes to it or closes it.
    let mut second = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the second run ends", || second.try_wait().unwrap().is_some());
    assert_eq!(second.wait().unwrap().code(), Some(75));
    let same = "run synthetic:8x8@10x3 --engine fake --lock l --ndjson l";
    assert!(place.output(same).ended(2).stderr().contains("'l' is the lock"));
}

#[test]
fn a_summary_is_written_of_what_did_not_begin_too() {
    let place = Place::new();
    folder(&place, "empty");
    for (input, code) in [("no.mp4", 66), ("empty", 66), ("--inputs-from no.txt", 66)] {
        place.file("last.json", "yesterday");
        place.output(&format!("run {input} --engine fake --summary-json last.json")).ended(code);
        let total = total(&place, "last.json");
        assert_eq!((&total["type"], &total["exit_code"]), (&"total".into(), &code.into()));
        let failed = total["failed"].as_array().unwrap();
        assert_eq!(failed.len(), 1, "{total}");
        assert_eq!(failed[0]["source"], input.trim_start_matches("--inputs-from "));
    }
    // A list that names nothing is no summary.
    place.file("list.txt", "# nothing yet\n");
    place.output("run --inputs-from list.txt --engine fake --summary-json ./list.txt").ended(66);
    assert_eq!(std::fs::read(place.path("list.txt")).unwrap(), b"# nothing yet\n");
    // What is wrong with the command says nothing of runs.
    place.file("last.json", "yesterday");
    place.output("run no.mp4 --workers x --summary-json last.json").ended(2);
    assert_eq!(std::fs::read(place.path("last.json")).unwrap(), b"yesterday");
}

#[test]
#[cfg(feature = "libav")]
fn names_that_are_no_text_fail_by_themselves() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    clips(&place, &["v/ok.mp4"]);
    for name in [&b"caf\xe9.mp4"[..], b"caf\xe8.mp4"] {
        let path = place.path("v").join(std::ffi::OsStr::from_bytes(name));
        std::os::unix::fs::symlink(crate::common::sample(), path).unwrap();
    }
    let run = "run v --engine fake --max-frames 2 --ndjson out/{stem}.ndjson --summary-json total";
    let run = place.output(run).ended(3);
    assert!(run.stderr().contains("names that are not UTF-8"), "{}", run.stderr());
    let total = total(&place, "total");
    assert_eq!((&total["done"], total["failed"].as_array().unwrap().len()), (&1.into(), 2));
    assert_eq!(frame_ids(&records_of(&place.path("out/ok.ndjson"))), [0, 1]);
}

#[test]
#[cfg(all(feature = "libav", feature = "opencv"))]
fn what_earlier_nights_made_is_no_input() {
    let place = Place::new();
    clips(&place, &["a.mp4", "b.mp4"]);
    let run = "run . --recursive --engine fake --max-frames 2 --skip-done --preset ultrafast \
               --ndjson out/{stem}.ndjson -o out/{stem}-seen.mp4 --summary-json total";
    for (done, before) in [(2, 0), (0, 2), (0, 2)] {
        place.output(run).ended(0);
        let total = total(&place, "total");
        assert_eq!(
            (&total["done"], total["done_before"].as_u64().unwrap_or(0)),
            (&done.into(), before)
        );
    }
    // A film that no run of ours made is not written over.
    let place = Place::new();
    clips(&place, &["a.mp4", "a-seen.mp4"]);
    let run = "run . --engine fake --ndjson out/{stem}.ndjson -o {stem}-seen.mp4";
    let refused = place.output(run).ended(2);
    assert!(refused.stderr().contains("a-seen.mp4' is the input"), "{}", refused.stderr());
}

#[test]
fn other_detections_are_gone_through_again() {
    let place = Place::new();
    let first = "run synthetic:8x8@10x9 --engine fake:boxes=2 --ndjson in.ndjson";
    let second = "run --detections in.ndjson --track --skip-done --ndjson out.ndjson";
    for (more, frames) in [("--max-frames 4", 4), ("", 9), ("", 9)] {
        place.output(&format!("{first} {more}")).ended(0);
        place.output(second).ended(0);
        let records = records_of(&place.path("out.ndjson"));
        assert_eq!(of_type(&records, "frame").len(), frames);
    }
}

#[test]
fn time_is_up_and_all_ends_well() {
    let place = Place::new();
    // Time enough to begin the first, not to end it.
    let films = "synthetic:8x8@10x3000 synthetic:8x8@10x4";
    let slow = "--engine fake:sleep-ms=50 --workers 1 --max-time 3";
    let run = place.output(&format!("run {films} {slow} --ndjson all")).ended(0);
    assert_eq!(run.stdout(), "");
    let records = records_of(&place.path("all"));
    assert_eq!(sources(&records), ["synthetic:8x8@10x3000"]);
    let summary = of_type(&records, "summary")[0];
    assert_eq!((&summary["exit"], &summary["exit_code"]), (&"limit".into(), &0.into()));
    let total = records.last().unwrap();
    assert_eq!((&total["exit"], &total["exit_code"]), (&"limit".into(), &0.into()));
    assert_eq!((&total["done"], &total["left"]), (&0.into(), &2.into()));
    let alone = place.output(&format!("run synthetic:8x8@10x3000 {slow}")).ended(0);
    assert_eq!(alone.records().last().unwrap()["exit"], "limit");
}

#[test]
fn every_thread_is_as_nice_as_asked() {
    let niceness = |stat: &Path| -> Option<i32> {
        let stat = std::fs::read_to_string(stat).ok()?;
        // The name in parentheses may have spaces; niceness is the 19th field of proc(5).
        stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
    };
    let place = Place::new();
    let run = Running::start(&place, &format!("run {LONG} --engine fake --nice 7 --ndjson all"));
    let folder = format!("/proc/{}/task", run.0.id());
    wait_until("frames are recorded", || {
        place.path("all.part").metadata().is_ok_and(|a| a.len() > 0)
    });
    let expected = (niceness(Path::new("/proc/thread-self/stat")).unwrap() + 7).min(19);
    let threads = std::fs::read_dir(folder).unwrap().map(|task| task.unwrap().path().join("stat"));
    // A thread may end while we look.
    let all: Vec<i32> = threads.filter_map(|stat| niceness(&stat)).collect();
    assert!(all.len() > 2 && all.iter().all(|nice| *nice == expected), "{all:?} {expected}");
}

/// Two made-up films, each with records and a table of its own.
const DONE: &str = "run synthetic:8x8@10x3 synthetic:8x8@10x4 --engine fake --skip-done \
    --ndjson out/{name}.ndjson --csv out/{name}.csv --summary-json total";

#[test]
fn what_is_done_is_left_out() {
    let place = Place::new();
    let again = |more: &str| {
        let run = place.output(&format!("{DONE} {more}")).ended(0);
        assert_eq!(run.stdout(), "");
        let total = total(&place, "total");
        (total["done"].as_u64().unwrap(), total["done_before"].as_u64().unwrap_or(0))
    };
    assert_eq!(again(""), (2, 0));
    let table = place.path("out/synthetic:8x8@10x3.csv");
    let before = table.metadata().unwrap().modified().unwrap();
    assert_eq!(again("--workers 1"), (0, 2));
    assert_eq!(table.metadata().unwrap().modified().unwrap(), before);
    std::fs::remove_file(&table).unwrap();
    assert_eq!(again(""), (1, 1), "an output is missing");
    assert_eq!(again("--conf 0.5"), (2, 0), "other detections");
    assert_eq!(again("--conf 0.5 --stride 2"), (2, 0), "other frames");
    assert_eq!(again("--conf 0.5 --stride 2"), (0, 2));
    assert_eq!(again("--max-frames 2"), (2, 0));
    assert_eq!(again("--max-frames 2"), (0, 2), "a limit that was asked for is an end");
    assert_eq!(again("--max-frames 2 --mot out/{name}.mot --track"), (2, 0), "another output");
}

#[test]
fn what_is_not_whole_is_made_anew() {
    let place = Place::new();
    place.output(DONE).ended(0);
    let path = place.path("out/synthetic:8x8@10x3.ndjson");
    let whole = std::fs::read_to_string(&path).unwrap();
    let (other, without_end) = (whole.replace("end_of_input", "limit"), whole.trim_end());
    let (_, without_first) = whole.split_once('\n').unwrap();
    let without_last = whole.get(..without_end.rfind('\n').unwrap() + 1).unwrap();
    for broken in [&other, without_end, without_first, without_last, ""] {
        std::fs::write(&path, broken).unwrap();
        let run = place.output(&format!("{DONE} -v")).ended(0);
        assert!(
            run.stderr().contains("'synthetic:8x8@10x4' is done: left out"),
            "{}",
            run.stderr()
        );
        assert_eq!(total(&place, "total")["done"], 1, "{broken}");
        let again = std::fs::read_to_string(&path).unwrap();
        assert_eq!(frame_lines(&again), frame_lines(&whole));
    }
}

#[test]
fn one_input_that_is_done_is_not_even_opened() {
    let place = Place::new();
    let run = "run synthetic:8x8@10x3 --engine fake --skip-done --ndjson a.ndjson";
    place.output(run).ended(0);
    let before = std::fs::read(place.path("a.ndjson")).unwrap();
    let again = place.output(run).ended(0);
    assert_eq!((again.stdout(), again.stderr()), (String::new(), String::new()));
    assert_eq!(std::fs::read(place.path("a.ndjson")).unwrap(), before);
}

#[test]
fn outputs_that_cannot_tell_what_is_done_are_refused() {
    let place = Place::new();
    let refused = |outputs: &str, words: &str| {
        let films = "synthetic:8x8@10x3 synthetic:8x8@10x4";
        let run =
            place.output(&format!("run {films} --engine fake --skip-done {outputs}")).ended(2);
        assert!(run.stderr().contains(words), "{}", run.stderr());
    };
    refused("", "no file of their own");
    refused("--ndjson all.ndjson", "no file of their own");
    refused("--csv {name}.csv", "no file of their own");
    refused("--ndjson {name}.ndjson --csv all.csv", "one file for all");
    refused("--ndjson {name}-%F.ndjson --segment 1h", "what never ends");
}

#[test]
fn a_good_run_says_nothing_when_quiet() {
    let place = Place::new();
    for _ in 0..2 {
        let run = place.output(&format!("{DONE} -q")).ended(0);
        assert_eq!((run.stdout(), run.stderr()), (String::new(), String::new()));
    }
}

/// Killed twice in the middle of eight videos, one of them no video and one missing besides: at
/// the end every good one has its outputs once and whole.
#[test]
#[cfg(all(feature = "libav", feature = "opencv"))]
fn killed_and_started_again_all_is_there_once() {
    use std::collections::BTreeSet;

    let place = Place::new();
    let films: Vec<String> = (1..=8).map(|i| format!("in/{i}.mp4")).collect();
    clips(&place, &films.iter().map(String::as_str).collect::<Vec<_>>());
    place.file("in/bad.mp4", "no video\n".repeat(100));
    let run = "run in no.mp4 --engine fake:sleep-ms=5 --workers 1 --jobs 2 --max-frames 30 \
        --skip-done -o out/{stem}.mkv --ndjson out/{stem}.ndjson --csv out/{stem}.csv \
        --summary-json total -q";
    let finished = || {
        let entries = std::fs::read_dir(place.path("out")).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        let named = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(".ndjson") && !name.contains(".part")
        };
        paths.filter(named).collect::<BTreeSet<_>>()
    };
    let mut before = BTreeSet::new();
    for kill in 1..=2 {
        let mut running = Running::start(&place, run);
        wait_until("more is done", || finished().len() > before.len());
        running.0.kill().unwrap();
        running.0.wait().unwrap();
        let now = finished();
        assert!(now.is_superset(&before) && now.len() < 8, "kill {kill}: {now:?}");
        for file in &now {
            assert_eq!(records_of(file).last().unwrap()["type"], "summary", "{file:?}");
        }
        before = now;
    }
    let end = place.output(run).ended(3);
    assert_eq!(end.stderr().lines().filter(|line| line.contains("error:")).count(), 2);
    let total = total(&place, "total");
    let failed = total["failed"].as_array().unwrap();
    let failed: Vec<_> = failed.iter().map(|one| one["source"].as_str().unwrap()).collect();
    assert_eq!(failed, ["bad.mp4", "no.mp4"]);
    assert_eq!(total["done_before"], before.len());
    assert_eq!(total["done"], 8 - before.len());
    let names: Vec<String> = std::fs::read_dir(place.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 8 * 3, "{names:?}");
    for file in finished() {
        assert_eq!(frame_ids(&records_of(&file)), (0..30).collect::<Vec<_>>());
        assert!(file.with_extension("mkv").metadata().unwrap().len() > 0);
        assert!(file.with_extension("csv").metadata().unwrap().len() > 0);
    }
}
