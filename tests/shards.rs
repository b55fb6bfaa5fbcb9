//! Parts of the work: shards of many inputs, segments of one, records of all segments as one, and
//! what a run would be for. The judge is the run that does everything.

use crate::common::{Place, Run, frame_lines, of_type, records_of};
use crate::media::ffmpeg;

/// Films of different codecs and containers: closed and open groups, with and without frames that
/// are not shown in the order of decoding, with and without times.
const FILMS: [(&str, &str); 7] = [
    ("closed.mp4", "-c:v libx264 -preset ultrafast -g 12 -bf 2 -b_strategy 0"),
    ("open.ts", "-c:v libx264 -preset veryfast -g 12 -bf 3 -x264-params open-gop=1:b-adapt=0"),
    ("refresh.mkv", "-c:v libx264 -preset veryfast -g 12 -intra-refresh 1"),
    ("vp9.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12"),
    (
        "vp8.webm",
        "-c:v libvpx -deadline realtime -cpu-used 8 -g 12 -auto-alt-ref 1 -lag-in-frames 5",
    ),
    ("plain.avi", "-c:v mpeg4 -g 12"),
    ("reordered.avi", "-c:v mpeg4 -g 12 -bf 2"),
];

/// Makes a film of 50 frames whose corner tells them apart.
fn film(place: &Place, name: &str, coding: &str) {
    let picture = "testsrc2=size=96x64:rate=10:duration=5,noise=alls=60:allf=t:all_seed=7";
    ffmpeg(place, &format!("-f lavfi -i {picture} -pix_fmt yuv420p {coding} {name}"));
}

/// The frame lines of the runs with each of `count` parts, in the order of the parts.
fn parts(place: &Place, command: &str, flag: &str, count: usize) -> Vec<String> {
    let one = |index: usize| place.output(&format!("{command} {flag} {index}/{count}")).ended(0);
    let lines = |run: Run| -> Vec<String> {
        frame_lines(&run.stdout()).into_iter().map(str::to_owned).collect()
    };
    (1..=count).flat_map(|index| lines(one(index))).collect()
}

fn whole(place: &Place, command: &str) -> Vec<String> {
    let run = place.output(command).ended(0).stdout();
    frame_lines(&run).into_iter().map(str::to_owned).collect()
}

#[test]
fn shards_together_have_the_bytes_of_the_whole() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("a")).unwrap();
    std::fs::create_dir_all(place.path("b")).unwrap();
    for (number, name) in ["a/x.avi", "b/x.avi", "a/y.avi", "z.avi", "b/w.avi"].iter().enumerate() {
        film(&place, name, &format!("-c:v mpeg4 -frames:v {}", number + 2));
    }
    let command = "run a b z.avi --engine fake";
    let mut expected = whole(&place, command);
    assert_eq!(expected.len(), 20);
    assert!(expected[0].contains(r#""source":"a/x.avi""#), "names tell all apart");
    expected.sort();
    for (count, by) in [(1, "path"), (3, "path"), (7, "path"), (50, "path"), (3, "source")] {
        let mut lines = parts(&place, &format!("{command} --shard-by {by}"), "--shard", count);
        lines.sort();
        assert!(lines == expected, "{count} by {by}");
    }
}

#[test]
fn a_shard_with_nothing_to_do_says_so_without_a_model() {
    let place = Place::new();
    film(&place, "x.avi", "-c:v mpeg4 -frames:v 2");
    let run = |index: u32| {
        let outputs = format!("--ndjson {index}.ndjson --summary-json {index}.json");
        place.output(&format!("run x.avi x.avi --model nowhere.onnx --shard {index}/2 {outputs}"))
    };
    let codes = [run(1).code(), run(2).code()];
    // Both inputs are one file: they are in one shard.
    let empty = codes.iter().position(|code| *code == 0).unwrap() + 1;
    assert!(codes.contains(&78), "{codes:?}");
    let records = records_of(&place.path(&format!("{empty}.ndjson")));
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0]["type"], &records[0]["inputs"]), (&"total".into(), &0.into()));
    assert_eq!(records[0]["shard"], format!("{empty}/2"));
    assert_eq!(records_of(&place.path(&format!("{empty}.json"))), records);
}

