//! Outputs that never end: whole files one after the other, what is kept of them, a nearly full disk.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, Server, frame_ids, of_type, records_of, sample};

/// The files of a folder with this ending, in the order of their names.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files
}

/// What ffprobe says of the packets of the picture: time in seconds and flags.
fn packets(video: &Path) -> Vec<(f64, String)> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,flags"])
        .args(["-of", "csv=p=0"])
        .arg(video)
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.split_once(',').unwrap());
    lines.map(|(time, flags)| (time.parse().unwrap(), flags.to_owned())).collect()
}

/// How many pictures a real decoder makes of a video, without a complaint.
fn decoded(video: &Path) -> usize {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v:0"])
        .args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(video)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().trim_end_matches(',').parse().unwrap()
}

fn bytes(files: &[PathBuf]) -> u64 {
    files.iter().map(|file| file.metadata().unwrap().len()).sum()
}

fn names(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_frame_is_in_one_file_of_each_kind() {
    let place = Place::new();
    // Five seconds of 10 frames each.
    let run = "run synthetic:64x48@10x500 --engine fake:boxes=1 --segment 1s -q \
               -o v/%s.mp4 --ndjson n/%s.ndjson --csv c/%s.csv";
    place.output(run).ended(0);
    let [videos, records, tables] = [("v", "mp4"), ("n", "ndjson"), ("c", "csv")]
        .map(|(dir, ending)| files(&place.path(dir), ending));
    assert_eq!(videos.len(), 50);
    assert_eq!(names(&videos), names(&records));
    assert_eq!(names(&videos), names(&tables));
    let mut all = Vec::new();
    for ((video, lines), table) in videos.iter().zip(&records).zip(&tables) {
        let lines = records_of(lines);
        assert_eq!(lines[0]["type"], "run");
        let ids = frame_ids(&lines);
        let packets = packets(video);
        // It starts at zero, with a picture that stands alone.
        assert!(packets[0].0 == 0.0 && packets[0].1.starts_with('K'), "{packets:?}");
        assert_eq!((packets.len(), decoded(video)), (ids.len(), ids.len()), "{video:?}");
        let rows = std::fs::read_to_string(table).unwrap();
        assert!(rows.starts_with("source,frame_id"));
        assert_eq!(rows.lines().count(), ids.len() + 1);
        all.extend(ids);
    }
    assert!(all.iter().copied().eq(0..500), "{all:?}");
    let summaries = records.iter().map(|path| of_type(&records_of(path), "summary").len());
    assert!(summaries.eq((0..50).map(|index| usize::from(index == 49))), "only the last has one");
}

#[test]
fn outputs_that_are_opened_in_another_second_have_the_same_names() {
    let place = Place::new();
    // A pipe is open once somebody reads it: what comes after it is opened later than what was before.
    let pipe = place.path("tracks.txt");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = move || {
        std::thread::sleep(Duration::from_millis(1_100));
        std::fs::read(pipe).unwrap().len()
    };
    let reader = std::thread::Builder::new().spawn(read).unwrap();
    let run = "run synthetic:64x48@10x20 --engine fake:boxes=1 --track --segment 1s -q \
               -o v/%s.mp4 --ndjson n/%s.ndjson --mot tracks.txt";
    place.output(run).ended(0);
    assert!(reader.join().unwrap() > 0);
    let [videos, records] =
        [("v", "mp4"), ("n", "ndjson")].map(|(dir, ending)| files(&place.path(dir), ending));
    assert_eq!(videos.len(), 2);
    assert_eq!(names(&videos), names(&records));
}

#[test]
fn records_without_a_field_stay_one_file_and_sizes_cut_too() {
    let place = Place::new();
    let run = format!(
        "run {} --engine fake --segment 60KB -o %s.mp4 --ndjson all.ndjson -q",
        sample().display()
    );
    place.output(&run).ended(0);
    let videos = files(&place.path(""), "mp4");
    assert!(videos.len() > 1, "{videos:?}");
    let pictures: usize = videos.iter().map(|video| decoded(video)).sum();
    assert_eq!(pictures, frame_ids(&records_of(&place.path("all.ndjson"))).len());
}

#[test]
fn the_disk_is_bounded_and_the_list_holds_over_restarts() {
    let place = Place::new();
    // By the form of its name it could be ours.
    std::fs::create_dir(place.path("cam")).unwrap();
    let theirs = place.file("cam/20200101-000000.mp4", "not ours");
    let run = "run synthetic:64x48@10x500 --engine fake -q --segment 1s --keep-bytes 60KB \
               -o cam/%Y%m%d-%H%M%S.mp4 --ndjson cam/%Y%m%d-%H%M%S.ndjson";
    let ours = || {
        let mut all = files(&place.path("cam"), "mp4");
        all.extend(files(&place.path("cam"), "ndjson"));
        all.retain(|file| *file != theirs);
        all
    };
    place.output(run).ended(0);
    let first = ours();
    assert!(bytes(&first) <= 60_000 && first.len() > 4, "{first:?}");
    // The last frames are there, in both.
    let last = files(&place.path("cam"), "ndjson").pop().unwrap();
    assert_eq!(records_of(&last).last().unwrap()["type"], "summary");
    assert!(last.with_extension("mp4").exists());
    let first_run = records_of(&last)[0]["run_id"].clone();
    place.output(run).ended(0);
    let second = ours();
    assert!(bytes(&second) <= 60_000, "{second:?}");
    // The older run's went first.
    let of_run = |file: &PathBuf| records_of(file)[0]["run_id"].clone();
    let lines: Vec<_> = files(&place.path("cam"), "ndjson").iter().map(of_run).collect();
    assert!(lines.len() > 2 && lines.iter().all(|run| *run == lines[0] && *run != first_run));
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "not ours");
}

