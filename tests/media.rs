//! Real files made by ffmpeg: times, damage, shapes of pictures, and the video that is written.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{Place, frame_ids, of_type, records_of, sample};
use crate::sound::packets_of;

/// Runs ffmpeg in the place; `SAMPLE` stands for the committed clip.
#[track_caller]
pub(crate) fn ffmpeg(place: &Place, arguments: &str) {
    let sample = sample().display().to_string();
    let arguments = arguments.split_whitespace().map(|a| if a == "SAMPLE" { &sample } else { a });
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(arguments)
        .current_dir(place.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What ffprobe shows of the first video stream, a line each.
pub(crate) fn ffprobe(place: &Place, file: &str, show: &str) -> Vec<String> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0", "-show_entries", show])
        .arg(place.path(file))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Side data of a frame leaves an empty line.
    text.lines()
        .map(|line| line.trim_matches(',').to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// How many frames ffmpeg decodes.
pub(crate) fn decodable(place: &Place, file: &str) -> usize {
    let output = Command::new("ffmpeg")
        .args(["-v", "quiet", "-i"])
        .arg(place.path(file))
        .args(["-map", "0:v:0", "-vsync", "passthrough", "-f", "framecrc", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| !line.starts_with('#')).count()
}

/// The records of a run without detections.
fn frames(place: &Place, file: &str, code: i32) -> Vec<Value> {
    place.output(&format!("run {file} --engine fake:boxes=0")).ended(code).records()
}

#[track_caller]
pub(crate) fn times_agree(place: &Place, file: &str) {
    let records = frames(place, file, 0);
    let ours: Vec<_> =
        of_type(&records, "frame").iter().map(|f| f["pts_s"].as_f64().unwrap()).collect();
    let theirs: Vec<f64> =
        ffprobe(place, file, "frame=pts_time").iter().map(|t| t.parse().unwrap()).collect();
    assert_eq!(ours.len(), theirs.len(), "{file}");
    let first = theirs[0];
    for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let difference = (ours - (theirs - first)).abs();
        assert!(difference <= 0.002, "{file} frame {i}: {ours} and {theirs}");
    }
}

/// Frames at irregular times, to the very end.
pub(crate) const IRREGULAR: &str =
    "-i SAMPLE -vf select='not(mod(n\\,7))+not(mod(n\\,3))' -vsync vfr";

#[test]
fn times_are_those_of_ffprobe_to_the_last_frame() {
    let place = Place::new();
    ffmpeg(&place, "-i SAMPLE -c:v libx264 -bf 3 -b_strategy 0 b.mp4");
    ffmpeg(&place, &format!("{IRREGULAR} -c:v libx264 -bf 3 vfr.mp4"));
    ffmpeg(&place, &format!("{IRREGULAR} -c:v libx264 -bf 3 vfr.mkv"));
    ffmpeg(&place, "-ss 3.3 -i b.mp4 -c copy edit.mp4");
    ffmpeg(&place, "-i SAMPLE -c copy a.ts");
    for file in ["b.mp4", "vfr.mp4", "vfr.mkv", "edit.mp4", "a.ts"] {
        times_agree(&place, file);
    }
}

#[test]
fn without_times_the_index_counts() {
    let place = Place::new();
    ffmpeg(&place, "-i SAMPLE -c:v libx264 -bf 3 b.avi");
    ffmpeg(&place, "-i SAMPLE -c copy -bsf:v h264_mp4toannexb a.h264");
    for file in ["b.avi", "a.h264"] {
        let records = frames(&place, file, 0);
        assert_eq!(records[0]["input"]["pts_source"], "index", "{file}");
        let fps = records[0]["input"]["fps"].as_f64().unwrap();
        let last = of_type(&records, "frame")[99]["pts_s"].as_f64().unwrap();
        assert!((last - 99.0 / fps).abs() < 1e-3, "{file}: {last}");
    }
}

#[test]
fn sound_files_are_not_taken_for_cut() {
    let place = Place::new();
    ffmpeg(&place, "-i SAMPLE -f lavfi -i sine=d=14 -map 0 -map 1 -c:v copy -c:a aac sound.mp4");
    ffmpeg(&place, "-i sound.mp4 -c copy sound.mkv");
    ffmpeg(&place, "-i SAMPLE -c:v libx264 -g 12 -movflags frag_keyframe+empty_moov frag.mp4");
    ffmpeg(&place, "-i SAMPLE -c:v libx264 -g 10 -f flv a.flv");
    ffmpeg(&place, &format!("{IRREGULAR} -c:v libx264 vfr.mkv"));
    ffmpeg(&place, "-ss 2.7 -i SAMPLE -c copy edit.mp4");
    ffmpeg(&place, "-i SAMPLE -c copy -bsf:v h264_mp4toannexb a.h264");
    for file in ["sound.mp4", "sound.mkv", "frag.mp4", "a.flv", "vfr.mkv", "edit.mp4", "a.h264"] {
        let found = frame_ids(&frames(&place, file, 0)).len();
        assert_eq!(found, decodable(&place, file), "{file}");
    }
}

#[test]
fn cut_files_give_their_frames_and_65() {
    let place = Place::new();
    ffmpeg(&place, "-i SAMPLE -c:v libx264 -bf 3 -movflags +faststart a.mp4");
    ffmpeg(&place, "-i a.mp4 -c copy a.mkv");
    ffmpeg(&place, "-i SAMPLE -c:v mpeg4 a.avi");
    for file in ["a.mp4", "a.mkv", "a.avi"] {
        let whole = std::fs::read(place.path(file)).unwrap();
        let cut = format!("cut-{file}");
        place.file(&cut, &whole[..whole.len() * 6 / 10]);
        let run = place.output(&format!("run {cut} --engine fake --ndjson a.ndjson --csv a.csv"));
        let run = run.ended(65);
        assert!(run.stderr().contains(&format!("'{cut}' is cut: ")), "{}", run.stderr());
        let records = records_of(&place.path("a.ndjson"));
        assert_eq!(frame_ids(&records).len(), decodable(&place, &cut), "{file}");
        assert_eq!(records.last().unwrap()["exit"], "error");
        assert!(place.path("a.csv").exists() && !place.path("a.part.csv").exists());
    }
}

#[test]
fn damaged_files_give_their_frames_and_65() {
    let place = Place::new();
    ffmpeg(&place, "-i SAMPLE -c:v libx264 -bf 3 a.mp4");
    ffmpeg(&place, "-i SAMPLE -c:v libx264 -bf 3 a.mkv");
    ffmpeg(&place, "-i SAMPLE -c:v mpeg4 a.avi");
    ffmpeg(&place, "-i SAMPLE -c copy a.ts");
    for file in ["a.mp4", "a.mkv", "a.avi", "a.ts"] {
        let mut bytes = std::fs::read(place.path(file)).unwrap();
        let start = bytes.len() * 4 / 10;
        bytes[start..start + 20_000].fill(0);
        let damaged = format!("damaged-{file}");
        place.file(&damaged, &bytes);
        let run = place.output(&format!("run {damaged} --engine fake:boxes=0")).ended(65);
        assert!(run.stderr().contains("is damaged in "), "{file}: {}", run.stderr());
        assert_eq!(frame_ids(&run.records()).len(), decodable(&place, &damaged), "{file}");
    }
}

#[test]
fn a_change_of_size_names_the_frame() {
    let place = Place::new();
    let encode = "-c:v libx264 -bsf:v h264_mp4toannexb";
    ffmpeg(&place, &format!("-i SAMPLE -t 1 {encode} a.h264"));
    ffmpeg(&place, &format!("-i SAMPLE -t 1 -vf scale=320:240 {encode} b.h264"));
    let both = [std::fs::read(place.path("a.h264")), std::fs::read(place.path("b.h264"))];
    place.file("c.h264", both.map(Result::unwrap).concat());
    let run = place.output("run c.h264 --engine fake").ended(65);
    let words = "frame 10 is 320x240, the frames before it are 768x576";
    assert!(run.stderr().contains(words), "{}", run.stderr());
    assert_eq!(frame_ids(&run.records()).len(), 10);
}

#[test]
fn every_kind_of_picture_is_read() {
    let place = Place::new();
    let made = "-f lavfi -i testsrc=s=320x180:d=0.4:r=25";
    for (name, how) in [
        ("grey.mp4", "-pix_fmt gray -c:v libx264"),
        ("ten.mp4", "-pix_fmt yuv420p10le -c:v libx264"),
        ("full.mp4", "-pix_fmt yuv444p -c:v libx264"),
        ("vp9.webm", "-c:v libvpx-vp9"),
        ("a.gif", ""),
    ] {
        ffmpeg(&place, &format!("{made} {how} {name}"));
        let records = frames(&place, name, 0);
        assert_eq!(frame_ids(&records).len(), decodable(&place, name), "{name}");
        assert_eq!(records[0]["input"]["width"], 320, "{name}");
    }
}

#[test]
fn odd_sizes_are_read_and_written_even() {
    let place = Place::new();
    ffmpeg(&place, "-f lavfi -i testsrc=s=641x359:d=0.4:r=25 -c:v libx264rgb odd.mkv");
    let records = place.output("run odd.mkv --engine fake --ndjson - -o o.mp4").ended(0).records();
    assert_eq!(records[0]["input"]["width"], 641);
    assert_eq!(ffprobe(&place, "o.mp4", "stream=width,height"), ["642,360"]);
}

/// The first pixel of a saved frame, red, green, blue.
pub(crate) fn corner(path: &Path, x: u32, y: u32) -> [u8; 3] {
    image::open(path).unwrap().into_rgb8().get_pixel(x, y).0
}

#[test]
fn rotation_flags_turn_the_picture() {
    let place = Place::new();
    // Upper half red, lower half blue.
    let halves =
        "-f lavfi -i color=red:s=64x32:d=0.2:r=10 -f lavfi -i color=blue:s=64x32:d=0.2:r=10";
    ffmpeg(&place, &format!("{halves} -filter_complex vstack -c:v libx264 -pix_fmt yuv420p a.mp4"));
    // Where ffmpeg itself shows red after turning the picture is the expected answer.
    for degrees in [90, 180, 270] {
        let file = format!("r{degrees}.mp4");
        ffmpeg(&place, &format!("-i a.mp4 -c copy -metadata:s:v rotate={degrees} {file}"));
        ffmpeg(&place, &format!("-i {file} -frames:v 1 theirs.png"));
        place
            .output(&format!("run {file} --engine fake:boxes=0 --save-frames f{degrees}"))
            .ended(0);
        let ours = place.path(&format!("f{degrees}/000000.jpg"));
        let theirs = image::open(place.path("theirs.png")).unwrap().into_rgb8();
        assert_eq!(image::image_dimensions(&ours).unwrap(), theirs.dimensions(), "{degrees}");
        for (x, y) in [(4, 4), (theirs.width() - 5, 4), (4, theirs.height() - 5)] {
            let pairs = corner(&ours, x, y).into_iter().zip(theirs.get_pixel(x, y).0);
            for (ours, theirs) in pairs {
                assert!(ours.abs_diff(theirs) < 40, "{degrees} at {x},{y}");
            }
        }
    }
}

#[test]
fn the_written_video_plays_everywhere() {
    let place = Place::new();
    place.output(&format!("run {} --engine fake -o out.mp4", sample().display())).ended(0);
    let about = ffprobe(&place, "out.mp4", "stream=codec_name,pix_fmt,nb_frames");
    assert_eq!(about, ["h264,yuv420p,100"]);
    let duration: f64 = ffprobe(&place, "out.mp4", "stream=duration")[0].parse().unwrap();
    assert!((duration - 10.0).abs() <= 0.1, "{duration}");
    let bytes = std::fs::read(place.path("out.mp4")).unwrap();
    let at = |name: &[u8]| bytes.windows(4).position(|w| w == name).unwrap();
    assert!(at(b"moov") < at(b"mdat"), "the index is in front");
    times_agree(&place, "out.mp4");
}

#[test]
fn strides_and_variable_rates_keep_their_speed() {
    let place = Place::new();
    place.output(&format!("run {} --engine fake --stride 5 -o s.mp4", sample().display())).ended(0);
    let duration: f64 = ffprobe(&place, "s.mp4", "stream=duration")[0].parse().unwrap();
    assert!((duration - 10.0).abs() <= 0.1, "{duration}");
    ffmpeg(&place, &format!("{IRREGULAR} -c:v libx264 vfr.mkv"));
    place.output("run vfr.mkv --engine fake -o v.mp4").ended(0);
    let times = |file: &str| -> Vec<f64> {
        ffprobe(&place, file, "frame=pts_time").iter().map(|t| t.parse().unwrap()).collect()
    };
    let (read, written) = (times("vfr.mkv"), times("v.mp4"));
    assert_eq!(read.len(), written.len());
    assert!(read.iter().zip(&written).all(|(a, b)| (a - read[0] - b).abs() < 0.002));
}

#[test]
fn an_interrupted_video_plays() {
    let place = Place::new();
    let arguments = format!("run {} --engine fake:sleep-ms=50 -o out.mp4", sample().display());
    let mut child = place.spawnable(&arguments).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    child.wait().unwrap();
    let written = decodable(&place, "out.mp4");
    assert!(written > 0 && written < 100, "{written} frames");
    assert_eq!(place.names(), ["out.mp4"]);
}

#[test]
fn a_full_disk_is_named_by_the_video_too() {
    let place = Place::new();
    std::os::unix::fs::symlink("/dev/full", place.path("full.mp4")).unwrap();
    let run = place.output(&format!("run {} --engine fake -o full.mp4", sample().display()));
    let run = run.ended(74);
    assert!(run.stderr().contains("cannot write 'full.mp4': no space left"), "{}", run.stderr());
}

#[test]
fn check_tries_the_encoder() {
    let place = Place::new();
    let run = place.output(&format!("check {} --engine fake -o out.mp4", sample().display()));
    let run = run.ended(0);
    assert!(run.stdout().contains("video: ok, 'out.mp4' with libx264"), "{}", run.stdout());
    assert!(place.names().is_empty());
    let run = place.output(&format!("run {} --engine fake -o out.txt", sample().display()));
    assert!(run.ended(2).stderr().contains("no ending of a video"));
}

#[test]
fn what_a_killed_run_left_plays_and_can_be_finished() {
    let place = Place::new();
    ffmpeg(
        &place,
        "-f lavfi -i testsrc=s=320x180:r=25:d=20 -f lavfi -i sine=d=20 -c:v libx264 -c:a aac in.mp4",
    );
    let mut run = Command::new(assert_cmd::cargo::cargo_bin!("vision-pipe"))
        .args("run in.mp4 --engine fake:sleep-ms=40 -w 1 -o out.mp4 --ndjson out.ndjson".split(' '))
        .current_dir(place.path(""))
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(6));
    run.kill().unwrap();
    run.wait().unwrap();
    let text = std::fs::read_to_string(place.path("out.part.ndjson")).unwrap();
    let frames = text.lines().filter(|line| line.starts_with("{\"type\":\"frame\"")).count();
    let playable = decodable(&place, "out.part.mp4");
    assert!(frames > 60, "{frames}");
    assert!(playable + 50 >= frames, "{playable} of {frames} frames: 2 s are 50");
    let sound_s = |file: &str| packets_of(&place, file, "a:0").unwrap().1;
    let part_s = sound_s("out.part.mp4");
    assert!((part_s - playable as f64 / 25.0).abs() < 1.0, "{part_s} s of sound");
    let finished = place.output("repair out.part.mp4");
    assert_eq!(finished.ended(0).stdout(), "out.mp4\n");
    assert_eq!(decodable(&place, "out.mp4"), playable);
    assert!((sound_s("out.mp4") - part_s).abs() < 0.05);
    assert!(!place.names().contains(&"out.part.mp4".to_owned()));
    let again = place.output("repair out.mp4");
    assert!(again.ended(2).stderr().contains("is not called NAME.part.EXT"));
}

#[test]
fn webm_and_the_encoders_settings() {
    let place = Place::new();
    let run = |more: &str| {
        let run =
            format!("run {} --max-frames 20 --engine fake --ndjson x {more}", sample().display());
        place.output(&run)
    };
    run("-o out.webm").ended(0);
    assert_eq!(ffprobe(&place, "out.webm", "stream=codec_name"), ["vp9"]);
    run("-o small.mp4 --crf 40 --preset ultrafast").ended(0);
    run("-o large.mp4 --crf 10").ended(0);
    let size = |file: &str| std::fs::metadata(place.path(file)).unwrap().len();
    assert!(size("small.mp4") * 3 < size("large.mp4"));
    run("-o vp9.mkv --encoder libvpx-vp9").ended(0);
    assert_eq!(ffprobe(&place, "vp9.mkv", "stream=codec_name"), ["vp9"]);
    let stderr = run("-o out.mp4 --encoder magic").ended(2).stderr().to_owned();
    assert!(stderr.contains("FFmpeg here has no encoder 'magic'"), "{stderr}");
    let stderr = run("-o out.mp4 --preset magic").ended(2).stderr().to_owned();
    assert!(stderr.contains("the encoder refuses these settings"), "{stderr}");
    assert!(!place.names().contains(&"out.part.mp4".to_owned()), "nothing is left");
}

/// Each frame shows its own number: a white stripe of 16 px for each bit that is set.
#[test]
fn every_picture_is_that_of_its_record() {
    let place = Place::new();
    let stripes = "geq=lum='if(mod(floor(N/pow(2,floor(X/16))),2),255,0)':cb=128:cr=128";
    let make =
        format!("-f lavfi -i color=black:s=160x64:r=30:d=4,{stripes} -c:v libx264 -qp 0 in.mp4");
    ffmpeg(&place, &make);
    let run = "run in.mp4 --engine fake:boxes=0 --stride 3 --start 0.5 -o out.mp4 --ndjson out.ndjson -w 4";
    place.output(run).ended(0);
    let records = records_of(&place.path("out.ndjson"));
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(place.path("out.mp4"))
        .args(["-vsync", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    let shown: Vec<u64> = output
        .stdout
        .chunks_exact(160 * 64)
        .map(|frame| {
            (0..10).map(|bit| u64::from(frame[40 * 160 + bit * 16 + 8] > 128) << bit).sum()
        })
        .collect();
    assert_eq!(shown, frame_ids(&records));
    assert!(shown.len() > 30 && shown[0] == 15, "{shown:?}");
}

#[test]
fn a_constant_rate_keeps_the_length() {
    let place = Place::new();
    ffmpeg(&place, &format!("{IRREGULAR} -c:v libx264 vfr.mkv"));
    let length: f64 = ffprobe(&place, "vfr.mkv", "format=duration")[0].parse().unwrap();
    for fps in [5.0, 30.0] {
        let run = format!("run vfr.mkv --engine fake -o {fps}.mp4 --output-fps {fps}");
        place.output(&run).ended(0);
        let times: Vec<f64> = ffprobe(&place, &format!("{fps}.mp4"), "frame=pts_time")
            .iter()
            .map(|time| time.parse().unwrap())
            .collect();
        assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 1.0 / fps).abs() < 0.002));
        assert!((times.len() as f64 / fps - length).abs() <= 1.0 / fps + 0.1, "{fps}: {length}");
    }
}

#[test]
fn the_shape_of_pixels_is_kept() {
    let place = Place::new();
    ffmpeg(&place, "-f lavfi -i testsrc=s=360x288:r=25:d=1 -vf setsar=16/11 -c:v libx264 in.mp4");
    place.output("run in.mp4 --engine fake -o out.mp4").ended(0);
    assert_eq!(ffprobe(&place, "out.mp4", "stream=sample_aspect_ratio"), ["16:11"]);
    assert_eq!(ffprobe(&place, "out.mp4", "stream=width,height"), ["360,288"]);
}

#[test]
fn a_video_on_standard_output_is_matroska() {
    let place = Place::new();
    let run = format!("run {} --engine fake --max-frames 30 -o -", sample().display());
    let output = place.command(&run).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    place.file("piped.mkv", &output.stdout);
    assert_eq!(decodable(&place, "piped.mkv"), 30);
    let both = place.output(&format!("{run} --ndjson -"));
    assert!(both.ended(2).stderr().contains("standard output carries one thing: NDJSON or video"));
    let head = format!(
        "{} {run} | head -c 1000 >/dev/null",
        assert_cmd::cargo::cargo_bin!("vision-pipe").display()
    );
    let shell = Command::new("bash").args(["-o", "pipefail", "-c", &head]).status().unwrap();
    assert_eq!(shell.code(), Some(0), "a reader that has seen enough is no error");
}

#[test]
fn the_size_of_the_video_may_be_another() {
    let place = Place::new();
    for (size, written) in [("384:-2", "384,288"), ("-2:144", "192,144"), ("300x200", "300,200")] {
        let run = format!(
            "run {} --engine fake --max-frames 10 -o out.mp4 --output-size {size}",
            sample().display()
        );
        place.output(&run).ended(0);
        assert_eq!(ffprobe(&place, "out.mp4", "stream=width,height"), [written]);
        assert_eq!(decodable(&place, "out.mp4"), 10);
    }
    let run = format!("run {} --engine fake -o out.mp4 --output-size -2:-2", sample().display());
    assert!(place.output(&run).ended(2).stderr().contains("--output-size must be a size such as"));
}