#[test]
fn a_job_array_says_which_shard_it_is() {
    let place = Place::new();
    film(&place, "x.avi", "-c:v mpeg4 -frames:v 2");
    let with = |arguments: &str, name: &str, value: &str| {
        let mut command = place.command(&format!("run x.avi --engine fake {arguments}"));
        command.env_remove("JOB_COMPLETION_INDEX").env_remove("SLURM_ARRAY_TASK_ID");
        Run(command.env_remove("AWS_BATCH_JOB_ARRAY_INDEX").env(name, value).output().unwrap())
    };
    let frames = |index: u32| {
        let run = with("--shard auto/3", "JOB_COMPLETION_INDEX", &index.to_string()).ended(0);
        frame_lines(&run.stdout()).len()
    };
    assert_eq!((0..3).map(frames).sum::<usize>(), 2);
    let none = with("--shard auto/3", "NOTHING", "0").ended(2).stderr();
    assert!(none.contains("JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID or AWS_BATCH"), "{none}");
    assert!(with("--shard 4/3", "NOTHING", "0").ended(2).stderr().contains("must be I/N"));
    let own = with("", "VISION_PIPE_SHARD", "auto/3").ended(2).stderr();
    assert!(own.contains("VISION_PIPE_SHARD needs"), "{own}");
}

#[test]
fn segments_together_have_the_bytes_of_the_whole() {
    let place = Place::new();
    for (name, coding) in FILMS {
        film(&place, name, coding);
        let command = format!("run {name} --engine fake");
        let expected = whole(&place, &command);
        assert_eq!(expected.len(), 50, "{name}");
        let apart: std::collections::HashSet<_> =
            expected.iter().map(|line| &line[line.find("\"x\"").unwrap()..]).collect();
        assert!(apart.len() > 5, "{name}: the frames can be told apart");
        for count in [1, 2, 3, 7] {
            let lines = parts(&place, &command, "--segment-of", count);
            let differs = expected.iter().zip(&lines).find(|(one, other)| one != other);
            assert!(lines == expected, "{name} in {count}: {} lines, {differs:?}", lines.len());
        }
    }
}

#[test]
fn a_segment_begins_at_a_key_frame_and_keeps_a_selection() {
    let place = Place::new();
    film(&place, "x.mp4", FILMS[0].1);
    let run =
        place.output("run x.mp4 --engine fake --segment-of 2/3 --stride 5 --end 3.1").ended(0);
    let records = run.records();
    let segment = &of_type(&records, "run")[0]["segment"];
    assert_eq!((&segment["from_frame"], &segment["to_frame"]), (&24.into(), &36.into()));
    assert_eq!(crate::common::frame_ids(&records), [25, 30]);
    // More segments than key frames: some have nothing.
    let run = place.output("run x.mp4 --engine fake --segment-of 47/50").ended(0);
    let records = run.records();
    assert_eq!(of_type(&records, "frame").len(), 0);
    assert_eq!(of_type(&records, "summary")[0]["exit"], "end_of_input");
}

#[test]
fn what_goes_by_all_frames_is_refused_for_a_segment() {
    let place = Place::new();
    film(&place, "x.avi", "-c:v mpeg4 -frames:v 2");
    for more in ["--track", "--max-fps 5", "--max-frames 5", "--loop"] {
        let said = place.output(&format!("run x.avi --engine fake --segment-of 1/2 {more}"));
        assert!(said.ended(2).stderr().contains("--segment-of excludes"), "{more}");
    }
}

