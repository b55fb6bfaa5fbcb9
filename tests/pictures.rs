//! Pictures and films that are stored askew, cut, animated, joined, or of several streams: right, or
//! said.

use std::path::Path;

use serde_json::Value;

use crate::common::{Place, Run, frame_ids, frame_lines, of_type};
use crate::media::{decodable, ffmpeg, ffprobe};

fn run(place: &Place, arguments: &str) -> Run {
    place.output(&format!("run {arguments} --engine fake:boxes=0"))
}

fn files(records: &[Value]) -> Vec<String> {
    let name = |frame: &&Value| frame["file"].as_str().map(str::to_owned);
    of_type(records, "frame").iter().filter_map(name).collect()
}

fn times(records: &[Value]) -> Vec<f64> {
    of_type(records, "frame").iter().map(|frame| frame["pts_s"].as_f64().unwrap()).collect()
}

/// Where a picture is brightest.
fn brightest(path: &Path) -> (u32, u32) {
    let grey = image::open(path).unwrap().into_luma8();
    let (x, y, _) = grey.enumerate_pixels().max_by_key(|(_, _, pixel)| pixel.0[0]).unwrap();
    (x, y)
}

/// A picture of 64x48 pixels, no two parts of it alike.
fn noise() -> image::RgbImage {
    let mut state = 1_u32;
    image::RgbImage::from_fn(64, 48, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    })
}

/// A noisy picture in the form that its name says.
fn picture(place: &Place, name: &str) -> Vec<u8> {
    noise().save(place.path(name)).unwrap();
    std::fs::read(place.path(name)).unwrap()
}

/// Writes the matrix of the only track of an MP4 file.
fn with_matrix(film: &[u8], [a, b, c, d]: [i32; 4]) -> Vec<u8> {
    let mut bytes = film.to_vec();
    let at = bytes.windows(4).position(|name| name == b"tkhd").unwrap();
    // Behind the name: version and flags, times, numbers; longer in version 1.
    let times = if bytes[at + 4] == 0 { 20 } else { 32 };
    let matrix = at + 8 + times + 16;
    let one = 1 << 16;
    for (number, value) in
        [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30].iter().enumerate()
    {
        let to = matrix + number * 4;
        bytes[to..to + 4].copy_from_slice(&value.to_be_bytes());
    }
    bytes
}

#[test]
fn all_eight_orientations_of_a_film_are_right() {
    const SIZE: (i32, i32) = (64, 48);
    const DOT: (i32, i32) = (10, 6);
    let place = Place::new();
    let dot =
        "geq=lum='if(between(X\\,8\\,12)*between(Y\\,4\\,8)\\,235-40*(abs(X-10)+abs(Y-6))\\,16)'";
    let made = format!("-f lavfi -i color=black:s=64x48:r=10:d=0.3,format=gray,{dot}");
    ffmpeg(&place, &format!("{made} -pix_fmt yuv420p -c:v libx264 -crf 1 film.mp4"));
    let film = std::fs::read(place.path("film.mp4")).unwrap();
    for straight in [true, false] {
        for (one, two) in [(1, 1), (1, -1), (-1, 1), (-1, -1)] {
            let [a, b, c, d] = if straight { [one, 0, 0, two] } else { [0, one, two, 0] };
            place.file("askew.mp4", with_matrix(&film, [a, b, c, d]));
            let shown = run(&place, "askew.mp4 --save-frames f -o out.mp4 --ndjson -").ended(0);
            // A point is shown at (ax + cy, bx + dy), moved so that all coordinates are positive.
            let moved = |x: i32, y: i32, along: (i32, i32), length: (i32, i32)| {
                let back = (along.0 * (length.0 - 1)).min(0) + (along.1 * (length.1 - 1)).min(0);
                (along.0 * x + along.1 * y - back) as u32
            };
            let wanted = (moved(DOT.0, DOT.1, (a, c), SIZE), moved(DOT.0, DOT.1, (b, d), SIZE));
            let records = shown.records();
            let image = &of_type(&records, "frame")[0]["image"];
            let size = if straight { (64, 48) } else { (48, 64) };
            assert_eq!((&image["width"], &image["height"]), (&size.0.into(), &size.1.into()));
            ffmpeg(&place, "-i out.mp4 -frames:v 1 out.png");
            for (name, near) in [("f/000000.jpg", 1), ("out.png", 1)] {
                let (x, y) = brightest(&place.path(name));
                let off = x.abs_diff(wanted.0).max(y.abs_diff(wanted.1));
                assert!(off <= near, "{name} {:?}: {x},{y} and not {wanted:?}", [a, b, c, d]);
            }
            std::fs::remove_dir_all(place.path("f")).unwrap();
        }
    }
}

