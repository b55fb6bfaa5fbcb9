//! Rows in Timeplus, through the program: a run that goes on where a killed one stopped, how it
//! ends when a server refuses or is away, and what is seen of rows meanwhile.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Place, Server, of_type, records_of};
use crate::timeplus::{BOUND, Fake, PASSWORD, RUN, USER, as_user, ids, output};

/// Asks until the answer is there.
#[track_caller]
fn await_some<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < BOUND, "{what} never comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The event time less the time in the video, milliseconds since 1970.
fn first_frame_ms(row: &Value) -> i128 {
    let time = row["_tp_time"].as_str().unwrap().replace(' ', "T") + "Z";
    let time = humantime::parse_rfc3339(&time).unwrap();
    let ms = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    ms as i128 - (row["pts_s"].as_f64().unwrap() * 1000.0).round() as i128
}

#[test]
fn a_run_that_goes_on_keeps_its_clock() {
    for said in ["", "--recorded-at now"] {
        let (place, fake) = (Place::new(), Fake::start(&[]));
        // Three seconds: its rows go out every second.
        let run = format!(
            "run synthetic:64x48@10x30 --engine fake:boxes=2:sleep-ms=100 --workers 1 -q \
             --timeplus {} --spool spool {said}",
            fake.url
        );
        let mut command = place.spawnable(&run);
        command.env("TIMEPLUS_USER", USER).env("TIMEPLUS_PASSWORD", PASSWORD);
        let killed = Server(command.stdout(Stdio::null()).spawn().unwrap());
        let frames = || fake.rows("vision_pipe_frames").len();
        let before = await_some("a row", || Some(frames()).filter(|frames| *frames > 0));
        drop(killed);
        assert!(before < 30, "it was killed too late");
        output(&place, &run).ended(0);
        let rows = fake.rows("vision_pipe_detections");
        assert_eq!(ids(&rows).len(), 60);
        let frames = fake.rows("vision_pipe_frames");
        assert_eq!(frames.len(), 30);
        // A run id each.
        let runs: BTreeSet<_> = rows.iter().map(|row| row["run_id"].as_str().unwrap()).collect();
        assert_eq!(runs.len(), 2);
        let firsts: BTreeSet<_> = rows.iter().chain(&frames).map(first_frame_ms).collect();
        // Both numbers are cut to milliseconds.
        let (first, last) = (firsts.first().unwrap(), firsts.last().unwrap());
        assert!(last - first <= 1, "{said}: clocks {firsts:?}");
    }
}