#[test]
fn a_damaged_film_is_told_by_the_segment_that_has_the_damage() {
    let place = Place::new();
    film(&place, "x.mp4", FILMS[0].1);
    ffmpeg(&place, "-i x.mp4 -c copy whole.mkv");
    let whole = std::fs::read(place.path("whole.mkv")).unwrap();
    place.file("cut.mkv", &whole[..whole.len() * 2 / 3]);
    place.output("run cut.mkv --engine fake").ended(65);
    let codes: Vec<i32> = (1..=3)
        .map(|i| place.output(&format!("run cut.mkv --engine fake --segment-of {i}/3")).code())
        .collect();
    assert_eq!(codes.last(), Some(&65), "{codes:?}");
}

#[test]
fn a_damaged_key_frame_is_told_by_the_segment_that_it_begins() {
    let place = Place::new();
    film(&place, "x.mp4", FILMS[0].1);
    // Its second key frame, by FFmpeg's own index.
    let asked = "-v error -select_streams v -show_entries packet=pos,size,flags -of csv=p=0 x.mp4";
    let asked = std::process::Command::new("ffprobe")
        .args(asked.split(' '))
        .current_dir(place.path(""))
        .output()
        .unwrap();
    let packets = String::from_utf8(asked.stdout).unwrap();
    let key = packets.lines().filter(|line| line.contains('K')).nth(1).unwrap();
    let mut numbers = key.split(',').filter_map(|number| number.parse::<usize>().ok());
    let (size, at) = (numbers.next().unwrap(), numbers.next().unwrap());
    let mut bytes = std::fs::read(place.path("x.mp4")).unwrap();
    for offset in [size / 3, size / 2, size * 2 / 3] {
        bytes[at + offset] ^= 0x55;
    }
    place.file("hurt.mp4", &bytes);
    place.output("run hurt.mp4 --engine fake").ended(65);
    let codes: Vec<i32> = (1..=5)
        .map(|i| place.output(&format!("run hurt.mp4 --engine fake --segment-of {i}/5")).code())
        .collect();
    assert!(codes.contains(&65), "{codes:?}");
}

const TRACKING: &str = "--track --zone {name='z',polygon=[[0.2,0.2],[0.9,0.2],[0.9,0.9]]} \
                        --line {name='l',from=[430,100],to=[430,500]}";

#[test]
fn records_of_all_segments_are_tracked_as_one_run() {
    let place = Place::new();
    let copy = format!(
        "-i {} -frames:v 60 -c:v libx264 -g 20 -bf 2 in.mp4",
        crate::common::sample().display()
    );
    ffmpeg(&place, &copy);
    std::fs::create_dir(place.path("parts")).unwrap();
    let engine = "--engine tract --conf 0.1";
    for i in 1..=3 {
        let out = format!("--ndjson parts/{}.ndjson", 10 - i);
        place.output(&format!("run in.mp4 {engine} --segment-of {i}/3 {out}")).ended(0);
    }
    place.output(&format!("run in.mp4 --engine tract {TRACKING} --ndjson model.ndjson")).ended(0);
    let told = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(place.path(name)).unwrap();
        let told = |line: &&str| {
            line.starts_with(r#"{"type":"frame""#) || line.starts_with(r#"{"type":"event""#)
        };
        text.lines().filter(told).map(str::to_owned).collect()
    };
    let expected = told("model.ndjson");
    assert!(expected.iter().any(|line| line.contains("tracker_id")), "there are tracks");
    let replay = |records: &str, out: &str| {
        place.output(&format!("run {records} {TRACKING} --ndjson {out}"))
    };
    replay("--detections parts/*.ndjson", "pattern.ndjson").ended(0);
    assert!(told("pattern.ndjson") == expected, "with a pattern");
    let files = "parts/8.ndjson parts/9.ndjson parts/7.ndjson";
    replay(&format!("--detections {files}"), "files.ndjson").ended(0);
    assert!(told("files.ndjson") == expected, "with files");
    replay(&format!("in.mp4 --detections {files}"), "video.ndjson").ended(0);
    assert!(told("video.ndjson") == expected, "with the video");

    let refused = |records: &str| replay(records, "refused.ndjson").ended(65).stderr();
    let said = refused("--detections parts/9.ndjson parts/7.ndjson");
    assert!(said.contains("needs segment 2/3 beside it, which is missing"), "{said}");
    assert!(
        refused("--detections parts/9.ndjson parts/9.ndjson parts/8.ndjson").contains("1/3, as")
    );
    std::fs::copy(place.path("model.ndjson"), place.path("parts/0.ndjson")).unwrap();
    assert!(refused("--detections parts/*.ndjson").contains("other settings"));
    let text = std::fs::read_to_string(place.path("parts/8.ndjson")).unwrap();
    place.file("half.ndjson", &text[..text.len() / 2]);
    let said = refused("--detections parts/7.ndjson parts/9.ndjson half.ndjson");
    assert!(said.contains("segment 2/3 and not whole"), "{said}");
    let said = replay("--detections none/*.ndjson", "refused.ndjson").ended(66).stderr();
    assert!(said.contains("no file has such a name"), "{said}");
}

