//! `convert`: other people's programs read what is written, and what comes back is the same.

use std::process::Command;

use crate::common::{Place, records, sample};

/// A run with tracks, as its NDJSON.
fn recorded(place: &Place) {
    let run = format!(
        "run {} --engine tract --track --ndjson run.ndjson --csv run.csv",
        sample().display()
    );
    place.output(&run).ended(0);
}

fn text(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path(name)).unwrap()
}

/// A frame's number, and of each box its class, centre and width in hundredths of a pixel.
type Boxes = (u64, Vec<(String, i64, i64)>);

/// The predictions of all frames without what a format cannot hold.
fn boxes(ndjson: &str) -> Vec<Boxes> {
    let frame = |record: serde_json::Value| {
        if record["type"] != "frame" {
            return None;
        }
        let found = record["predictions"].as_array().unwrap().iter();
        let found = found.map(|found| {
            let cents = |key: &str| (found[key].as_f64().unwrap() * 100.0).round() as i64;
            (found["class"].as_str().unwrap().to_owned(), cents("x"), cents("width"))
        });
        Some((record["frame_id"].as_u64().unwrap(), found.collect::<Vec<_>>()))
    };
    records(ndjson).into_iter().filter_map(frame).collect()
}

#[test]
fn records_come_back_from_every_format_that_holds_them() {
    let place = Place::new();
    recorded(&place);
    let whole = boxes(&text(&place, "run.ndjson"));
    let found: Vec<_> = whole.iter().filter(|(_, found)| !found.is_empty()).cloned().collect();
    assert!(!found.is_empty());
    for (file, keeps_empty) in [
        ("a.csv", false),
        ("a.supervision.csv", false),
        ("a.roboflow.json", true),
        ("a.dlstreamer.json", true),
        ("a.parquet", false),
    ] {
        let said = place.output(&format!("convert run.ndjson -o {file}")).ended(0).stderr();
        assert!(said.lines().all(|line| line.contains("warning")), "{said}");
        place.output(&format!("convert {file} -o back.ndjson --size 768x576")).ended(0);
        let back = boxes(&text(&place, "back.ndjson"));
        assert_eq!(back, if keeps_empty { whole.clone() } else { found.clone() }, "{file}");
    }
}

#[test]
fn a_table_is_that_of_a_run() {
    let place = Place::new();
    recorded(&place);
    place.output("convert run.ndjson -o a.csv").ended(0);
    assert!(text(&place, "a.csv") == text(&place, "run.csv"));
}

#[test]
fn our_own_records_lose_nothing() {
    let place = Place::new();
    let zone = "--zone {name='a',polygon=[[0.1,0.1],[0.9,0.1],[0.9,0.9]]}";
    let run = format!("run {} --engine tract --max-frames 20 --track", sample().display());
    place.output(&format!("{run} --detect-every 3 {zone} --ndjson run.ndjson")).ended(0);
    place.output("convert run.ndjson -o again.ndjson").ended(0);
    let values = |name: &str| records(&text(&place, name));
    assert!(values("run.ndjson") == values("again.ndjson"));
}

#[test]
fn folders_of_labels_are_made_and_read() {
    let place = Place::new();
    recorded(&place);
    place.output("convert run.ndjson -o labels --to yolo").ended(0);
    let files = std::fs::read_dir(place.path("labels")).unwrap().count();
    assert!(files > 0);
    place.output("convert labels -o back.ndjson --size 768x576").ended(0);
    let count = |name: &str| boxes(&text(&place, name)).iter().map(|(_, f)| f.len()).sum::<usize>();
    assert_eq!(count("back.ndjson"), count("run.ndjson"));
    let again = place.output("convert run.ndjson -o labels").ended(2);
    assert!(again.stderr().contains("has label files already"), "{}", again.stderr());
}

#[test]
fn streams_go_through_pipes() {
    let place = Place::new();
    recorded(&place);
    let program = assert_cmd::cargo::cargo_bin!("vision-pipe");
    let line = format!(
        "cat run.ndjson | '{0}' convert - --from ndjson -o - --to roboflow | '{0}' convert - \
         --from roboflow -o - --to csv 2>/dev/null | head -1",
        program.display()
    );
    let shell =
        Command::new("sh").args(["-c", &line]).current_dir(place.path("")).output().unwrap();
    assert!(String::from_utf8_lossy(&shell.stdout).starts_with("source,frame_id"), "{shell:?}");
}

