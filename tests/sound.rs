//! The sound of the original in the video: kept, cut, encoded anew, and in time with the picture.

use std::process::Command;

use crate::common::Place;
use crate::media::{decodable, ffmpeg, ffprobe};

/// A stream of another kind: its start and end in seconds, by its packets.
pub(crate) fn packets_of(place: &Place, file: &str, stream: &str) -> Option<(f64, f64)> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-of", "csv=p=0"])
        .args(["-show_entries", "packet=pts_time,duration_time"])
        .arg(place.path(file))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut ends: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| {
            let (start, length) = line.split_once(',')?;
            let start: f64 = start.parse().ok()?;
            Some((start, start + length.trim_matches(',').parse::<f64>().unwrap_or(0.0)))
        })
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some((ends.first()?.0, ends.last()?.1))
}

#[test]
fn sound_is_kept_cut_and_left_out() {
    let place = Place::new();
    ffmpeg(
        &place,
        "-f lavfi -i testsrc=s=320x180:r=25:d=6 -f lavfi -i sine=f=440:d=6 -c:v libx264 -c:a aac in.mp4",
    );
    let run = |more: &str| {
        place.output(&format!("run in.mp4 --engine fake --ndjson out.ndjson {more}")).ended(0);
    };
    for (file, more, seconds) in [
        ("whole.mp4", "", 6.0),
        ("whole.mkv", "", 6.0),
        ("cut.mp4", "--start 2 --end 5", 3.0),
        ("strided.mp4", "--stride 5", 6.0),
    ] {
        run(&format!("-o {file} {more}"));
        let (start, end) = packets_of(&place, file, "a:0").unwrap();
        // An AAC packet is 1024 of 44,100 samples, and a frame here 0.04 s.
        assert!(start.abs() <= 0.04 && (end - seconds).abs() <= 0.07, "{file}: {start} to {end}");
    }
    run("-o silent.mp4 --no-audio");
    assert_eq!(packets_of(&place, "silent.mp4", "a:0"), None);
    let piped = place.command("run in.mp4 --engine fake -o - --start 1 --end 4").output().unwrap();
    place.file("piped.mkv", &piped.stdout);
    let (start, end) = packets_of(&place, "piped.mkv", "a:0").unwrap();
    assert!(start.abs() <= 0.04 && (end - 3.0).abs() <= 0.07, "{start} to {end}");
}

/// Silence everywhere but from 2.0 to 2.2 s, where a tone sounds and the picture is white.
pub(crate) const BEEP: &str = "-f lavfi -i color=black:s=160x96:r=25:d=5,drawbox=c=white:t=fill:enable='between(t\\,2\\,2.19)' -f lavfi -i sine=f=1000:r=48000:d=5,volume=enable='not(between(t\\,2\\,2.2))':volume=0";

/// When sound starts and stops in a file, in seconds.
pub(crate) fn sounds(place: &Place, file: &str) -> Vec<f64> {
    let output = Command::new("ffmpeg")
        .args(["-v", "info", "-i"])
        .arg(place.path(file))
        .args(["-map", "0:a", "-af", "silencedetect=n=-35dB:d=0.05", "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("silence_end: ").or(line.split_once("silence_start: "))?;
        rest.split_whitespace().next()?.parse().ok()
    });
    // Silence starts the file and ends it.
    said.filter(|at| *at > 0.1).take(2).collect()
}

