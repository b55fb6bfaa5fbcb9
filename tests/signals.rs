//! Endings that need a process: signals, closed pipes.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, frame_ids, records_of};

/// Waits for the end, but not for ever.
fn end_of(child: &mut Child, within: Duration) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > within {
            child.kill().unwrap();
            panic!("still running after {within:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Starts a long run that writes to `a.ndjson` and waits until it has written frames.
fn started(place: &Place, more: &str) -> Child {
    let arguments =
        format!("run synthetic:8x8@10x1000000 --engine fake:sleep-ms=5 --ndjson a.ndjson {more}");
    let child = place.spawnable(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    let part = place.path("a.part.ndjson");
    let start = Instant::now();
    while std::fs::metadata(&part).map_or(0, |about| about.len()) < 5000 {
        assert!(start.elapsed() < Duration::from_secs(30), "no frames");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_signal_finishes_the_outputs_and_is_then_died_of() {
    for (name, number, code) in [("INT", 2, 130), ("TERM", 15, 143)] {
        let place = Place::new();
        let mut child = started(&place, "");
        signal(&child, name);
        let status = end_of(&mut child, Duration::from_secs(10));
        assert_eq!(status.signal(), Some(number), "{status}");
        let records = records_of(&place.path("a.ndjson"));
        let summary = records.last().unwrap();
        assert_eq!(summary["exit"], "interrupted");
        assert_eq!(summary["exit_code"], code);
        let ids = frame_ids(&records);
        assert!(ids.iter().copied().eq(0..ids.len() as u64));
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new();
    let mut child = started(&place, "--drain-timeout 60s");
    // The model sleeps for a minute on each frame that is in flight.
    child.kill().unwrap();
    child.wait().unwrap();
    let slow = "run synthetic:8x8@10x1000 --engine fake:sleep-ms=60000 --ndjson b.ndjson";
    let mut child = place.spawnable(slow).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "the first drains");
    signal(&child, "INT");
    let status = end_of(&mut child, Duration::from_secs(3));
    assert_eq!(status.signal(), Some(2));
}

#[test]
fn draining_is_bounded() {
    let place = Place::new();
    let slow = "run synthetic:8x8@10x1000 --engine fake:sleep-ms=60000 --drain-timeout 500ms \
                --ndjson b.ndjson --summary-json s.json";
    let mut child = place.spawnable(slow).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "TERM");
    end_of(&mut child, Duration::from_secs(8));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(stderr.contains("was still busy after --drain-timeout"), "{stderr}");
    assert_eq!(records_of(&place.path("s.json"))[0]["drained"], false);
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_run_well() {
    let place = Place::new();
    let mut child = place
        .spawnable("run synthetic:8x8@10x1000000 --engine fake")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with(r#"{"type":"run""#));
    let status = end_of(&mut child, Duration::from_secs(5));
    assert_eq!(status.code(), Some(0));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[test]
fn another_output_goes_on_when_standard_output_is_closed() {
    let place = Place::new();
    let mut child = place
        .spawnable("run synthetic:8x8@10x2000 --engine fake --ndjson - --csv a.csv")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(end_of(&mut child, Duration::from_secs(20)).code(), Some(0));
    assert_eq!(std::fs::read_to_string(place.path("a.csv")).unwrap().lines().count(), 2001);
}