#[test]
fn what_cannot_be_converted_says_so_and_leaves_nothing() {
    let place = Place::new();
    std::fs::write(place.path("bad.ndjson"), "{\"type\":\"frame\"\n").unwrap();
    std::fs::write(place.path("old.csv"), "old").unwrap();
    for (line, code, words) in [
        ("convert bad.ndjson -o old.csv", 65, "'bad.ndjson', line 1"),
        ("convert nope.ndjson -o new.csv", 66, "cannot read 'nope.ndjson'"),
        ("convert bad.ndjson -o bad.ndjson", 2, "is the input"),
        ("convert bad.ndjson -o out.xyz", 2, "does not tell its format"),
        ("convert bad.ndjson -o out.csv --size big", 2, "--size must be a size"),
        ("convert bad.ndjson -o old.csv -n", 2, "is there already"),
    ] {
        let said = place.output(line).ended(code).stderr();
        assert!(said.contains(words), "{line}: {said}");
    }
    assert_eq!(text(&place, "old.csv"), "old");
    let mut left: Vec<_> = std::fs::read_dir(place.path("")).unwrap().collect();
    left.retain(|entry| {
        !["bad.ndjson", "old.csv"].contains(&entry.as_ref().unwrap().file_name().to_str().unwrap())
    });
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_has_several_meanings_is_refused_with_the_option_that_settles_it() {
    let place = Place::new();
    let write = |name: &str, text: &str| std::fs::write(place.path(name), text).unwrap();
    let entry = |class: u32| {
        format!(r#"{{"image_id":1,"category_id":{class},"bbox":[1,1,9,9],"score":0.9}}"#)
    };
    write("zero.coco.json", &format!("[{},{},{}]", entry(0), entry(1), entry(2)));
    write("one.coco.json", &format!("[{},{}]", entry(1), entry(2)));
    write("flags.mot.txt", "1,1,1,1,9,9,1,-1,-1,-1\n1,2,1,1,9,9,0,-1,-1,-1\n");
    std::fs::create_dir(place.path("labels")).unwrap();
    write("labels/v_1.txt", "0 0.5 0.5 0.2 0.2 1\n");
    write("instances.json", r#"{"images":[],"annotations":[],"categories":[]}"#);
    let classes = |name: &str| {
        let rows = text(&place, name);
        rows.lines()
            .skip(1)
            .map(|row| row.split(',').nth(4).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    place.output("convert zero.coco.json -o zero.csv").ended(0);
    assert_eq!(classes("zero.csv"), ["0", "1", "2"]);
    for (line, option) in [
        ("convert one.coco.json -o a.csv", "--classes-from 1"),
        ("convert flags.mot.txt -o a.csv", "--mot truth"),
        ("convert labels -o a.csv --size 100x100", "--yolo track"),
    ] {
        let said = place.output(line).ended(2).stderr();
        let flag = option.split(' ').next().unwrap();
        assert!(said.contains("hint:") && said.contains(flag), "{line}: {said}");
        place.output(&format!("{line} {option}")).ended(0);
    }
    let said = place.output("convert instances.json -o truth.csv").ended(0).stderr();
    assert!(said.contains("--truth"), "{said}");
    place.output("convert labels -o b.csv --size 100x100 --yolo boxes").ended(2);
}

#[test]
fn two_pictures_of_one_name_keep_their_ids() {
    let place = Place::new();
    let line = |at: u32, file: &str| {
        format!(
            r#"{{"type":"frame","source":"cams","frame_id":{at},"file":"{file}","image":{{"width":9,"height":9}},"predictions":[{{"bbox":{{"x1":1,"y1":1,"x2":3,"y2":3}},"confidence":0.5,"class":"red","class_id":0}}]}}"#
        )
    };
    let lines = format!("{}\n{}\n", line(0, "cam1/0001.png"), line(1, "cam2/0001.png"));
    std::fs::write(place.path("cams.ndjson"), lines).unwrap();
    let truth = r#"{"images":[{"id":4,"file_name":"cam1/0001.png"},{"id":9,"file_name":"cam2/0001.png"}],
        "categories":[{"id":1,"name":"red"}]}"#;
    std::fs::write(place.path("truth.json"), truth).unwrap();
    place.output("convert cams.ndjson -o out.coco.json --truth truth.json").ended(0);
    let results: serde_json::Value = serde_json::from_str(&text(&place, "out.coco.json")).unwrap();
    assert_eq!((&results[0]["image_id"], &results[1]["image_id"]), (&4.into(), &9.into()));
    let said = place.output("convert cams.ndjson -o none.coco.json").ended(2).stderr();
    assert!(said.contains("cam1/0001.png") && said.contains("--truth"), "{said}");
}
