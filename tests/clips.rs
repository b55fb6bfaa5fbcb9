//! Videos of events: which pictures they show, for how long, and with which sound.

use std::process::Command;

use serde_json::Value;

use crate::common::{Place, of_type};

/// Four seconds at 30 frames a second; each frame shows its own number below the first 32 rows, a
/// white stripe of 16 px for each bit that is set. The pixel at the top left turns white at frame
/// 60, where the box of the scripted detector jumps and becomes a new track.
fn make(place: &Place, more: &str) {
    let stripes = "geq=lum='if(lt(Y,32),if(gte(N,60),255,0),\
                   if(mod(floor(N/pow(2,floor(X/16))),2),255,0))':cb=128:cr=128";
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .arg(format!("color=black:s=160x96:r=30:d=4,{stripes}"))
        .args(more.split_whitespace())
        .args(["-c:v", "libx264", "-qp", "0"])
        .arg(place.path("in.mp4"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The numbers that the frames of a video show.
fn shown(place: &Place, file: &str) -> Vec<u64> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(place.path(file))
        .args(["-vsync", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let number = |frame: &[u8]| {
        (0..10).map(|bit| u64::from(frame[70 * 160 + bit * 16 + 8] > 128) << bit).sum()
    };
    output.stdout.chunks_exact(160 * 96).map(number).collect()
}

/// Seconds of a stream's packets.
fn length_s(place: &Place, file: &str, stream: &str) -> f64 {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-of", "csv=p=0"])
        .args(["-show_entries", "stream=duration"])
        .arg(place.path(file))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().trim_end_matches(',').parse().unwrap()
}

fn clips(records: &[Value]) -> Vec<(u64, String)> {
    let events = of_type(records, "event");
    let clips = events.into_iter().filter(|event| event["event"] == "clip");
    let told =
        |e: &Value| (e["frame_id"].as_u64().unwrap(), e["file"].as_str().unwrap().to_owned());
    clips.map(told).collect()
}

#[test]
fn a_clip_shows_what_came_before_and_after_its_event() {
    let place = Place::new();
    make(&place, "");
    let run = "run in.mp4 --engine fake --track --clips out --pre 500ms --post 400ms --draw none";
    let records = place.output(&format!("{run} --ndjson -")).ended(0).records();
    let clips = clips(&records);
    assert_eq!(clips.len(), 2, "the first box and the one after the jump: {clips:?}");
    for (event, file) in &clips {
        let shown = shown(&place, file);
        let numbers: Vec<u64> = (shown[0]..shown[0] + shown.len() as u64).collect();
        assert_eq!(shown, numbers, "each frame once, in its order");
        // A picture that stands alone comes each second: the clip starts there.
        let (wanted, last) = (event.saturating_sub(15), shown[shown.len() - 1]);
        assert!(shown[0] <= wanted && shown[0] + 30 >= wanted, "{event}: {shown:?}");
        assert!((event + 11..=event + 16).contains(&last), "{event}: {shown:?}");
    }
    assert_eq!(clips[0].0, 0);
    assert_eq!(clips[1].1, "out/in-00h00m02.033s-appeared-2.mp4");
    let names = std::fs::read_dir(place.path("out")).unwrap().count();
    assert_eq!(names, 2, "and no parts");
}

#[test]
fn a_clip_has_the_sound_of_its_time() {
    let place = Place::new();
    make(&place, "-f lavfi -i sine=r=48000:d=4 -c:a aac -shortest");
    let run = "run in.mp4 --engine fake --track --clips out --pre 500ms --post 400ms --ndjson -";
    let records = place.output(run).ended(0).records();
    for (_, file) in clips(&records) {
        let (picture, sound) = (length_s(&place, &file, "v:0"), length_s(&place, &file, "a:0"));
        assert!((picture - sound).abs() < 0.05, "{file}: {picture} and {sound} s");
    }
}

#[test]
fn events_at_the_end_and_of_other_kinds_have_theirs() {
    let place = Place::new();
    make(&place, "");
    let run = "run in.mp4 --engine fake --track --track-buffer 30 --clips out --clip-on appeared,left --ndjson -";
    let records = place.output(run).ended(0).records();
    let clips = clips(&records);
    let left: Vec<_> = clips.iter().filter(|(_, file)| file.contains("left-1")).collect();
    assert_eq!(left.len(), 1, "{clips:?}");
    for (_, file) in &clips {
        assert_eq!(shown(&place, file).last(), Some(&119), "five seconds lie beyond the end");
    }
}

#[test]
fn clips_need_a_tracker_and_a_video() {
    let place = Place::new();
    let said = place.output("run in.mp4 --clips out").ended(2).stderr();
    assert!(said.contains("--clips needs a tracker"), "{said}");
    image::RgbImage::new(64, 64).save(place.path("a.png")).unwrap();
    let said = place.output("run a.png --engine fake --track --clips out").ended(2).stderr();
    assert!(said.contains("--clips makes videos, and the input is pictures"), "{said}");
}

#[test]
fn places_of_like_names_have_clips_and_events_of_their_own() {
    let place = Place::new();
    make(&place, "");
    let zone = |name: &str| format!("--zone {{name='{name}',polygon=[[0,0],[1,0],[1,1],[0,1]]}}");
    let zones = ["a/b", "a_b"].map(zone).join(" ");
    let run = "run in.mp4 --engine fake --track --clips out --clip-on zone_entered,appeared";
    let records =
        place.output(&format!("{run} {zones} --post 400ms --ndjson -")).ended(0).records();
    let clips = clips(&records);
    let mut files: Vec<_> = clips.iter().map(|(_, file)| file.clone()).collect();
    assert!(files.iter().all(|file| place.path(file).exists()), "{files:?}");
    files.sort();
    files.dedup();
    assert_eq!(files.len(), clips.len(), "{clips:?}");
    let events = of_type(&records, "event");
    let mut ids: Vec<_> = events.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len());
    let of = |clip: &&Value| events.iter().any(|event| event["event_id"] == clip["cause"]);
    let told: Vec<_> = events.iter().filter(|event| event["event"] == "clip").collect();
    assert!(told.iter().all(|clip| of(clip)), "each names its event");
}

#[test]
fn a_clip_that_cannot_be_written_does_not_cost_the_video() {
    let place = Place::new();
    make(&place, "");
    std::fs::create_dir_all(place.path("out/in-00h00m02.033s-appeared-2.mp4")).unwrap();
    let run = "run in.mp4 --engine fake --track --clips out -o whole.mp4";
    let said = place.output(run).ended(3).stderr();
    assert!(said.contains("the run goes on without it"), "{said}");
    assert_eq!(shown(&place, "whole.mp4").len(), 120);
}