/// The first time at which the picture is white.
pub(crate) fn flash(place: &Place, file: &str) -> f64 {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(place.path(file))
        .args(["-vsync", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    let white = output.stdout.chunks_exact(160 * 96).position(|picture| picture[0] > 128);
    ffprobe(place, file, "frame=pts_time")[white.unwrap()].parse().unwrap()
}

#[track_caller]
fn beeps_with_the_flash(place: &Place, file: &str) {
    let (beep, flash) = (sounds(place, file), flash(place, file));
    assert!((beep[0] - flash).abs() <= 0.04, "{file}: {beep:?} and {flash}");
    assert!((beep[1] - flash - 0.2).abs() <= 0.04, "{file}: {beep:?} and {flash}");
}

#[test]
fn copied_sound_stays_with_its_picture() {
    let place = Place::new();
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -bf 3 -c:a aac in.mp4"));
    ffmpeg(&place, "-i in.mp4 -c copy in.ts");
    ffmpeg(&place, "-i in.mp4 -c:v copy -c:a libopus in.mkv");
    // The picture starts a second after the sound, and an hour into the file.
    ffmpeg(
        &place,
        "-itsoffset 1 -i in.mp4 -i in.mp4 -map 0:v -map 1:a -c copy -output_ts_offset 30 late.mkv",
    );
    for (input, output, more) in [
        ("in.mp4", "a.mp4", ""),
        ("in.mp4", "b.mkv", "--start 1 --end 4"),
        ("in.ts", "c.mp4", "--start 1.5"),
        ("in.ts", "d.mkv", ""),
        ("in.mkv", "e.webm", ""),
        ("in.mkv", "f.mp4", "--start 0.5 --stride 2"),
    ] {
        let run = format!("run {input} --engine fake:boxes=0 -o {output} {more}");
        let said = place.output(&run).ended(0).stderr();
        assert!(!said.contains("the sound"), "{output}: {said}");
        beeps_with_the_flash(&place, output);
    }
    place.output("run late.mkv --engine fake:boxes=0 -o g.mp4").ended(0);
    let beep = sounds(&place, "g.mp4")[0];
    assert!((beep - 1.0).abs() <= 0.04, "a second before the flash, as in the original: {beep}");
}

/// The codec of a file's sound, by ffprobe.
pub(crate) fn sound_codec(place: &Place, file: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a:0", "-of", "csv=p=0"])
        .args(["-show_entries", "stream=codec_name"])
        .arg(place.path(file))
        .output()
        .unwrap();
    // Of a transport stream it says everything twice.
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn sound_that_the_container_cannot_hold_is_encoded_anew() {
    let place = Place::new();
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -c:a aac in.mp4"));
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -c:a pcm_s16le -ac 2 in.mov"));
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -c:a aac -ar 44100 -ac 6 in44.mkv"));
    for (input, output, codec, more) in [
        ("in.mp4", "a.webm", "opus", ""),
        ("in.mov", "b.mp4", "aac", ""),
        ("in44.mkv", "c.webm", "opus", "--start 1.5 --end 4"),
        ("in.mov", "d.mp4", "aac", "--start 1 --end 3.5"),
    ] {
        let run = format!("run {input} --engine fake:boxes=0 -o {output} {more}");
        let said = place.output(&run).ended(0).stderr();
        assert!(!said.contains("the sound"), "{output}: {said}");
        assert_eq!(sound_codec(&place, output), codec, "{output}");
        beeps_with_the_flash(&place, output);
        let length = decodable(&place, output) as f64 / 25.0;
        let end = packets_of(&place, output, "a:0").unwrap().1;
        assert!((end - length).abs() <= 0.04, "{output}: {end} of {length} s");
    }
    assert!((sounds(&place, "a.webm")[0] - 2.0).abs() <= 0.04);
    assert!((sounds(&place, "b.mp4")[0] - 2.0).abs() <= 0.04);
}

#[test]
fn late_sound_does_not_hold_back_the_index() {
    let place = Place::new();
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -c:a aac in.mp4"));
    ffmpeg(
        &place,
        "-stream_loop 2 -i in.mp4 -itsoffset 8 -i in.mp4 -map 0:v -map 1:a -c copy late.mp4",
    );
    let run = "run late.mp4 --engine fake:boxes=0:sleep-ms=30 -w 1 -o out.mp4";
    let mut child = place.spawnable(run).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(4));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(decodable(&place, "out.part.mp4") > 25);
    place.output("run late.mp4 --engine fake:boxes=0 -o whole.mp4").ended(0);
    let beep = sounds(&place, "whole.mp4")[0];
    assert!((beep - 10.0).abs() <= 0.04, "{beep}");
}

#[test]
fn sound_that_breaks_off_costs_no_picture() {
    let place = Place::new();
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -c:a aac -movflags +faststart in.mp4"));
    // Sound that ends early, starts late, and is not there at all where the picture is.
    ffmpeg(&place, "-i in.mp4 -t 1 -i in.mp4 -map 0:v -map 1:a -c copy short.mp4");
    ffmpeg(&place, "-i in.mp4 -itsoffset 3 -i in.mp4 -map 0:v -map 1:a -c copy -t 5 late.mkv");
    for (input, output, more) in
        [("short.mp4", "a.mp4", ""), ("short.mp4", "b.mp4", "--start 3"), ("late.mkv", "c.mkv", "")]
    {
        place.output(&format!("run {input} --engine fake:boxes=0 -o {output} {more}")).ended(0);
        assert!(decodable(&place, output) >= 50, "{output}");
    }
    assert_eq!(packets_of(&place, "b.mp4", "a:0"), None);
    let whole = std::fs::read(place.path("in.mp4")).unwrap();
    place.file("cut.mp4", &whole[..whole.len() * 6 / 10]);
    place.output("run cut.mp4 --engine fake:boxes=0 -o cut-out.mp4").ended(65);
    assert_eq!(decodable(&place, "cut-out.mp4"), decodable(&place, "cut.mp4"));
    assert!(packets_of(&place, "cut-out.mp4", "a:0").is_some());
}

#[test]
fn sound_that_only_the_header_refuses_is_encoded_anew() {
    let place = Place::new();
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -c:a flac in.mkv"));
    for file in ["out.mp4", "out.mov"] {
        place.output(&format!("run in.mkv --engine fake:boxes=0 -o {file}")).ended(0);
        assert_eq!(sound_codec(&place, file), "aac", "{file}");
        beeps_with_the_flash(&place, file);
    }
    place.output("run in.mkv --engine fake:boxes=0 -o out.mkv").ended(0);
    assert_eq!(sound_codec(&place, "out.mkv"), "flac");
}
