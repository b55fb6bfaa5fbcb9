//! What is drawn on pictures and videos, and what must not be seen in any of them.

use image::{Rgb, RgbImage};

use crate::common::Place;

/// Side of the pictures; the scripted detector finds a box of a quarter of it at the top left.
const SIDE: u32 = 400;

/// A picture in which neighbours differ much, `noise.png` in the place.
fn noise(place: &Place) {
    let mut image = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        // Squares of 4 pixels, so that JPEG and chroma keep the contrast.
        let cell = (x / 4 * 7919 + y / 4 * 104_729 + 1).wrapping_mul(2_654_435_761);
        Rgb([if cell >> 31 == 0 { 20 } else { 235 }; 3])
    });
    image.put_pixel(0, 0, Rgb([0; 3]));
    image.save(place.path("noise.png")).unwrap();
}

fn read(place: &Place, file: &str) -> RgbImage {
    image::open(place.path(file)).unwrap().into_rgb8()
}

/// Mean absolute difference of two pictures in a square at `x`, `y`.
fn difference(a: &RgbImage, b: &RgbImage, (x, y): (u32, u32), side: u32) -> f64 {
    let pixels = (y..y + side).flat_map(|y| (x..x + side).map(move |x| (x, y)));
    let apart =
        pixels.map(|(x, y)| f64::from(a.get_pixel(x, y).0[1].abs_diff(b.get_pixel(x, y).0[1])));
    apart.sum::<f64>() / f64::from(side * side)
}

/// How much the pixels of a square differ from their mean.
fn contrast(image: &RgbImage, (x, y): (u32, u32), side: u32) -> f64 {
    let pixels = (y..y + side).flat_map(|y| (x..x + side).map(move |x| (x, y)));
    let values: Vec<f64> = pixels.map(|(x, y)| f64::from(image.get_pixel(x, y).0[1])).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).abs()).sum::<f64>() / values.len() as f64
}

#[test]
fn nothing_drawn_leaves_the_picture_as_it_is() {
    let place = Place::new();
    noise(&place);
    place.output("run noise.png --engine fake:boxes=1 --draw none --save-frames bare").ended(0);
    place.output("run noise.png --engine fake:boxes=1 --save-frames drawn").ended(0);
    let (before, bare) = (read(&place, "noise.png"), read(&place, "bare/000000-noise.jpg"));
    assert!(difference(&before, &bare, (0, 0), SIDE) < 6.0, "only what JPEG does");
    let drawn = read(&place, "drawn/000000-noise.jpg");
    assert!(difference(&before, &drawn, (0, 0), 30) > 40.0, "the label");
    assert!(difference(&before, &drawn, (200, 200), 100) < 6.0);
}

#[test]
fn who_is_blurred_is_recognisable_in_no_output() {
    let place = Place::new();
    noise(&place);
    for mark in ["blur", "pixelate"] {
        let outputs = format!("--save-frames {mark}");
        place.output(&format!("run noise.png --engine fake --draw {mark} {outputs}")).ended(0);
        let (before, after) =
            (read(&place, "noise.png"), read(&place, &format!("{mark}/000000-noise.jpg")));
        assert!(contrast(&before, (0, 0), 100) > 90.0);
        // The box and a tenth more on each side; a cell of the veil holds hundreds of pixels.
        assert!(contrast(&after, (4, 4), 96) < 25.0, "{mark}: {}", contrast(&after, (4, 4), 96));
        assert!(contrast(&after, (101, 50), 8) < 25.0, "the edge of the object");
        assert!(contrast(&after, (200, 200), 100) > 90.0, "only the object");
    }
}

#[test]
fn a_class_to_hide_that_the_model_lacks_is_an_error() {
    let place = Place::new();
    noise(&place);
    let run = "run noise.png --engine fake --save-frames out --draw blur --blur-classes";
    let refused = place.output(&format!("{run} persn")).ended(2);
    assert!(refused.stderr().contains("no class 'persn'"), "{}", refused.stderr());
    assert!(refused.stderr().contains("did you mean 'person'?"), "{}", refused.stderr());
    place.output(&format!("{run} car")).ended(0);
    assert!(contrast(&read(&place, "out/000000-noise.jpg"), (10, 30), 60) > 90.0, "a person stays");
    place.output(&format!("{run} PERSON")).ended(0);
    assert!(contrast(&read(&place, "out/000000-noise.jpg"), (4, 4), 96) < 25.0);
}