#[test]
fn half_a_picture_is_65_whatever_its_form() {
    let place = Place::new();
    for name in ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif", "a.gif"] {
        let whole = picture(&place, name);
        run(&place, name).ended(0);
        for share in [2, 6, 9] {
            let cut = format!("cut-{name}");
            place.file(&cut, &whole[..whole.len() * share / 10]);
            let ended = run(&place, &cut).ended(65);
            assert!(ended.stderr().contains(&cut), "{}", ended.stderr());
        }
    }
    // A film of pictures that need no others: one of them lacks its second half.
    let jpeg = picture(&place, "a.jpg");
    let half = [&jpeg[..jpeg.len() / 2], b"\xff\xd9"].concat();
    place.file("film.mjpeg", [&jpeg[..], &half, &jpeg].concat());
    place.file("whole.mjpeg", [&jpeg[..], &jpeg, &jpeg].concat());
    assert_eq!(frame_ids(&run(&place, "whole.mjpeg").ended(0).records()), [0, 1, 2]);
    let ended = run(&place, "film.mjpeg").ended(65);
    assert!(ended.stderr().contains("is damaged in 1 place"), "{}", ended.stderr());
    assert_eq!(frame_ids(&ended.records()), [0, 1, 2]);
}

#[test]
fn one_bad_picture_of_a_folder_is_named_and_the_rest_goes_on() {
    let place = Place::new();
    std::fs::create_dir(place.path("v")).unwrap();
    let whole = picture(&place, "v/a.png");
    picture(&place, "v/c.png");
    place.file("v/b.png", &whole[..whole.len() / 2]);
    let ended = run(&place, "v -q --ndjson -").ended(3);
    assert!(ended.stderr().contains("cannot open 'v/b.png': the picture is cut"));
    let records = ended.records();
    assert_eq!(files(&records), ["v/a.png", "v/c.png"]);
    assert_eq!(frame_ids(&records), [0, 2]);
    let summary = records.last().unwrap();
    assert_eq!((&summary["exit"], &summary["exit_code"]), (&"end_of_input".into(), &3.into()));
    assert_eq!(summary["dropped"]["unreadable"], 1);
    let ended = run(&place, "v -q --ndjson - --fail-fast").ended(65);
    assert_eq!(files(&ended.records()), ["v/a.png"]);
    // The first is no worse than another.
    place.file("v/0.png", b"none");
    assert_eq!(files(&run(&place, "v -q").ended(3).records()), ["v/a.png", "v/c.png"]);
    run(&place, "v -q --fail-fast").ended(65);
    // With others the run still says 3.
    run(&place, "v synthetic:8x8@10x2 -q").ended(3);
    for name in ["v/a.png", "v/c.png"] {
        place.file(name, b"none");
    }
    let ended = run(&place, "v -q").ended(65);
    for name in ["0", "a", "b", "c"] {
        assert!(ended.stderr().contains(&format!("'v/{name}.png'")), "{}", ended.stderr());
    }
}

#[test]
fn what_is_left_out_of_a_folder_is_counted() {
    let place = Place::new();
    std::fs::create_dir(place.path("v")).unwrap();
    std::fs::create_dir(place.path("v/below")).unwrap();
    for name in ["v/a.png", "v/b.tif", "v/c.gif", "v/d.webp"] {
        picture(&place, name);
    }
    for name in ["v/notes.txt", "v/e.heic", "v/.hidden"] {
        place.file(name, b"x");
    }
    let left = "left out: 2 files of another kind (.heic, .txt), 1 folder";
    for input in ["v", "v/*"] {
        let ended = run(&place, input).ended(0);
        let note = format!("note: of '{input}' the pictures are read; {left}");
        assert!(ended.stderr().contains(&note), "{}", ended.stderr());
        assert_eq!(files(&ended.records()), ["v/a.png", "v/b.tif", "v/c.gif", "v/d.webp"]);
    }
    assert_eq!(run(&place, "v -q").ended(0).stderr(), "");
    ffmpeg(&place, "-f lavfi -i testsrc=s=64x48:d=0.2:r=10 v/film.mp4");
    let ended = run(&place, "v").ended(0);
    let note = "of 'v' the videos are read, not the pictures beside them; left out: 4 pictures, \
                2 files of another kind (.heic, .txt), 1 folder";
    assert!(ended.stderr().contains(note), "{}", ended.stderr());
}

