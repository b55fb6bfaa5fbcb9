//! What videos are written as: transport streams, GIF, other encoders, and their colours.

use std::process::Command;

use crate::common::{Place, sample};
use crate::media::{IRREGULAR, corner, decodable, ffmpeg, ffprobe, times_agree};
use crate::sound::{BEEP, flash, packets_of, sound_codec};

#[test]
fn transport_streams_are_written_to_files_and_pipes() {
    let place = Place::new();
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -c:a aac in.mp4"));
    place.output("run in.mp4 --engine fake:boxes=0 -o out.ts").ended(0);
    let run = "run in.mp4 --engine fake:boxes=0 -o - --output-format mpegts";
    let piped = place.command(run).output().unwrap();
    place.file("piped.ts", &piped.stdout);
    // What a program that was killed has written to the pipe.
    place.file("cut.ts", &piped.stdout[..piped.stdout.len() / 2 / 188 * 188]);
    for file in ["out.ts", "piped.ts"] {
        assert_eq!(ffprobe(&place, file, "format=format_name"), ["mpegts"]);
        assert_eq!(ffprobe(&place, file, "stream=codec_name")[0], "h264");
        assert_eq!(sound_codec(&place, file), "aac");
        assert_eq!(decodable(&place, file), 125);
        times_agree(&place, file);
        let all = ffprobe(&place, file, "frame=pts_time");
        let time = |text: &String| text.parse::<f64>().unwrap();
        assert!((time(&all[124]) - time(&all[0]) - 4.96).abs() < 0.002);
        let (start, flash) = (time(&all[0]), flash(&place, file));
        assert!((flash - start - 2.0).abs() < 0.002);
        let sound = packets_of(&place, file, "a:0").unwrap();
        assert!((sound.0 - start).abs() < 0.05 && (sound.1 - start - 5.0).abs() < 0.05);
    }
    assert!(decodable(&place, "cut.ts") > 30);
    let run = "run in.mp4 --engine fake -o out.mkv --output-format mpegts";
    assert!(place.output(run).ended(2).stderr().contains("hint: the ending of a file says"));
}

#[test]
fn gifs_keep_number_and_length() {
    let place = Place::new();
    ffmpeg(&place, &format!("{BEEP} -c:v libx264 -c:a aac in.mp4"));
    ffmpeg(&place, &format!("{IRREGULAR} -t 4 -vf scale=192:-2 -an vfr.mkv"));
    for (input, output, more) in
        [("in.mp4", "a.gif", ""), ("vfr.mkv", "b.gif", "--output-size 160:-2")]
    {
        let said =
            place.output(&format!("run {input} --engine fake:boxes=0 -o {output} {more}")).ended(0);
        assert!(!said.stderr().contains("sound"), "{}", said.stderr());
        let (read, written) = (decodable(&place, input), decodable(&place, output));
        assert!(read.abs_diff(written) <= 1, "{output}: {read} and {written}");
        let times = |file: &str| -> Vec<f64> {
            ffprobe(&place, file, "frame=pts_time").iter().map(|t| t.parse().unwrap()).collect()
        };
        let (read, written) = (times(input), times(output));
        let pairs = read.iter().zip(&written);
        assert!(pairs.clone().all(|(a, b)| (a - read[0] - b).abs() <= 0.011), "{output}");
        let bytes = std::fs::read(place.path(output)).unwrap();
        let loops = bytes.windows(11).any(|part| part == b"NETSCAPE2.0");
        assert!(loops, "{output} loops");
    }
    assert_eq!(flash(&place, "a.gif"), 2.0);
}

