//! Many inputs: found in folders, by patterns and in lists, and gone through under cron.

use serde_json::Value;

use crate::common::{Place, of_type};

/// Names of the sources that began, in their order.
fn sources(records: &[Value]) -> Vec<&str> {
    of_type(records, "run").iter().map(|run| run["source"].as_str().unwrap()).collect()
}

/// Puts a link to the committed clip at each of these names.
#[cfg(feature = "libav")]
fn clips(place: &Place, names: &[&str]) {
    for name in names {
        let path = place.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(crate::common::sample(), path).unwrap();
    }
}

fn folder(place: &Place, name: &str) {
    std::fs::create_dir_all(place.path(name)).unwrap();
}

#[test]
#[cfg(feature = "libav")]
fn a_folder_of_videos_is_all_of_them() {
    let place = Place::new();
    clips(&place, &["v/b.mp4", "v/a.MKV", "v/.c.mp4", "v/d.part.mp4", "v/below/e.mp4"]);
    place.file("v/notes.txt", "no video");
    let run = place.output("run v --engine fake --max-frames 2").ended(0);
    assert_eq!(sources(&run.records()), ["a.MKV", "b.mp4"]);
    let run = place.output("run --recursive v --engine fake --max-frames 2").ended(0);
    assert_eq!(sources(&run.records()), ["a.MKV", "b.mp4", "e.mp4"]);
    let run = place.output("run v/[b-z]*.mp4 --engine fake --max-frames 2").ended(0);
    assert_eq!(sources(&run.records()), ["b.mp4"]);
}

#[test]
#[cfg(feature = "libav")]
fn pictures_beside_videos_are_left_and_that_is_said() {
    let place = Place::new();
    clips(&place, &["v/a.mp4"]);
    place.file("v/poster.jpg", "not looked at");
    let run = place.output("run v --engine fake --max-frames 2").ended(0);
    assert_eq!(sources(&run.records()), ["a.mp4"]);
    assert!(run.stderr().contains("note: of 'v' the videos are read, not the pictures"));
    let run = place.output("run v -q --engine fake --max-frames 2").ended(0);
    assert_eq!(run.stderr(), "");
}

#[test]
fn a_folder_of_pictures_is_one_input() {
    let place = Place::new();
    folder(&place, "p");
    for name in ["p/1.png", "p/2.png"] {
        image::RgbImage::new(8, 8).save(place.path(name)).unwrap();
    }
    let run = place.output("run p --engine fake").ended(0);
    assert_eq!(sources(&run.records()), ["p"]);
    assert_eq!(of_type(&run.records(), "frame").len(), 2);
}

#[test]
fn what_is_empty_or_missing_fails_by_itself() {
    let place = Place::new();
    folder(&place, "empty");
    let film = "synthetic:8x8@10x5";
    let run = place.output(&format!("run empty {film} no.mp4 --engine fake")).ended(3);
    assert!(run.stderr().contains("'empty': the directory holds no videos"), "{}", run.stderr());
    let records = run.records();
    let total = records.last().unwrap();
    let failed: Vec<_> = total["failed"].as_array().unwrap().iter().collect();
    let told: Vec<_> = failed
        .iter()
        .map(|failed| (failed["source"].clone(), failed["exit_code"].clone()))
        .collect();
    assert_eq!(told, [("empty".into(), 66.into()), ("no.mp4".into(), 66.into())]);
    assert_eq!(total["done"], 1);
}

#[test]
fn a_list_of_inputs_from_a_file_or_standard_input() {
    let place = Place::new();
    let (a, b) = ("synthetic:8x8@10x3", "synthetic:8x8@10x4");
    place.file("list", format!("# made up\n{a}\r\n\n{b}\n"));
    let run = place.output("run --inputs-from list --engine fake").ended(0);
    assert_eq!(sources(&run.records()), [a, b]);
    let mut command = place.command(&format!("run {b} --inputs-from - -0 --engine fake"));
    let run = command.write_stdin(format!("{a}\0")).assert().code(0);
    let stdout = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    assert_eq!(sources(&crate::common::records(&stdout)), [b, a]);
}

#[test]
fn a_list_that_names_nothing_or_is_not_there() {
    let place = Place::new();
    place.file("list", "\n#none\n");
    let run = place.output("run --inputs-from list --engine fake").ended(66);
    assert!(run.stderr().contains("cannot open 'list': the list names no input"));
    let run = place.output("run --inputs-from no.txt --engine fake").ended(66);
    assert!(run.stderr().contains("cannot open 'no.txt': no such file"));
    let run = place.output("run - --inputs-from - --engine fake").ended(2);
    assert!(run.stderr().contains("cannot be both"));
}
