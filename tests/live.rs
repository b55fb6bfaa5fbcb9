//! Files read as cameras are: at their own pace, again and again, with frames dropped to keep up;
//! pipes and addresses.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Place, Server, frame_lines, free_port, records, sample};

fn frames(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["type"] == "frame").collect()
}

#[test]
fn what_is_dropped_is_counted_to_the_last_frame() {
    let place = Place::new();
    for policy in ["latest", "bounded:150ms"] {
        let run = format!(
            "run {} --engine fake:sleep-ms=250 --workers 1 --realtime --live yes --max-frames 40 \
             --live-policy {policy}",
            sample().display()
        );
        let records = place.output(&run).ended(0).records();
        let summary = records.last().unwrap();
        assert_eq!(records[0]["input"]["live"], true);
        let count = |key: &str| summary["dropped"][key].as_u64().unwrap();
        let dropped = count("live") + count("stale");
        let processed = frames(&records).len() as u64;
        assert_eq!(summary["frames_read"].as_u64(), Some(processed + dropped), "{policy}");
        assert!(dropped > 0 && processed > 5, "{policy}: {processed} and {dropped}");
        assert!(summary["stages"]["age"]["p99_ms"].is_number());
    }
}

#[test]
fn a_file_goes_round_with_times_that_go_on() {
    let place = Place::new();
    let plain = format!("run {} --engine fake", sample().display());
    let once = frames(&place.output(&plain).ended(0).records()).len();
    let most = once + once / 2;
    let records = place.output(&format!("{plain} --loop --max-frames {most}")).ended(0).records();
    let frames = frames(&records);
    assert_eq!(frames.len(), most);
    for (index, pair) in frames.windows(2).enumerate() {
        assert_eq!(pair[1]["frame_id"].as_u64(), Some(index as u64 + 1));
        let time = |frame: &Value| frame["pts_s"].as_f64().unwrap();
        assert!((time(pair[1]) - time(pair[0]) - 0.1).abs() < 0.01, "at {index}");
    }
}

#[test]
fn a_file_at_its_own_pace_takes_its_time() {
    let place = Place::new();
    let run = format!("run {} --engine fake --realtime --max-frames 11", sample().display());
    let records = place.output(&run).ended(0).records();
    // Ten intervals of a tenth of a second; how much longer is the machine's matter.
    assert!(records.last().unwrap()["elapsed_s"].as_f64() >= Some(1.0));
    assert_eq!(frames(&records).len(), 11);
}

/// The sample as a real ffmpeg sends it through a pipe.
fn sent(place: &Place, form: &str) -> Vec<Value> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(sample())
        .args(form.split_whitespace())
        .arg("-")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = place
        .spawnable("run - --engine fake")
        .stdin(ffmpeg.stdout.take().unwrap())
        .output()
        .unwrap();
    ffmpeg.wait().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    records(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_pipe_gives_every_frame() {
    let place = Place::new();
    let whole = place.output(&format!("run {} --engine fake", sample().display())).ended(0);
    let whole = frames(&whole.records()).len();
    for form in ["-c copy -f mpegts", "-c copy -f matroska", "-pix_fmt yuv420p -f yuv4mpegpipe"] {
        let found = sent(&place, form);
        assert_eq!(frames(&found).len(), whole, "{form}");
        assert_eq!(
            (&found[0]["source"], &found[0]["input"]["live"]),
            (&"stdin".into(), &false.into())
        );
        for (index, frame) in frames(&found).iter().enumerate() {
            let expected = index as f64 / 10.0;
            assert!((frame["pts_s"].as_f64().unwrap() - expected).abs() < 0.002, "{form}: {index}");
        }
    }
}

#[test]
fn a_film_over_http_is_read_like_a_file() {
    let place = Place::new();
    let port = free_port();
    let mut server = Command::new("python3");
    server.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
    server.current_dir(sample().parent().unwrap());
    let _server = Server::listening(&mut server, port);
    let url = format!("http://me:secret@127.0.0.1:{port}/pedestrians.mp4?token=hidden");
    let run = place.output(&format!("run {url} --engine fake")).ended(0);
    let found = run.records();
    assert_eq!(frames(&found).len(), 100);
    assert_eq!(found[0]["source"], "pedestrians.mp4");
    assert_eq!(found[0]["input"]["live"], false);
    let all = run.stdout() + &run.stderr();
    assert!(!all.contains("secret") && !all.contains("hidden"), "{}", run.stderr());
    let missing = place.output(&format!("run http://127.0.0.1:{port}/nope.mp4 --engine fake"));
    assert!([65, 66, 69].contains(&missing.code()), "{}", missing.stderr());
    assert!(missing.stderr().contains("nope.mp4"), "{}", missing.stderr());
}

#[test]
fn a_server_that_is_not_there_is_69_and_one_that_is_silent_lets_go() {
    let place = Place::new();
    let port = free_port();
    let run = place.output(&format!("run rtsp://127.0.0.1:{port}/x --engine fake")).ended(69);
    assert!(run.stderr().contains(&format!("rtsp://127.0.0.1:{port}/x")), "{}", run.stderr());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("rtsp://127.0.0.1:{port}/x");
    let waits = format!("run {url} --engine fake --read-timeout 500ms");
    assert!(place.output(&waits).ended(69).stderr().contains("nothing came"));
    let mut child = place.spawnable(&format!("run {url} --engine fake")).spawn().unwrap();
    // Its connection is there: it waits for an answer now.
    silent.accept().unwrap();
    let asked = Instant::now();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(15), "{status:?}");
    assert!(asked.elapsed() < Duration::from_secs(2), "a stop is heard at once");
}