/// The colour in the middle of the first picture, by ffmpeg, told how it is coded.
fn middle(place: &Place, file: &str, matrix: &str, range: &str) -> [u8; 3] {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(place.path(file))
        .args([
            "-vf",
            &format!("scale=in_color_matrix={matrix}:in_range={range}:flags=accurate_rnd"),
        ])
        .args(["-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    let at = output.stdout.len() / 6 * 3;
    let row = at - at % 3 + 300;
    output.stdout[row..row + 3].try_into().unwrap()
}

#[track_caller]
fn same_colour(ours: [u8; 3], wanted: [u8; 3], what: &str) {
    let close = ours.iter().zip(wanted).all(|(ours, wanted)| ours.abs_diff(wanted) <= 3);
    assert!(close, "{what}: {ours:?} and not {wanted:?}");
}

#[test]
fn colours_stay_what_they_are() {
    let place = Place::new();
    let red = [200, 30, 60];
    for (name, size, tag, written, range) in [
        ("hd", "1280x720", "bt709", "bt709", "tv"),
        ("pal", "1280x720", "bt470bg", "bt601", "tv"),
        ("ntsc", "1280x720", "smpte170m", "bt601", "tv"),
        ("small", "320x240", "bt709", "bt709", "tv"),
        ("wide", "1280x720", "bt2020nc", "bt2020", "tv"),
        ("full", "1280x720", "bt709", "bt709", "pc"),
        ("unsaid", "1280x720", "unknown", "bt709", "tv"),
        ("unsaid-small", "320x240", "unknown", "bt601", "tv"),
    ] {
        let scale =
            format!("scale=out_color_matrix={written}:out_range={range}:flags=accurate_rnd");
        ffmpeg(
            &place,
            &format!(
                "-f lavfi -i color=0xC81E3C:s={size}:r=25:d=0.2 -vf {scale},format=yuv420p \
                 -color_range {range} -colorspace {tag} -c:v libx264 -qp 1 {name}.mp4"
            ),
        );
        // Eight bits of brightness and colour do not hold every red, green and blue.
        let read = middle(&place, &format!("{name}.mp4"), written, range);
        assert!(read.iter().zip(red).all(|(read, red)| read.abs_diff(red) <= 4), "{read:?}");
        let out = format!("{name}-out.mp4");
        let run =
            format!("run {name}.mp4 --engine fake:boxes=0 -o {out} --crf 1 --save-frames {name}");
        place.output(&run).ended(0);
        let decoded = corner(&place.path(&format!("{name}/000000.jpg")), 100, 100);
        same_colour(decoded, read, &format!("{name} decoded"));
        same_colour(middle(&place, &out, written, "tv"), read, &format!("{name} written"));
        let said = ffprobe(&place, &out, "stream=color_range,color_space");
        let expected = match tag {
            "unknown" if written == "bt601" => "smpte170m",
            "unknown" => "bt709",
            said => said,
        };
        assert_eq!(said, [format!("tv,{expected}")], "{name}");
    }
    let run = "run hd.mp4 --engine fake:boxes=0 -o full.mov --encoder mjpeg";
    place.output(run).ended(0);
    let read = middle(&place, "hd.mp4", "bt709", "tv");
    same_colour(middle(&place, "full.mov", "bt709", "pc"), read, "mjpeg");
}

#[test]
fn encoders_get_pictures_in_a_form_they_take() {
    let place = Place::new();
    let run = |more: &str| {
        let clip = sample().display().to_string();
        place
            .output(&format!("run {clip} --max-frames 6 --engine fake --output-size 320:-2 {more}"))
    };
    for (file, encoder, about) in [
        ("a.mp4", "libx265", "hevc,hvc1,yuv420p"),
        ("b.mov", "prores_ks", "prores,apch,yuv422p10le"),
        ("c.mkv", "ffv1", "ffv1,FFV1,yuv420p"),
        ("d.mov", "mjpeg", "mjpeg,jpeg,yuvj420p"),
    ] {
        let said = run(&format!("-o {file} --encoder {encoder}")).ended(0).stderr();
        assert!(said.lines().all(|line| line.starts_with("vision-pipe: ")), "{encoder}: {said}");
        let shown = ffprobe(&place, file, "stream=codec_name,codec_tag_string,pix_fmt");
        assert_eq!(shown, [about], "{file}");
        assert_eq!(decodable(&place, file), 6, "{file}");
    }
    for (file, encoder, words) in [
        ("f.mp4", "ffv1", "cannot hold what ffv1 makes"),
        ("g.mp4", "h264_vaapi", "takes pictures from a graphics card only"),
        ("h.mp4", "h264_nvenc", "the encoder refuses these settings"),
    ] {
        let run = run(&format!("-o {file} --encoder {encoder}"));
        let said = run.stderr();
        if said.contains("FFmpeg here has no encoder") {
            continue;
        }
        assert!(said.contains(words), "{encoder}: {said}");
        assert_eq!(run.code(), 2, "{encoder}: {said}");
        assert!(!place.path(file).exists() && said.contains("hint: "), "{encoder}: {said}");
    }
}

#[test]
fn what_a_killed_run_left_is_no_output_of_the_next() {
    let place = Place::new();
    std::fs::copy(sample(), place.path("out.part.mp4")).unwrap();
    std::fs::copy(sample(), place.path("new.part-copy.mp4")).unwrap();
    let before = std::fs::metadata(place.path("out.part.mp4")).unwrap().len();
    for (input, output) in [("out.part.mp4", "out.mp4"), ("new.part-copy.mp4", "new.mp4")] {
        let said =
            place.output(&format!("run {input} --engine fake -o {output}")).ended(2).stderr();
        assert!(said.contains("on its way"), "{said}");
    }
    let said = place.output("run out.part.mp4 --engine fake -o a.mp4 --csv a.part-copy.mp4");
    assert!(said.ended(2).stderr().contains("on its way"));
    let kept = format!("run {} --engine fake -n -o out.mp4", sample().display());
    assert!(place.output(&kept).ended(2).stderr().contains("'out.part.mp4' is there already"));
    assert_eq!(std::fs::metadata(place.path("out.part.mp4")).unwrap().len(), before);
    place.output("repair nowhere.part.mp4").ended(66);
    place.file("junk.part.mp4", "no video at all");
    place.output("repair junk.part.mp4").ended(65);
}

#[test]
fn devices_are_written_in_place_and_sizes_have_their_limit() {
    let place = Place::new();
    let run = format!("run {} --engine fake --max-frames 5", sample().display());
    place.output(&format!("{run} -o /dev/null")).ended(0);
    let said = place.output(&format!("{run} -o a.mp4 --output-size -2:16000")).ended(2).stderr();
    assert!(said.contains("which is too large"), "{said}");
}
