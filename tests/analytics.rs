//! Zones, lines and events from a configuration file, through the program and a scripted detector
//! whose box stands where a white pixel at the top left puts it.

use serde_json::{Value, json};

use crate::common::{Place, of_type};

/// Frames of 160x96 at 10 a second. The box, 24 pixels wide, starts at 0 and jumps to the middle
/// where the pixel at the top left turns white: by half of the picture's width for full white.
fn make(place: &Place, frames: u32, white: impl Fn(u32) -> u8) {
    std::fs::create_dir(place.path("in")).unwrap();
    for frame in 0..frames {
        let mut picture = image::GrayImage::new(160, 96);
        for (_, _, pixel) in picture.enumerate_pixels_mut().filter(|(x, y, _)| *x < 8 && *y < 8) {
            pixel.0 = [white(frame)];
        }
        picture.save(place.path(&format!("in/{frame:03}.png"))).unwrap();
    }
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-r", "10", "-i"])
        .arg(place.path("in/%03d.png"))
        .args(["-c:v", "libx264rgb", "-qp", "0"])
        .arg(place.path("in.mkv"))
        .status()
        .unwrap();
    assert!(made.success());
}

/// A box that walks from the left to the middle and back within four seconds.
fn walk(frame: u32) -> u8 {
    let way = if frame < 20 { frame } else { 39 - frame };
    (way * 12) as u8
}

fn events<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    of_type(records, "event").into_iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn a_zone_and_a_line_tell_what_happens_at_them() {
    let place = Place::new();
    make(&place, 40, walk);
    // The foot of the box is 24 pixels down and goes from 12 to 83 pixels across and back.
    place.file(
        "watch.toml",
        "track = true\n\
         [[zone]]\nname = 'middle'\npolygon = [[50, 10], [150, 10], [150, 40], [50, 40]]\n\
         min-stay = '1s'\nmax-count = 0\n\
         [[line]]\nname = 'gate'\nfrom = [0.25, 0.0]\nto = [0.25, 1.0]\n\
         [[zone]]\nname = 'cars'\npolygon = [[50, 10], [150, 10], [150, 40]]\nclasses = 'car'\n",
    );
    let run = "run in.mkv --engine fake -c watch.toml --ndjson -";
    let records = place.output(run).ended(0).records();
    let [entered, left] = ["zone_entered", "zone_left"].map(|kind| events(&records, kind));
    assert_eq!((entered.len(), left.len()), (1, 1), "nobody is a car");
    // Where the middle of the box is at 50: 38 pixels, of 3.76 a frame (12 of 255 of half of 160).
    assert_eq!(entered[0]["frame_id"], json!(11));
    assert_eq!((&entered[0]["name"], &entered[0]["class"]), (&json!("middle"), &json!("person")));
    let stay = left[0]["seconds"].as_f64().unwrap();
    assert!((1.6..=1.8).contains(&stay), "frames 11 to 28: {stay}");
    let loitering = events(&records, "loitering");
    assert_eq!(loitering.len(), 1);
    assert_eq!(loitering[0]["frame_id"], json!(21));
    assert_eq!(events(&records, "crowded")[0]["count"], json!(1));
    let crossed: Vec<_> =
        events(&records, "line_crossed").into_iter().map(|e| e["direction"].clone()).collect();
    // From top to bottom the left hand is to the right of the picture.
    assert_eq!(crossed, [json!("in"), json!("out")]);
    let frames = of_type(&records, "frame");
    let zones = |frame: usize| frames[frame]["zones"].clone();
    assert_eq!(zones(5)[0], json!({"name": "middle", "count": 0}));
    assert_eq!(zones(15)[0]["count"], json!(1));
    assert_eq!(zones(15)[0]["classes"][0]["class"], json!("person"));
    assert_eq!(frames[39]["lines"][0]["in"], json!(1));
    assert_eq!(frames[39]["lines"][0]["out"], json!(1));
}