#[test]
fn a_plan_lists_inputs_without_decoding_them() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("v/below")).unwrap();
    film(&place, "v/a.mp4", FILMS[0].1);
    film(&place, "v/below/b.webm", FILMS[3].1);
    place.file("v/bad.mp4", "not a video");
    let run = place.output("plan v --recursive").ended(3);
    let records = run.records();
    let plans = of_type(&records, "plan");
    let names: Vec<_> = plans.iter().map(|plan| plan["source"].as_str().unwrap()).collect();
    assert_eq!(names, ["a.mp4", "bad.mp4", "b.webm"]);
    let (a, bad, b) = (plans[0], plans[1], plans[2]);
    assert_eq!((&a["width"], &a["height"], &a["fps"]), (&96.into(), &64.into(), &10.0.into()));
    assert_eq!(
        (&a["frames"], &a["duration_s"], &a["codec"]),
        (&50.into(), &5.0.into(), &"h264".into())
    );
    assert_eq!((&b["frames"], &b["codec"]), (&50.into(), &"vp9".into()));
    assert_eq!(a["size_bytes"], std::fs::metadata(place.path("v/a.mp4")).unwrap().len());
    assert_eq!((&bad["exit_code"], bad.get("frames")), (&65.into(), None));
    let total = records.last().unwrap();
    assert_eq!((&total["inputs"], &total["frames"]), (&3.into(), &100.into()));
    assert_eq!(total["failed"][0]["source"], "bad.mp4");
    let ran = place.output("run v/a.mp4 --engine fake").ended(0).records();
    assert_eq!(of_type(&ran, "run")[0]["source_id"], a["source_id"]);
    // What a recorder cut keeps the times of the whole.
    ffmpeg(
        &place,
        "-i v/a.mp4 -c copy -f segment -segment_time 2 -segment_format matroska v/%d.mkv",
    );
    let pieces = place.output("plan v/0.mkv v/1.mkv v/2.mkv").ended(0).records();
    assert_eq!(pieces.last().unwrap()["frames"], 50, "{pieces:?}");
    place.output("plan v/bad.mp4").ended(65);
    place.output("plan nowhere.mp4").ended(66);
    let shards = |index: u32| {
        let records = place.output(&format!("plan v/a.mp4 v/below --shard {index}/2")).ended(0);
        of_type(&records.records(), "plan").len()
    };
    assert_eq!(shards(1) + shards(2), 2);
}

#[test]
fn an_estimate_measures_the_model() {
    let place = Place::new();
    film(&place, "a.mp4", FILMS[0].1);
    let records = place.output("plan a.mp4 --estimate --engine tract").ended(0).records();
    let seconds = of_type(&records, "plan")[0]["estimate_s"].as_f64().unwrap();
    assert!(seconds > 0.0 && records.last().unwrap()["estimate_s"].as_f64() == Some(seconds));
}