#[test]
fn a_letter_that_no_font_has_is_said_once() {
    let place = Place::new();
    noise(&place);
    for name in ["a.png", "b.png"] {
        std::fs::copy(place.path("noise.png"), place.path(name)).unwrap();
    }
    let names: Vec<String> = (0..80).map(|class| format!("\u{10fffd}{class}")).collect();
    place.file("names.txt", names.join("\n"));
    let run = "run *.png --engine fake --labels names.txt --save-frames out";
    let said = place.output(run).ended(0).stderr();
    assert_eq!(said.matches("no font here has").count(), 1, "{said}");
    assert!(said.contains("--font"), "{said}");
}

#[test]
fn words_that_cannot_be_used_are_errors() {
    let place = Place::new();
    noise(&place);
    let cases = [
        ("--draw boxs", "--draw must be one of boxes, labels"),
        ("--color loud", "--color must be class, track, or a colour"),
        ("--line-width 0", "--line-width must be a whole number from 1 to 100"),
        ("--font-scale nan", "--font-scale must be a number from 0.2 to 20"),
        ("--font noise.png", "cannot use the font 'noise.png': it holds no font"),
        ("--font nowhere.ttf", "cannot use the font 'nowhere.ttf': no such file"),
        ("--blur-classes person", "hides nothing without blur or pixelate"),
    ];
    for (arguments, message) in cases {
        let run = format!("run noise.png --engine fake --save-frames out {arguments}");
        let said = place.output(&run).ended(2).stderr();
        assert!(said.contains(message), "{arguments}: {said}");
    }
}

#[test]
fn a_colour_of_ones_own_is_drawn() {
    let place = Place::new();
    noise(&place);
    let run = "run noise.png --engine fake --draw boxes --color #ff0000 --line-width 9";
    place.output(&format!("{run} --save-frames out")).ended(0);
    let Rgb([red, green, blue]) = *read(&place, "out/000000-noise.jpg").get_pixel(50, 100);
    assert!(red > 200 && green < 60 && blue < 60, "{red} {green} {blue}");
}

/// A picture out of a video, as PNG.
#[cfg(feature = "libav")]
fn frame_of(place: &Place, video: &str) -> RgbImage {
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(place.path(video))
        .args(["-frames:v", "1"])
        .arg(place.path("frame.png"))
        .status()
        .unwrap();
    assert!(made.success());
    read(place, "frame.png")
}

#[cfg(feature = "libav")]
#[test]
fn who_is_hidden_is_hidden_in_every_output_at_once() {
    let place = Place::new();
    noise(&place);
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-loop", "1", "-r", "10", "-t", "2", "-i"])
        .arg(place.path("noise.png"))
        .args(["-c:v", "libx264", "-qp", "4", "-pix_fmt", "yuv444p"])
        .arg(place.path("in.mp4"))
        .status()
        .unwrap();
    assert!(made.success());
    let outputs = "-o out.mp4 --side-by-side --save-frames frames --snapshots best --clips clips";
    place.output(&format!("run in.mp4 --engine fake --track {outputs} --draw blur")).ended(0);
    assert!(contrast(&frame_of(&place, "in.mp4"), (4, 4), 96) > 90.0);
    let wide = frame_of(&place, "out.mp4");
    assert_eq!(wide.dimensions(), (2 * SIDE, SIDE));
    for at in [(4, 4), (SIDE + 4, 4)] {
        assert!(contrast(&wide, at, 96) < 25.0, "{at:?}: {}", contrast(&wide, at, 96));
    }
    assert!(contrast(&wide, (200, 200), 100) > 80.0, "only the object");
    let one = |folder: &str| {
        let entry = std::fs::read_dir(place.path(folder)).unwrap().next().unwrap().unwrap();
        format!("{folder}/{}", entry.file_name().to_string_lossy())
    };
    assert!(contrast(&read(&place, &one("frames")), (4, 4), 96) < 25.0);
    assert!(contrast(&read(&place, &one("best")), (4, 4), 96) < 25.0);
    assert!(contrast(&frame_of(&place, &one("clips")), (4, 4), 96) < 25.0);
}

#[cfg(feature = "libav")]
#[test]
fn the_picture_as_it_was_stands_to_the_left() {
    let place = Place::new();
    let run = "--engine fake --max-frames 3 --side-by-side --color red -o out.mp4";
    place.output(&format!("run {} {run}", crate::common::sample().display())).ended(0);
    let wide = frame_of(&place, "out.mp4");
    assert_eq!(wide.dimensions(), (2 * 768, 576));
    let red = |from: u32| {
        let pixels = (0..576).flat_map(|y| (from..from + 768).map(move |x| (x, y)));
        let is_red = |Rgb([r, g, b]): &Rgb<u8>| *r > 180 && *g < 80 && *b < 80;
        pixels.filter(|&(x, y)| is_red(wide.get_pixel(x, y))).count()
    };
    assert!(red(768) > red(0) + 500, "{} and {}", red(0), red(768));
}