#[test]
fn a_loop_is_never_gone_on_with() {
    let place = Place::new();
    let away = "--timeplus http://127.0.0.1:1 --timeplus-give-up 1s --spool spool -q";
    for waiting in [120, 240] {
        let run = format!("{RUN} --loop --max-frames 40 {away} --ndjson a.ndjson");
        output(&place, &run).ended(3);
        let summary = of_type(&records_of(&place.path("a.ndjson")), "summary")[0].clone();
        assert_eq!(summary["rows"]["waiting"], waiting, "{summary}");
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_server() {
    let place = Place::new();
    let run = format!(
        "{RUN} --timeplus http://127.0.0.1:1 --drain-timeout 3s -q --ndjson a.ndjson --csv a.csv"
    );
    let mut child = place.spawnable(&run).stderr(Stdio::null()).spawn().unwrap();
    // The table is whole when all frames are done; the records wait for the summary.
    await_some("the table", || place.path("a.csv").exists().then_some(()));
    assert!(child.try_wait().unwrap().is_none(), "it waits ten minutes");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = await_some("its end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(3));
    let summary = of_type(&records_of(&place.path("a.ndjson")), "summary")[0].clone();
    assert_eq!((&summary["rows"]["lost"], &summary["rows"]["waiting"]), (&90.into(), &0.into()));
}

#[test]
fn rows_that_nobody_takes_for_too_long_are_counted() {
    let place = Place::new();
    let run = "run synthetic:64x48@10x3000 --engine fake:boxes=9 --conf 0.01 --ndjson a.ndjson \
               --timeplus http://127.0.0.1:1 --timeplus-give-up 1s --spool-bytes 1KB";
    let said = output(&place, run).ended(3);
    let records = records_of(&place.path("a.ndjson"));
    let found: usize =
        of_type(&records, "frame").iter().map(|f| f["predictions"].as_array().unwrap().len()).sum();
    let rows = found + 3000;
    let summary = of_type(&records, "summary")[0].clone();
    assert_eq!((&summary["rows"]["lost"], &summary["rows"]["waiting"]), (&rows.into(), &0.into()));
    assert!(said.stderr().contains(&format!("{rows} rows did not get to")), "{}", said.stderr());
}

#[test]
fn a_damaged_batch_is_no_success() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let away = "--timeplus http://127.0.0.1:1 --timeplus-give-up 1s --spool spool -q";
    output(&place, &format!("{RUN} {away}")).ended(3);
    let entries =
        std::fs::read_dir(place.path("spool")).unwrap().map(|entry| entry.unwrap().path());
    let batch = entries.into_iter().find(|path| path.extension().is_some_and(|e| e == "new"));
    let batch = batch.unwrap();
    let mut bytes = std::fs::read(&batch).unwrap();
    bytes[1] ^= 0xff;
    std::fs::write(&batch, bytes).unwrap();
    output(&place, &format!("timeplus drain --timeplus {} --spool spool", fake.url)).ended(3);
}

#[test]
fn the_server_of_the_environment_is_for_who_speaks_of_rows() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let host = fake.url.strip_prefix("http://").unwrap();
    let run = |more: &str| {
        let mut command = place.command(&format!("{RUN} -q {more}"));
        command.env("TIMEPLUS_HOST", host).env("TIMEPLUS_USER", USER);
        command.env("TIMEPLUS_PASSWORD", PASSWORD).assert().success();
        fake.rows("vision_pipe_detections").len()
    };
    assert_eq!(run(""), 0);
    assert_eq!(run("--require timeplus"), 60);
    assert_eq!(run("--spool spool"), 120);
    for address in ["{}/database", "{}/?user=a&password=b"] {
        let address = address.replace("{}", &fake.url);
        let refused = output(&place, &format!("{RUN} -q --timeplus {address}")).ended(2);
        assert!(refused.stderr().contains("no path and no query"), "{}", refused.stderr());
    }
    let shown = output(&place, &format!("{RUN} --timeplus me:hidden@h:8123 --print-config"));
    assert!(!shown.stdout().contains("hidden"), "{}", shown.stdout());
}

#[test]
fn rows_that_a_server_refuses_or_misses_wait_in_the_spool() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let rows = |run: &str| {
        let records = records_of(&place.path(run));
        of_type(&records, "summary")[0]["rows"].clone()
    };
    let run = format!("{RUN} --timeplus {} --spool refused --ndjson refused.ndjson", fake.url);
    let run = as_user(&place, "wrong", &run).ended(3);
    assert!(run.stderr().contains("90 wait in the spool 'refused'"), "{}", run.stderr());
    assert!(run.stderr().contains("vision-pipe timeplus drain --spool"), "{}", run.stderr());
    let said = rows("refused.ndjson");
    assert!(said["retries"].as_u64().unwrap() > 0, "{said}");
    let retries = &said["retries"];
    let expected =
        json!({"delivered": 0, "waiting": 90, "lost": 0, "refused": 0, "retries": retries});
    assert_eq!(said, expected);
    let away = "--timeplus http://127.0.0.1:1 --timeplus-give-up 1s --ndjson away.ndjson";
    output(&place, &format!("{RUN} {away} --spool away")).ended(3);
    assert_eq!(
        (&rows("away.ndjson")["waiting"], &rows("away.ndjson")["lost"]),
        (&90.into(), &0.into())
    );
    output(&place, &format!("{RUN} {away}")).ended(3);
    assert_eq!(
        (&rows("away.ndjson")["waiting"], &rows("away.ndjson")["lost"]),
        (&0.into(), &90.into())
    );
    // The same command delivers what waits, and nothing anew.
    let run = format!("{RUN} --timeplus {} --spool refused --ndjson sent.ndjson", fake.url);
    output(&place, &run).ended(0);
    assert_eq!(rows("sent.ndjson")["delivered"], 90);
    assert_eq!(ids(&fake.rows("vision_pipe_detections")).len(), 60);
}

