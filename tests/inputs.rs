//! Several inputs in one run: each by itself, together one stream of records.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Place, of_type, records, records_of};

/// So many made-up frames, 20 a second.
fn made_up(frames: u64) -> String {
    format!("synthetic:64x48@20x{frames}")
}

/// Numbers of the frames of each source.
fn frames_by_source(records: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut frames: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for frame in of_type(records, "frame") {
        let source = frame["source"].as_str().unwrap().to_owned();
        frames.entry(source).or_default().push(frame["frame_id"].as_u64().unwrap());
    }
    frames
}

#[test]
fn files_one_after_another_and_a_total_at_the_end() {
    let place = Place::new();
    let (a, b) = (made_up(30), made_up(20));
    let records = place.output(&format!("run {a} {b} --engine fake")).ended(0).records();
    let kinds: Vec<_> = records
        .iter()
        .map(|record| record["type"].as_str().unwrap())
        .filter(|kind| *kind != "frame")
        .collect();
    assert_eq!(kinds, ["run", "summary", "run", "summary", "total"]);
    let frames = frames_by_source(&records);
    assert_eq!(frames[&a], (0..30).collect::<Vec<_>>());
    assert_eq!(frames[&b], (0..20).collect::<Vec<_>>());
    let total = records.last().unwrap();
    assert_eq!((&total["inputs"], &total["done"]), (&2.into(), &2.into()));
    assert_eq!((&total["frames"], &total["exit_code"]), (&50.into(), &0.into()));
    assert_eq!(total["exit"], "end_of_input");
}

#[test]
fn several_jobs_give_the_records_of_one() {
    let place = Place::new();
    let inputs: Vec<String> = (1..=6).map(|i| made_up(10 * i)).collect();
    let sorted = |jobs: u32| {
        let run = format!("run {} --engine fake --jobs {jobs}", inputs.join(" "));
        let records = place.output(&run).ended(0).records();
        let mut frames: Vec<String> =
            of_type(&records, "frame").iter().map(ToString::to_string).collect();
        frames.sort();
        frames
    };
    assert_eq!(sorted(1).len(), 210);
    assert_eq!(sorted(1), sorted(3));
}

#[test]
fn one_bad_input_is_named_and_the_rest_goes_on() {
    let place = Place::new();
    place.file("broken.mp4", b"no video at all");
    let run = format!(
        "run {} missing.mp4 broken.mp4 {} --engine fake --summary-json all.json",
        made_up(5),
        made_up(6)
    );
    let ended = place.output(&run).ended(3);
    assert!(
        ended.stderr().contains("cannot open 'missing.mp4': no such file"),
        "{}",
        ended.stderr()
    );
    let records = ended.records();
    assert_eq!(of_type(&records, "frame").len(), 11);
    let total = records.last().unwrap();
    let failed: Vec<_> = total["failed"].as_array().unwrap().iter().collect();
    let named: Vec<_> = failed.iter().map(|one| one["source"].as_str().unwrap()).collect();
    assert_eq!(named, ["missing.mp4", "broken.mp4"]);
    let codes: Vec<_> = failed.iter().map(|one| one["exit_code"].as_u64().unwrap()).collect();
    // A build that reads no video says that first.
    assert_eq!(codes, [66, if cfg!(feature = "libav") { 65 } else { 2 }]);
    let written: Value =
        serde_json::from_str(&std::fs::read_to_string(place.path("all.json")).unwrap()).unwrap();
    assert_eq!(&written, total);
}

#[test]
fn where_all_fail_the_first_says_why() {
    let place = Place::new();
    let ended = place.output("run a.mp4 b.mp4 --engine fake").ended(66);
    assert_eq!(ended.records().last().unwrap()["exit"], "error");
}

#[test]
fn names_with_fields_keep_outputs_apart() {
    let place = Place::new();
    for name in ["a", "b"] {
        std::fs::create_dir(place.path(name)).unwrap();
        image(&place, &format!("{name}/x.png"));
    }
    let run = "run a/x.png b/x.png --engine fake --ndjson out/{dir}/{stem}.ndjson --csv all.csv";
    place.output(run).ended(0);
    for name in ["a", "b"] {
        let records = records_of(&place.path(&format!("out/{name}/x.ndjson")));
        assert_eq!(of_type(&records, "total").len(), 0, "it is one input's own");
        assert_eq!(records[0]["source"].as_str(), Some(&*format!("{name}/x.png")));
        assert_eq!(records.last().unwrap()["type"], "summary");
    }
    let csv = std::fs::read_to_string(place.path("all.csv")).unwrap();
    assert_eq!(csv.lines().filter(|line| line.starts_with("source,")).count(), 1);
    for source in ["a/x.png", "b/x.png"] {
        assert!(csv.contains(&format!("\n{source},")), "{csv}");
    }
}

fn image(place: &Place, name: &str) {
    let picture = image::RgbImage::from_pixel(32, 24, image::Rgb([9, 9, 9]));
    picture.save(place.path(name)).unwrap();
}

