//! `--resume`: a run that was killed and is begun again ends as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{Place, frame_ids, of_type, records_of, sample};

/// Starts a run, kills it once `journal` has so many lines, and says whether it was still alive.
fn killed_after(place: &Place, run: &str, journal: &Path, lines: usize) -> bool {
    let mut child = place.spawnable(run).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    let has =
        || std::fs::read(journal).is_ok_and(|j| j.iter().filter(|b| **b == b'\n').count() > lines);
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if has() {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no journal was kept");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until a file has so many bytes.
fn wait_for(file: &Path, bytes: u64) {
    let start = Instant::now();
    while std::fs::metadata(file).map_or(0, |about| about.len()) < bytes {
        assert!(start.elapsed() < Duration::from_secs(60), "no journal was kept");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The lines that tell of frames and events.
fn told(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| {
        line.starts_with(r#"{"type":"frame""#) || line.starts_with(r#"{"type":"event""#)
    });
    lines.map(str::to_owned).collect()
}

/// Runs with and without being killed, and compares.
fn same_as_unbroken(kills: [usize; 4], settings: &str) -> Place {
    let place = Place::new();
    let input = sample();
    let run = |out: &str| {
        format!(
            "run {} --engine fake:boxes=3:sleep-ms=15 {settings} --workers 2 -q \
             --ndjson {out}.ndjson --csv {out}.csv --resume",
            input.display(),
        )
    };
    place.output(&run("whole")).ended(0);
    let journal = place.path("broken.ndjson.resume");
    for lines in kills {
        assert!(killed_after(&place, &run("broken"), &journal, lines), "it ended too early");
        assert!(!place.path("broken.ndjson").exists());
    }
    place.output(&run("broken")).ended(0);
    let (whole, broken) = (place.path("whole.ndjson"), place.path("broken.ndjson"));
    assert_eq!(told(&broken), told(&whole));
    let read = |path: &str| std::fs::read_to_string(place.path(path)).unwrap();
    assert_eq!(read("broken.csv"), read("whole.csv"));
    let summary = |path: &Path| of_type(&records_of(path), "summary")[0].clone();
    let (whole, broken) = (summary(&whole), summary(&broken));
    assert!(broken["recalled"].as_u64().unwrap() >= kills[3] as u64, "{broken}");
    assert_eq!(whole.get("recalled"), None);
    for key in ["frames", "frames_read", "inferred", "detections", "skipped", "exit"] {
        assert_eq!(broken[key], whole[key], "{key}");
    }
    place
}

#[test]
fn killed_four_times_the_bytes_are_those_of_one_run() {
    let place =
        same_as_unbroken([5, 12, 13, 30], "--line {name=\"gate\",from=[0.5,0],to=[0.5,1]} --track");
    assert_eq!(place.names(), ["broken.csv", "broken.ndjson", "whole.csv", "whole.ndjson"]);
}

#[test]
fn frames_that_the_model_left_out_are_left_out_again() {
    same_as_unbroken(
        [2, 4, 5, 8],
        "--track --detect-every 2 --motion-gate --stride 2 --max-frames 90",
    );
}

#[test]
fn a_stop_is_gone_on_from_too() {
    let place = Place::new();
    let run = format!(
        "run {} --engine fake:sleep-ms=20 --ndjson a.ndjson --resume -q",
        sample().display()
    );
    let mut child = place.spawnable(&run).spawn().unwrap();
    wait_for(&place.path("a.ndjson.resume"), 1000);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap();
    let first = records_of(&place.path("a.ndjson"));
    assert_eq!(of_type(&first, "summary")[0]["exit"], "interrupted");
    place.output(&run).ended(0);
    let second = records_of(&place.path("a.ndjson"));
    let recalled = of_type(&second, "summary")[0]["recalled"].as_u64().unwrap();
    assert!(recalled >= frame_ids(&first).len() as u64);
    assert_eq!(frame_ids(&second), (0..frame_ids(&second).len() as u64).collect::<Vec<_>>());
    assert_eq!(place.names(), ["a.ndjson"]);
}

#[test]
fn what_was_found_in_a_damaged_input_is_kept() {
    let place = Place::new();
    let film = std::fs::read(sample()).unwrap();
    // Its index is in front, so half of it can be read.
    let input = place.file("cut.mp4", &film[..film.len() / 2]);
    let run = format!("run {} --engine fake --ndjson a.ndjson --resume -q", input.display());
    place.output(&run).ended(65);
    // A disk or a share that failed once may work tomorrow.
    assert_eq!(place.names(), ["a.ndjson", "a.ndjson.resume", "cut.mp4"]);
    let frames = frame_ids(&records_of(&place.path("a.ndjson"))).len();
    place.output(&run).ended(65);
    let summary = of_type(&records_of(&place.path("a.ndjson")), "summary")[0].clone();
    assert_eq!(summary["recalled"], frames);
}

#[test]
fn a_run_that_is_refused_takes_nothing_away() {
    let place = Place::new();
    let run = format!("run {} --engine fake:sleep-ms=10 --ndjson a.ndjson -q", sample().display());
    let journal = place.path("a.ndjson.resume");
    assert!(killed_after(&place, &format!("{run} --resume"), &journal, 30));
    let before = std::fs::read(&journal).unwrap();
    place.file("b.csv", b"somebody's");
    for (more, code) in [
        ("-n --csv b.csv", 2),
        ("--csv none.csv/b.csv --font nowhere.ttf", 2),
        ("--resume --conf 0.5 --csv b.csv/c.csv", 74),
    ] {
        place.output(&format!("{run} {more}")).ended(code);
        assert!(std::fs::read(&journal).unwrap() == before, "{more}");
    }
}

/// How often each alert was told, by its event.
fn told_of(place: &Place) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(place.path("told.json")).unwrap_or_default();
    let mut told = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let alert: serde_json::Value = serde_json::from_str(line).unwrap();
        *told.entry(alert["event_id"].to_string()).or_default() += 1;
    }
    told
}

#[test]
fn who_was_not_told_of_an_alert_is_told() {
    let place = Place::new();
    let rule = |name: &str, command: &str| {
        let command = format!("command = [\"sh\", \"-c\", \"{command}\"]");
        let rule = format!("[[rule]]\nname = \"seen\"\nevent = \"appeared\"\n{command}\n");
        place.file(name, format!("tracker = \"bytetrack\"\n{rule}"));
    };
    rule("up.toml", "cat >> told.json; echo >> told.json");
    rule("down.toml", "false");
    place.file("none.toml", "tracker = \"bytetrack\"\n");
    let run = |config: &str| {
        format!(
            "run {} --engine fake:boxes=3:sleep-ms=15 --workers 1 -q --resume --ndjson a.ndjson \
             --config {config}.toml",
            sample().display()
        )
    };
    let alerts = |times: usize| -> BTreeMap<String, usize> {
        let records = records_of(&place.path("a.ndjson"));
        let alerts = records.iter().filter(|record| record["event"] == "alert");
        alerts.map(|alert| (alert["event_id"].to_string(), times)).collect()
    };
    let journal = place.path("a.ndjson.resume");
    // Nobody was told in the run that was killed.
    assert!(killed_after(&place, &run("none"), &journal, 60));
    place.output(&run("up")).ended(0);
    assert!(!alerts(1).is_empty());
    assert_eq!(told_of(&place), alerts(1));
    // Somebody was, but to no avail.
    std::fs::remove_file(place.path("told.json")).unwrap();
    place.output(&run("down")).ended(3);
    assert!(journal.exists());
    place.output(&run("up")).ended(0);
    assert_eq!(told_of(&place), alerts(1));
    // Who was told is not told again.
    assert!(killed_after(&place, &run("up"), &journal, 60));
    place.output(&run("up")).ended(0);
    let told = told_of(&place);
    assert!(told.values().all(|times| *times <= 2), "{told:?}");
}

#[test]
fn pictures_that_were_made_anew_are_looked_at_anew() {
    let place = Place::new();
    std::fs::create_dir(place.path("p")).unwrap();
    let paint = |level: u8| {
        for index in 0..20 {
            let image = image::RgbImage::from_pixel(32, 32, image::Rgb([level; 3]));
            image.save(place.path(&format!("p/{index:02}.bmp"))).unwrap();
        }
    };
    let run = "run p --engine fake:sleep-ms=50 --workers 1 -q --resume --ndjson a.ndjson";
    paint(0);
    assert!(killed_after(&place, run, &place.path("a.ndjson.resume"), 8));
    paint(255);
    place.output(run).ended(0);
    assert_eq!(of_type(&records_of(&place.path("a.ndjson")), "summary")[0].get("recalled"), None);
}

#[test]
fn other_settings_begin_anew() {
    let place = Place::new();
    let run = |more: &str| {
        format!(
            "run {} --engine fake:sleep-ms=10 --ndjson a.ndjson --resume -q {more}",
            sample().display()
        )
    };
    assert!(killed_after(&place, &run(""), &place.path("a.ndjson.resume"), 10));
    place.output(&run("--conf 0.9")).ended(0);
    let records = records_of(&place.path("a.ndjson"));
    assert_eq!(of_type(&records, "summary")[0].get("recalled"), None);
}

#[test]
fn a_second_run_on_the_same_outputs_comes_later() {
    let place = Place::new();
    let run = "run synthetic:64x48@10x500 --engine fake:sleep-ms=50 --ndjson a.ndjson --resume -q";
    let mut first = place.spawnable(run).spawn().unwrap();
    wait_for(&place.path("a.ndjson.resume"), 500);
    let second = place.output(run).ended(75);
    assert!(second.stderr().contains("another run is at work on"), "{}", second.stderr());
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let place = Place::new();
    let cases = [
        ("run synthetic:64x48@10x5 --resume", "needs an output file"),
        ("run synthetic:64x48@10x5 --resume --ndjson /dev/null", "needs an output file"),
        ("run synthetic:64x48@10x5 --resume --loop --ndjson a.ndjson", "what has no end"),
        ("run http://127.0.0.1:1/a.mp4 --resume --ndjson a.ndjson", "streams"),
        ("run synthetic:64x48@10x5 --resume -n --ndjson a.ndjson", "--no-clobber"),
        ("run synthetic:64x48@10x5 --resume --segment 1s --ndjson %S.ndjson", "--segment"),
    ];
    for (run, reason) in cases {
        let run = place.output(&format!("{run} --engine fake -q")).ended(2);
        assert!(run.stderr().contains(reason), "{}", run.stderr());
    }
    assert_eq!(place.names(), [""; 0]);
}

#[cfg(feature = "timeplus")]
#[test]
fn a_run_whose_output_failed_can_be_gone_on_with() {
    let place = Place::new();
    let run = "run synthetic:64x48@10x5 --resume --engine fake -q --ndjson a.ndjson";
    let away = "--timeplus http://127.0.0.1:1 --timeplus-give-up 1s";
    place.output(&format!("{run} {away}")).ended(3);
    assert_eq!(place.names(), ["a.ndjson", "a.ndjson.resume"]);
    place.output(run).ended(0);
    assert_eq!(of_type(&records_of(&place.path("a.ndjson")), "summary")[0]["recalled"], 5);
    assert_eq!(place.names(), ["a.ndjson"]);
}

#[test]
fn each_of_several_inputs_has_its_own() {
    let place = Place::new();
    let run = "run synthetic:64x48@10x60 synthetic:64x48@20x60 --jobs 2 -q --resume \
               --engine fake:sleep-ms=10 --ndjson out/{hash}.ndjson";
    let mut child = place.spawnable(run).spawn().unwrap();
    let start = Instant::now();
    let journals = || {
        let entries = std::fs::read_dir(place.path("out")).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        let sizes = paths.filter(|path| path.extension().is_some_and(|ending| ending == "resume"));
        sizes.filter(|path| path.metadata().is_ok_and(|about| about.len() > 800)).count()
    };
    while journals() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "no journals were kept");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    place.output(run).ended(0);
    let made: Vec<_> =
        std::fs::read_dir(place.path("out")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(made.len(), 2, "{made:?}");
    let mut ids = BTreeSet::new();
    for path in made {
        let records = records_of(&path);
        assert_eq!(frame_ids(&records), (0..60).collect::<Vec<_>>());
        let summary = of_type(&records, "summary")[0];
        assert!(summary["recalled"].as_u64().unwrap() > 0, "{summary}");
        ids.insert(of_type(&records, "run")[0]["source_id"].to_string());
    }
    assert_eq!(ids.len(), 2);
}

#[cfg(feature = "opencv")]
mod video {
    use super::*;
    use std::path::PathBuf;
    use std::process::Command;

    /// What ffprobe says of a video, after decoding all of it without a complaint.
    fn decoded(video: &Path, kind: &str) -> Vec<f64> {
        let output = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", kind, "-show_entries", "frame=pts_time"])
            .args(["-of", "csv=p=0"])
            .arg(video)
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(|line| line.trim_end_matches(',').parse().unwrap()).collect()
    }

    /// How unlike two videos are at their worst frame, in decibels: more is more alike.
    fn likeness(one: &Path, other: &Path) -> f64 {
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(one)
            .arg("-i")
            .arg(other)
            .args(["-lavfi", "psnr=stats_file=-", "-f", "null", "-"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let frames = text.lines().map(|line| {
            let value = line.split("psnr_avg:").nth(1).unwrap().split(' ').next().unwrap();
            value.parse::<f64>().unwrap_or(f64::INFINITY)
        });
        frames.fold(f64::INFINITY, f64::min)
    }

    /// The sample seven times, its pictures at uneven times, with a tone.
    fn film(place: &Place) -> PathBuf {
        let path = place.path("in.mp4");
        let uneven = "setpts=PTS+mod(N*7\\,5)*0.015/TB";
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-stream_loop", "6", "-i"])
            .arg(sample())
            .args(["-f", "lavfi", "-i", "sine=440", "-shortest", "-vf", uneven])
            .args(["-fps_mode", "passthrough", "-s", "192x144", "-preset", "ultrafast"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        path
    }

    /// When the first piece of a video was written, where it is whole.
    fn first_piece(place: &Place, video: &str) -> Option<std::time::SystemTime> {
        let folder = place.path(&format!("{video}.pieces"));
        let list = std::fs::read_to_string(folder.join("list")).ok()?;
        let written = || folder.join("0").metadata().unwrap().modified().unwrap();
        (list.lines().count() > 1).then(written)
    }

    #[test]
    fn what_was_encoded_is_not_encoded_again() {
        for ending in ["mp4", "mkv"] {
            let place = Place::new();
            let input = film(&place);
            let run = |out: &str| {
                format!(
                    "run {} --engine fake:sleep-ms=4 --workers 1 -q --track --resume \
                     -o {out}.{ending} --ndjson {out}.ndjson",
                    input.display()
                )
            };
            place.output(&run("whole")).ended(0);
            let journal = place.path("broken.ndjson.resume");
            let video = format!("broken.{ending}");
            let mut first = None;
            for lines in [60, 300, 301, 560] {
                assert!(
                    killed_after(&place, &run("broken"), &journal, lines),
                    "it ended too early"
                );
                let written = first_piece(&place, &video);
                assert!(first.is_none() || written == first, "a piece was written again");
                first = written;
                // As if the whole had been in the making.
                place.file(&format!("broken.part.{ending}"), b"half");
            }
            assert!(first.is_some(), "no piece is whole");
            place.output(&run("broken")).ended(0);
            let (whole, broken) = (place.path(&format!("whole.{ending}")), place.path(&video));
            assert_eq!(told(&place.path("broken.ndjson")), told(&place.path("whole.ndjson")));
            let frames = frame_ids(&records_of(&place.path("whole.ndjson"))).len();
            let (there, expected) = (decoded(&broken, "v"), decoded(&whole, "v"));
            assert_eq!((there.len(), expected.len()), (frames, frames));
            for (there, expected) in there.iter().zip(&expected) {
                assert!((there - expected).abs() < 0.002, "{there} instead of {expected}");
            }
            assert!(likeness(&whole, &broken) > 35.0);
            assert_eq!(decoded(&broken, "a"), decoded(&whole, "a"));
            let names = ["broken.{}", "broken.ndjson", "in.mp4", "whole.{}", "whole.ndjson"];
            assert_eq!(place.names(), names.map(|name| name.replace("{}", ending)));
        }
    }

    #[test]
    fn every_encoder_is_let_go() {
        let place = Place::new();
        let run = format!(
            "run {} --engine fake --max-frames 9 -q --resume -o a.mp4 --encoder libsvtav1 \
             --preset 12 --output-size 128x96",
            sample().display()
        );
        // Debian has it; it waits for ever where it is not told of the end.
        place.output(&run).ended(0);
        assert_eq!(decoded(&place.path("a.mp4"), "v").len(), 9);
    }

    #[test]
    fn a_run_on_its_own_takes_nothing_from_a_resumed_one() {
        let place = Place::new();
        let input = film(&place);
        let run = |more: &str| {
            let input = input.display();
            format!("run {input} --engine fake -q -o a.mp4 --preset ultrafast {more}")
        };
        let journal = place.path("a.mp4.resume");
        assert!(killed_after(&place, &run("--resume"), &journal, 300), "it ended too early");
        assert!(first_piece(&place, "a.mp4").is_some());
        place.file("a.mp4.pieces/notes", b"mine");
        let piece = place.output("run a.mp4.pieces/0 --engine fake -q -o a.mp4").ended(2);
        assert!(piece.stderr().contains("is a piece of --output 'a.mp4'"), "{}", piece.stderr());
        place.output(&run("")).ended(0);
        // What the killed run left is not of this video; what somebody else left is not ours.
        assert_eq!(place.names(), ["a.mp4", "a.mp4.pieces", "in.mp4"]);
        let left: Vec<_> = std::fs::read_dir(place.path("a.mp4.pieces")).unwrap().collect();
        assert_eq!(left.len(), 1);
        let refused = place.output(&run("--resume")).ended(74);
        assert!(refused.stderr().contains("a.mp4.pieces' is in the way"), "{}", refused.stderr());
    }

    #[test]
    fn a_limit_of_time_is_gone_on_from() {
        let place = Place::new();
        let run = |limit: &str| {
            format!(
                "run {} --engine fake:sleep-ms=40 --workers 1 -q --track --resume --skip-done \
                 --ndjson a.ndjson -o a.mp4 --preset ultrafast --max-time {limit}",
                sample().display()
            )
        };
        place.output(&run("1s")).ended(0);
        let first = records_of(&place.path("a.ndjson"));
        assert_eq!(of_type(&first, "summary")[0]["exit"], "limit");
        assert_eq!(place.names(), ["a.mp4", "a.mp4.pieces", "a.ndjson", "a.ndjson.resume"]);
        place.output(&run("1h")).ended(0);
        let second = records_of(&place.path("a.ndjson"));
        assert_eq!(of_type(&second, "summary")[0]["exit"], "end_of_input");
        let (first, second) = (frame_ids(&first).len(), frame_ids(&second).len());
        assert!(0 < first && first < second, "{first} of {second}");
        assert_eq!(place.names(), ["a.mp4", "a.ndjson"]);
        assert_eq!(decoded(&place.path("a.mp4"), "v").len(), second);
        // Once done it is left alone.
        let before = std::fs::metadata(place.path("a.mp4")).unwrap().modified().unwrap();
        place.output(&run("1h")).ended(0);
        assert_eq!(std::fs::metadata(place.path("a.mp4")).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn a_video_drawn_otherwise_is_drawn_anew() {
        let place = Place::new();
        let run = |more: &str| {
            format!(
                "run {} --engine fake:sleep-ms=20 --workers 1 -q --resume -o a.mp4 {more}",
                sample().display()
            )
        };
        assert!(killed_after(&place, &run(""), &place.path("a.mp4.resume"), 60));
        place.output(&run("--draw none --summary-json s.json")).ended(0);
        assert_eq!(place.names(), ["a.mp4", "s.json"]);
        // What was found is the same, whatever is drawn of it.
        let summary = &records_of(&place.path("s.json"))[0];
        assert!(summary["recalled"].as_u64().unwrap() >= 60, "{summary}");
        place
            .output(&format!("run {} --engine fake -q --draw none -o b.mp4", sample().display()))
            .ended(0);
        assert!(likeness(&place.path("a.mp4"), &place.path("b.mp4")) > 60.0);
    }
}