#[test]
fn a_live_file_grows_in_place_and_is_opened_anew_on_hangup() {
    let place = Place::new();
    place.file("found.csv", "what was there\n");
    let run = format!(
        "run {} --engine fake:boxes=1 --realtime --live yes --loop --ndjson live.ndjson --csv found.csv",
        sample().display()
    );
    let mut server = Server(place.spawnable(&run).spawn().unwrap());
    let lines =
        |name: &str| std::fs::read_to_string(place.path(name)).unwrap_or_default().lines().count();
    let until = |name: &str, count: usize| {
        let start = Instant::now();
        while lines(name) < count {
            assert!(start.elapsed() < Duration::from_secs(30), "{name} does not grow");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("live.ndjson", 5);
    std::fs::rename(place.path("live.ndjson"), place.path("old.ndjson")).unwrap();
    std::fs::rename(place.path("found.csv"), place.path("old.csv")).unwrap();
    let pid = server.0.id().to_string();
    let send = |signal: &str| {
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    };
    send("-HUP");
    until("live.ndjson", 5);
    until("found.csv", 3);
    send("-TERM");
    assert_eq!(server.0.wait().unwrap().signal(), Some(15));
    let text = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    // No line is lost or told twice.
    let all = records(&(text("old.ndjson") + &text("live.ndjson")));
    let ids: Vec<_> = frames(&all).iter().map(|f| f["frame_id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[1] > pair[0]), "{ids:?}");
    assert_eq!(all.last().unwrap()["frames"].as_u64(), Some(ids.len() as u64));
    assert!(text("old.csv").starts_with("what was there\n"));
    assert!(text("found.csv").starts_with("source,frame_id"));
}

#[test]
fn a_service_manager_is_told() {
    let place = Place::new();
    let socket = std::os::unix::net::UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let run = format!("run {} --engine fake --realtime --max-frames 20", sample().display());
    let mut program = place.spawnable(&run);
    let program = program.env("NOTIFY_SOCKET", place.path("notify")).stdout(Stdio::null());
    let mut program = Server(program.spawn().unwrap());
    let mut said = Vec::new();
    while said.last().is_none_or(|last: &String| last != "STOPPING=1") {
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).unwrap();
        said.push(String::from_utf8(bytes[..length].to_vec()).unwrap());
    }
    assert_eq!(program.0.wait().unwrap().code(), Some(0));
    assert!(said[0].starts_with("READY=1\n"), "{said:?}");
    assert!(said.iter().filter(|words| *words == "WATCHDOG=1").count() > 2, "{said:?}");
}

#[test]
fn whatever_is_to_decode_the_lines_are_the_same() {
    let place = Place::new();
    let run = |how: &str| {
        place.output(&format!("run {} --engine fake --hwaccel {how}", sample().display())).ended(0)
    };
    let plain = run("none");
    assert_eq!(plain.stderr(), "");
    let expected = plain.stdout();
    for how in ["auto", "vaapi", "cuda"] {
        let run = run(how);
        assert_eq!(frame_lines(&run.stdout()), frame_lines(&expected), "{how}");
        // A machine with the device has nothing to say; any other says it in a line, and who left the
        // choice to the program is not told.
        let stderr = run.stderr();
        let most = usize::from(how != "auto");
        assert!(stderr.lines().count() <= most, "{how}: {stderr}");
        assert!(stderr.is_empty() || stderr.contains(&format!("software: {how}")), "{stderr}");
    }
    let again =
        format!("run {} --engine fake --hwaccel cuda --loop --max-frames 250", sample().display());
    assert!(place.output(&again).ended(0).stderr().lines().count() <= 1);
    place.output("run synthetic:8x8@10x3 --engine fake --hwaccel gpu").ended(2);
}