#[test]
fn other_frames_of_the_same_input_are_other_rows() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let waiting = |run: &str| {
        let records = records_of(&place.path(run));
        of_type(&records, "summary")[0]["rows"]["waiting"].clone()
    };
    // Its rows wait, so its checkpoint stays.
    let away = "--timeplus http://127.0.0.1:1 --timeplus-give-up 1s --spool spool";
    output(&place, &format!("{RUN} {away} --stride 10 --ndjson few.ndjson")).ended(3);
    assert_eq!(waiting("few.ndjson"), 9);
    output(&place, &format!("{RUN} {away} --ndjson all.ndjson")).ended(3);
    assert_eq!(waiting("all.ndjson"), 9 + 90);
    let run = format!("{RUN} --timeplus {} --spool spool", fake.url);
    output(&place, &run).ended(0);
    // Both runs' rows, with one id for what both have.
    let rows = fake.rows("vision_pipe_detections");
    let known: BTreeSet<_> = rows.iter().map(|row| row["detection_id"].to_string()).collect();
    assert_eq!((rows.len(), known.len()), (6 + 60, 60));
}

/// What `/metrics` says once it has these words.
fn numbers(address: &str, words: &[&str]) -> String {
    await_some(&format!("{words:?}"), || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        words.iter().all(|words| text.contains(words)).then_some(text)
    })
}

#[test]
fn the_page_counts_rows() {
    let (place, fake) = (Place::new(), Fake::start(&[]));
    let of = |name: &str, more: &str, value: u64| {
        format!("vision_pipe_rows_{name}{{source=\"synthetic:64x48@10x30\"{more}}} {value}\n")
    };
    let state = |state: &str| of("state", &format!(",state=\"{state}\""), 1);
    for (url, password, state, delivered, waiting) in [
        (&*fake.url, PASSWORD, state("up"), 90, 0),
        (&*fake.url, "wrong", state("parked"), 0, 90),
        ("http://127.0.0.1:1", PASSWORD, state("down"), 0, 90),
    ] {
        // Without a spool it waits for its server while it is looked at.
        let run = format!("{RUN} --preview 0 --preview-linger --timeplus {url}");
        let mut command = place.spawnable(&run);
        command.env("TIMEPLUS_USER", USER).env("TIMEPLUS_PASSWORD", password);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map(Server).unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.0.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap();
        let wanted = [state, of("delivered_total", "", delivered), of("waiting", "", waiting)];
        let text = numbers(address, &wanted.each_ref().map(String::as_str));
        for (name, kind) in [
            ("delivered_total", "counter"),
            ("dropped_total", "counter"),
            ("refused_total", "counter"),
            ("retries_total", "counter"),
            ("waiting", "gauge"),
            ("waiting_bytes", "gauge"),
            ("state", "gauge"),
        ] {
            assert!(text.contains(&format!("# HELP vision_pipe_rows_{name} ")), "{name}: {text}");
            assert!(text.contains(&format!("# TYPE vision_pipe_rows_{name} {kind}\n")), "{text}");
        }
        assert_eq!(text.matches("vision_pipe_rows_state{").count(), 3);
        assert!(!text.contains("hunter2"), "{text}");
    }
}