#[test]
fn two_inputs_never_write_to_one_place() {
    let place = Place::new();
    for name in ["a", "b"] {
        std::fs::create_dir(place.path(name)).unwrap();
        image(&place, &format!("{name}/x.png"));
    }
    for (outputs, what) in [
        ("--ndjson {stem}.ndjson", "--ndjson 'x.ndjson' is for 'b/x.png' and for another input"),
        ("--mot x.txt --tracker sort", "--mot 'x.txt' is for 'b/x.png' and for another input"),
        ("--save-frames out", "--save-frames 'out' is for 'b/x.png' and for another input"),
        ("--csv {stme}.csv", "'{stme}.csv' has an unknown field {stme}"),
        ("--name n", "--name is for one input, and 2 are given"),
    ] {
        let ended = place.output(&format!("run a/x.png b/x.png --engine fake {outputs}")).ended(2);
        assert!(ended.stderr().contains(what), "{outputs}: {}", ended.stderr());
    }
}

#[test]
fn inputs_of_a_file_have_settings_of_their_own() {
    let place = Place::new();
    let config = "engine = 'fake'\ntracker = 'sort'\n\
        [[input]]\nname = 'front'\nuri = '${FRONT}'\nmax-frames = 7\ncsv = 'front.csv'\n\
        ndjson = '-'\nclasses = ['person']\n\
        [[input.zone]]\nname = 'door'\npolygon = [[0, 0], [63, 0], [63, 47], [0, 47]]\n\
        [[input]]\nuri = 'synthetic:64x48@20x9'\nrealtime = true\n";
    place.file("fleet.toml", config);
    let mut command = place.command("run --config fleet.toml");
    let output = command.env("FRONT", made_up(40)).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let records = records(std::str::from_utf8(&output.stdout).unwrap());
    let frames = frames_by_source(&records);
    assert_eq!(frames["front"].len(), 7);
    assert_eq!(frames["synthetic:64x48@20x9"].len(), 9);
    let of_front = |record: &&&Value| record["source"] == "front";
    let front = of_type(&records, "frame").into_iter().filter(|r| of_front(&r)).count();
    let with_zone =
        of_type(&records, "frame").into_iter().filter(|r| r["zones"].is_array()).count();
    assert_eq!((front, with_zone), (7, 7), "its zone is its own");
    assert!(place.path("front.csv").is_file());
}

#[test]
fn paced_inputs_run_beside_one_another() {
    let place = Place::new();
    // Two seconds each: one after another they would take four.
    let inputs = ["synthetic:64x48@20x40", "synthetic:48x64@20x41", "synthetic:32x32@20x39"];
    let run = format!("run {} --engine fake --realtime", inputs.join(" "));
    let records = place.output(&run).ended(0).records();
    let sources: Vec<_> = of_type(&records, "frame").iter().map(|f| f["source"].clone()).collect();
    let changes = sources.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes > 20, "{changes} changes between sources");
    let first_summary = records.iter().position(|r| r["type"] == "summary").unwrap();
    let last_run = records.iter().rposition(|r| r["type"] == "run").unwrap();
    assert!(last_run < first_summary, "all began before any ended");
}

#[test]
#[cfg(feature = "libav")]
fn a_camera_that_is_away_stops_nobody() {
    let place = Place::new();
    let port = crate::common::free_port();
    let run =
        format!("run rtsp://127.0.0.1:{port}/cam {} --engine fake --reconnect never", made_up(8));
    let ended = place.output(&run).ended(3);
    let records = ended.records();
    assert_eq!(frames_by_source(&records)[&made_up(8)].len(), 8);
    let total = records.last().unwrap();
    assert_eq!(total["failed"][0]["source"], "cam");
    assert_eq!(total["failed"][0]["exit_code"], 69);
}

#[test]
fn a_signal_ends_all_inputs_whole() {
    use rustix::process::{Pid, Signal, kill_process};
    let place = Place::new();
    let mut child = place
        .spawnable("run synthetic:64x48@20x9999 synthetic:48x64@20x9999 synthetic:8x8@20x9 --engine fake --loop")
        .stdout(Stdio::from(std::fs::File::create(place.path("out")).unwrap()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let lines = || std::fs::read_to_string(place.path("out")).unwrap();
    while lines().matches("\"type\":\"frame\"").count() < 20 {
        assert!(started.elapsed() < Duration::from_secs(60), "no frames");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    let records = records(&lines());
    assert_eq!(of_type(&records, "summary").len(), 3);
    let total = records.last().unwrap();
    assert_eq!((&total["type"], &total["exit"]), (&"total".into(), &"interrupted".into()));
}

#[test]
fn a_reader_that_has_enough_ends_all() {
    let place = Place::new();
    let mut child = place
        .spawnable(
            "run synthetic:64x48@20x99999999 synthetic:48x64@20x99999999 --engine fake --jobs 2",
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
}

#[test]
fn check_tries_every_input() {
    let place = Place::new();
    let output =
        place.output(&format!("check {} {} --engine fake --csv x.csv", made_up(5), made_up(6)));
    let output = output.ended(0);
    let text = output.stdout();
    assert_eq!(text.matches("input: ok, ").count(), 2, "{text}");
    assert_eq!(text.matches("csv: ok, ").count(), 1, "{text}");
    place.output(&format!("check {} missing.mp4 --engine fake", made_up(5))).ended(66);
}