#[test]
fn a_stop_closes_the_current_one_whole_and_a_kill_leaves_what_a_later_run_clears() {
    let place = Place::new();
    let run = format!(
        "run {} --engine fake --realtime --loop --live yes --segment 1s -o cam/%s.mp4 \
         --ndjson cam/%s.ndjson",
        sample().display()
    );
    let started = |enough: usize| {
        let child = place.spawnable(&run).stderr(Stdio::null()).spawn().unwrap();
        let server = Server(child);
        let start = Instant::now();
        while !place.path("cam").exists() || files(&place.path("cam"), "mp4").len() < enough {
            assert!(start.elapsed() < Duration::from_secs(60), "no segments");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    };
    let mut server = started(3);
    let pid = server.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(server.0.wait().unwrap().signal(), Some(15));
    let (videos, lines) = (files(&place.path("cam"), "mp4"), files(&place.path("cam"), "ndjson"));
    assert_eq!(names(&videos), names(&lines));
    assert!(names(&videos).iter().all(|name| !name.contains("part")), "{videos:?}");
    let mut all = BTreeSet::new();
    let mut count = 0;
    for (video, lines) in videos.iter().zip(&lines) {
        let ids = frame_ids(&records_of(lines));
        assert_eq!(decoded(video), ids.len(), "{video:?}");
        count += ids.len();
        all.extend(ids);
    }
    let summary = records_of(lines.last().unwrap()).pop().unwrap();
    assert_eq!((summary["frames"].as_u64(), all.len()), (Some(count as u64), count));
    let mut server = started(videos.len() + 2);
    server.0.kill().unwrap();
    server.0.wait().unwrap();
    let parts = |ending| {
        let names = names(&files(&place.path("cam"), ending));
        names.into_iter().filter(|name| name.contains(".part")).count()
    };
    assert!(parts("mp4") > 0);
    place.output(&format!("{run} --max-frames 12 --keep-bytes 1MB --keep 0s -q")).ended(0);
    assert_eq!((parts("mp4"), parts("ndjson")), (0, 0));
}

#[test]
fn two_runs_do_not_write_under_one_name() {
    let place = Place::new();
    let run =
        "run synthetic:8x8@10x100000 --engine fake:sleep-ms=5 --segment 1s --ndjson %s.ndjson";
    let mut server = Server(place.spawnable(run).stderr(Stdio::null()).spawn().unwrap());
    let start = Instant::now();
    while files(&place.path(""), "ndjson").is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30), "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = place.output(run).ended(75);
    assert!(second.stderr().contains("another run uses '%s.ndjson'"), "{}", second.stderr());
    server.0.kill().unwrap();
    server.0.wait().unwrap();
}

#[test]
fn names_without_a_field_are_usage_errors() {
    let place = Place::new();
    let error = |more: &str| {
        let run = place.output(&format!("run synthetic:8x8@10x5 --engine fake {more}")).ended(2);
        assert!(run.stderr().contains("hint:"), "{}", run.stderr());
        run.stderr()
    };
    assert!(error("--segment 1s -o a.mp4").contains("has no field of time"));
    assert!(error("--segment 1s -o -").contains("standard output"));
    assert!(error("--segment 1s").contains("no output has a name with fields"));
    assert!(error("--segment 1s -o %Q.mp4").contains("'%Q', which is no field"));
    assert!(error("--segment 1s -o %s.txt").contains("no ending of a video"));
    assert!(error("--segment 500M -o %s.mp4").contains("500MB"));
    assert!(error("--keep 7d -o %s.mp4").contains("is for segments"));
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn a_video_of_a_camera_that_is_one_file_warns_once() {
    let place = Place::new();
    let run = "run synthetic:64x48@10x5 --engine fake --live yes --realtime";
    let stderr = place.output(&format!("{run} -o a.mp4")).ended(0).stderr();
    assert_eq!(stderr.matches("--segment 10m").count(), 1, "{stderr}");
    let stderr = place.output(&format!("{run} -o %s.mp4 --segment 10m")).ended(0).stderr();
    assert!(!stderr.contains("--segment"), "{stderr}");
}

#[test]
fn a_nearly_full_disk_costs_the_video_and_not_the_records() {
    let place = Place::new();
    for output in ["a.mp4", "%s.mp4 --segment 1s"] {
        let run = place.output(&format!(
            "run synthetic:64x48@10x30 --engine fake --min-free 9000TB -o {output} --ndjson a.ndjson"
        ));
        let run = run.ended(3);
        let lines = records_of(&place.path("a.ndjson"));
        assert_eq!(frame_ids(&lines).len(), 30);
        let summary = lines.last().unwrap();
        assert_eq!(summary["dropped"]["disk"], 30);
        assert_eq!(summary["exit_code"], 3);
        assert_eq!(summary["failed_outputs"].as_array().unwrap().len(), 1);
        assert_eq!(run.stderr().matches("--min-free").count(), 1, "{}", run.stderr());
    }
}