/// The bytes of a PNG with two more frames: the pixels of the first again.
fn apng(png: &[u8]) -> Vec<u8> {
    let mut table = [0_u32; 256];
    for (number, entry) in (0..).zip(&mut table) {
        *entry = (0..8).fold(number, |rest, _| (rest >> 1) ^ (0xedb8_8320 * (rest & 1)));
    }
    let chunk = |kind: &[u8], body: &[u8]| {
        let named = [kind, body].concat();
        let sum = named.iter().fold(!0_u32, |sum, byte| {
            (sum >> 8) ^ table[((sum ^ u32::from(*byte)) & 0xff) as usize]
        });
        [&(body.len() as u32).to_be_bytes()[..], &named, &(!sum).to_be_bytes()].concat()
    };
    let control = |number: u32| {
        let numbers = [number, 64, 48, 0, 0].map(u32::to_be_bytes).concat();
        chunk(b"fcTL", &[&numbers[..], &[0, 1, 0, 5, 0, 0]].concat())
    };
    let (mut rest, mut pixels) = (&png[33..], Vec::new());
    while rest.len() >= 12 {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        if &rest[4..8] == b"IDAT" {
            pixels.extend(&rest[8..8 + length]);
        }
        rest = &rest[12 + length..];
    }
    let more = |number: u32| {
        let data = [&(number + 1).to_be_bytes()[..], &pixels].concat();
        [control(number), chunk(b"fdAT", &data)].concat()
    };
    let animation = chunk(b"acTL", &[3_u32, 0].map(u32::to_be_bytes).concat());
    [
        &png[..33],
        &animation,
        &control(0),
        &chunk(b"IDAT", &pixels),
        &more(1),
        &more(3),
        &chunk(b"IEND", b""),
    ]
    .concat()
}

/// An animated WebP of three frames, each a whole WebP's picture.
fn animated_webp(webp: &[u8]) -> Vec<u8> {
    let size = |of: usize| (of as u32).to_le_bytes();
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let chunk = |kind: &[u8], body: &[u8]| [kind, &size(body.len()), body].concat();
    let head = [&[2, 0, 0, 0][..], &three(63), &three(47)].concat();
    let frame = [three(0), three(0), three(63), three(47), three(200), vec![0]].concat();
    let frame = chunk(b"ANMF", &[&frame[..], &webp[12..]].concat());
    let body = [&b"WEBP"[..], &chunk(b"VP8X", &head), &chunk(b"ANIM", &[0; 6]), &frame.repeat(3)];
    chunk(b"RIFF", &body.concat())
}

#[test]
fn pictures_that_move_give_every_frame_or_say_what_is_left_out() {
    let place = Place::new();
    std::fs::create_dir(place.path("v")).unwrap();
    let still = picture(&place, "still.png");
    place.file("v/a.png", apng(&still));
    let still = picture(&place, "still.webp");
    place.file("v/b.webp", animated_webp(&still));
    ffmpeg(&place, "-f lavfi -i testsrc=s=64x48:d=0.6:r=5 v/c.gif");
    for name in ["v/a.png", "v/b.webp", "v/c.gif"] {
        let records = run(&place, name).ended(0).records();
        assert_eq!(times(&records), [0.0, 0.2, 0.4], "{name}");
        let bytes = std::fs::read(place.path(name)).unwrap();
        let cut = name.replace("v/", "cut-");
        place.file(&cut, &bytes[..bytes.len() * 8 / 10]);
        run(&place, &cut).ended(65);
    }
    let ended = run(&place, "v").ended(0);
    assert_eq!(files(&ended.records()), ["v/a.png", "v/b.webp", "v/c.gif"]);
    for name in ["a.png", "b.webp", "c.gif"] {
        let line = format!("of 'v/{name}' the first of 3 frames is read");
        assert!(ended.stderr().contains(&line), "{}", ended.stderr());
    }
    run(&place, "v/a.png -o out.mp4").ended(0);
    assert_eq!(decodable(&place, "out.mp4"), 3);
}

/// Three segments of one film, each whole.
fn segments(place: &Place) -> [Vec<u8>; 3] {
    ffmpeg(
        place,
        "-f lavfi -i testsrc=s=64x48:r=25:d=2.4 -pix_fmt yuv420p -c:v libx264 -g 10 \
         -sc_threshold 0 -f segment -segment_time 0.8 -segment_format mpegts g%d.ts",
    );
    [0, 1, 2].map(|number| std::fs::read(place.path(&format!("g{number}.ts"))).unwrap())
}