#[test]
fn clips_of_happenings_are_named_by_their_place() {
    let place = Place::new();
    make(&place, 40, walk);
    let zone = "{name='my_zone',polygon=[[50,10],[150,10],[150,40],[50,40]]}";
    let run =
        "run in.mkv --engine fake --track --clips out --clip-on zone_entered --ndjson - --zone";
    let records = place.output(&format!("{run} {zone}")).ended(0).records();
    let files: Vec<_> = events(&records, "clip").into_iter().map(|e| e["file"].clone()).collect();
    assert_eq!(files, [json!("out/in-00h00m01.100s-zone_entered-my_zone-1.mp4")]);
    assert!(place.path("out/in-00h00m01.100s-zone_entered-my_zone-1.mp4").exists());
}

#[test]
fn speed_needs_a_calibrated_ground() {
    let place = Place::new();
    make(&place, 40, walk);
    // A hundred pixels are ten metres: 3.76 pixels a frame are 3.76 m/s, to the right and back.
    let ground = "{picture=[[0,0],[100,0],[100,90],[0,90]],metres=[[0,0],[10,0],[10,9],[0,9]]}";
    let run = format!("run in.mkv --engine fake --track --ndjson - --ground {ground}");
    let records = place.output(&run).ended(0).records();
    let frames = of_type(&records, "frame");
    let speed = |frame: usize| frames[frame]["predictions"][0]["speed_m_s"].as_f64().unwrap();
    let heading = |frame: usize| frames[frame]["predictions"][0]["heading_deg"].as_f64().unwrap();
    assert!((speed(15) - 3.76).abs() < 0.1, "{}", speed(15));
    assert!((heading(15) - 90.0).abs() < 2.0, "{}", heading(15));
    assert!((heading(35) - 270.0).abs() < 2.0, "{}", heading(35));
}

#[test]
fn the_mot_file_has_a_line_for_each_box_of_a_track() {
    let place = Place::new();
    make(&place, 10, walk);
    place.output("run in.mkv --engine fake --track --mot out.txt").ended(0);
    let text = std::fs::read_to_string(place.path("out.txt")).unwrap();
    assert_eq!(text.lines().count(), 10);
    assert_eq!(text.lines().next(), Some("1,1,0.00,0.00,24.00,24.00,0.9000,-1,-1,-1"));
}

#[test]
fn what_cannot_be_watched_is_said() {
    let place = Place::new();
    make(&place, 2, walk);
    let cases = [
        ("--zone {name='a',polygon=[[0,0],[9,9]]}", "zone 'a'"),
        ("--zone {name='a',polygon=[[0,0],[900,0],[9,9]]}", "is outside the picture of 160x96"),
        ("--zone {nam='a'}", "unknown field `nam`"),
        ("--zone {name='a',polygon=[[0,0],[9,0],[9,9]],classes='persn'}", "no class 'persn'"),
        ("--line {name='a',from=[0,0],to=[0,0]}", "give two different points"),
        ("--ground {picture=[[0,0],[1,0],[1,0],[0,0]],metres=[[0,0],[1,0],[1,1],[0,1]]}", "ground"),
    ];
    for (arguments, message) in cases {
        let run = format!("run in.mkv --engine fake --track {arguments}");
        let said = place.output(&run).ended(2).stderr();
        assert!(said.contains(message), "{arguments}: {said}");
    }
    for (arguments, message) in [
        ("--zone {name='a',polygon=[[0,0],[900,0],[9,9]]}", "is outside the picture"),
        ("--draw blur --blur-classes persn", "no class 'persn'"),
    ] {
        let check = format!("check in.mkv --engine fake --track {arguments}");
        let said = place.output(&check).ended(2).stderr();
        assert!(said.contains(message), "{arguments}: {said}");
    }
    let said = place.output("run in.mkv --zone {name='a',polygon=[[0,0],[9,0],[9,9]]}").ended(2);
    assert!(said.stderr().contains("--zone needs a tracker"), "{}", said.stderr());
}