#[test]
fn joined_segments_are_whole_and_lost_packets_are_damage() {
    let place = Place::new();
    let parts = segments(&place);
    let whole = parts.concat();
    place.file("joined.ts", &whole);
    assert_eq!(frame_ids(&run(&place, "joined.ts").ended(0).records()).len(), 60);
    let piped = |bytes: &[u8]| {
        place.command("run - --engine fake:boxes=0").write_stdin(bytes).output().map(Run).unwrap()
    };
    assert_eq!(frame_ids(&piped(&whole).ended(0).records()).len(), 60);
    // Packets that were lost in the middle of a segment.
    let middle = parts[1].len() / 188 / 2 * 188;
    let lost = [&parts[0], &parts[1][..middle], &parts[1][middle + 5 * 188..], &parts[2]].concat();
    piped(&lost).ended(65);
    place.file("lost.ts", &lost);
    run(&place, "lost.ts").ended(65);
}

#[test]
fn frames_left_out_of_an_avi_keep_their_times() {
    let place = Place::new();
    for (codec, more) in [("libx264 -bf 2", "-bsf:v h264_mp4toannexb"), ("mpeg4 -bf 2", "")] {
        ffmpeg(
            &place,
            &format!(
                "-f lavfi -i testsrc=s=64x48:r=25:d=0.8 -vf setpts='if(gte(N\\,8)\\,N+5\\,N)/25/TB' \
                 -vsync passthrough -pix_fmt yuv420p -c:v {codec} gap.mkv"
            ),
        );
        ffmpeg(&place, &format!("-i gap.mkv -c copy {more} gap.avi"));
        let wanted: Vec<f64> = ffprobe(&place, "gap.mkv", "frame=pts_time")
            .iter()
            .map(|time| time.parse().unwrap())
            .collect();
        let found = times(&run(&place, "gap.avi").ended(0).records());
        assert_eq!(found.len(), wanted.len(), "{codec}");
        for (found, time) in found.iter().zip(&wanted) {
            let wanted = time - wanted[0];
            assert!((found - wanted).abs() < 1e-3, "{codec}: {found} for {wanted}");
        }
    }
}

#[test]
fn one_of_several_video_streams_is_chosen() {
    let place = Place::new();
    let made = "-f lavfi -i testsrc=s=64x48:r=10:d=1 -f lavfi -i testsrc=s=32x24:r=5:d=2";
    ffmpeg(&place, &format!("{made} -map 0 -map 1 -c:v libx264 two.mkv"));
    let ended = run(&place, "two.mkv").ended(0);
    assert_eq!(frame_ids(&ended.records()).len(), 10);
    let note = "note: 'two.mkv' has 2 video streams, counted from 0: 0 is read";
    assert!(ended.stderr().contains(note), "{}", ended.stderr());
    for (number, width, frames) in [(0, 64, 10), (1, 32, 10)] {
        let ended = run(&place, &format!("two.mkv --video-stream {number}")).ended(0);
        assert_eq!(ended.stderr(), "");
        let records = ended.records();
        assert_eq!(records[0]["input"]["width"], width);
        assert_eq!(frame_ids(&records).len(), frames);
        assert!((times(&records)[1] - if number == 0 { 0.1 } else { 0.2 }).abs() < 1e-3);
        let half = run(&place, &format!("two.mkv --video-stream {number} --segment-of 1/1"));
        assert_eq!(frame_lines(&half.ended(0).stdout()).len(), frames);
    }
    let ended = run(&place, "two.mkv --video-stream 2").ended(2);
    assert!(ended.stderr().contains("'two.mkv' has no video stream 2: it has 2, counted from 0"));
    let plan = place.output("plan two.mkv --video-stream 1").ended(0).records();
    let streams = plan[0]["video_streams"].as_array().unwrap();
    let read: Vec<bool> = streams.iter().map(|one| one["is_read"].as_bool().unwrap()).collect();
    assert_eq!((read, &streams[1]["width"]), (vec![false, true], &32.into()));
    assert_eq!(plan[0]["width"], 32);
    let check = place.output("check two.mkv --engine fake").ended(0).stdout();
    assert!(check.contains("video stream 1: h264, 32x24, 5 frames/s"), "{check}");
}
