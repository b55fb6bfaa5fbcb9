//! Inputs with several meanings: read as the one that the others are excluded from, or refused with
//! the option that settles it. What comes out is never two classes or pictures in one.

use super::*;

/// Class ids of all detections, in order.
fn classes(ndjson: &str) -> Vec<u32> {
    frames(ndjson).iter().flat_map(|frame| &frame.boxes).map(|found| found.class_id).collect()
}

fn bare() -> Options {
    Options { classes_from: None, ..sized() }
}

/// The hint of a refusal for want of an option.
fn hint(turned: Result<(String, Counts), ConvertError>) -> String {
    let error = turned.map(drop).unwrap_err();
    assert_eq!(error.code(), 2, "{error}");
    error.hint().unwrap_or_default().to_owned()
}

/// COCO results of one picture with these classes.
fn results(categories: &[u64]) -> String {
    let entry = |category: &u64| {
        format!(r#"{{"image_id":1,"category_id":{category},"bbox":[1,1,9,9],"score":0.5}}"#)
    };
    format!("[{}]", categories.iter().map(entry).collect::<Vec<_>>().join(","))
}

fn three() -> Vec<String> {
    ["red", "green", "blue"].map(Into::into).into()
}

#[test]
fn coco_classes_count_from_where_the_file_tells() {
    let read = |ids: &[u64], options: &Options| {
        text((Format::Coco, Format::Ndjson), &results(ids), options)
    };
    assert_eq!(classes(&read(&[0, 1, 2], &bare()).unwrap().0), [0, 1, 2]);
    let named = Options { names: three(), ..bare() };
    assert_eq!(classes(&read(&[3, 1], &named).unwrap().0), [2, 0], "the third of three names");
    for ids in [&[1, 2][..], &[7]] {
        assert!(hint(read(ids, &bare())).contains("--classes-from"));
        assert!(hint(read(ids, &bare())).contains("--truth"));
    }
    assert!(hint(read(&[1, 2], &named)).contains("--classes-from"), "either two of three");
    assert!(hint(read(&[0, 3], &named)).contains("--truth"), "ids with gaps");
    let from = |first| Options { classes_from: Some(first), ..bare() };
    assert_eq!(classes(&read(&[1, 2], &from(0)).unwrap().0), [1, 2]);
    assert_eq!(classes(&read(&[1, 2], &from(1)).unwrap().0), [0, 1]);
    assert!(hint(read(&[0, 1], &from(1))).contains("--classes-from"));
}

#[test]
fn coco_results_keep_their_ids_when_they_are_written_again() {
    let both = (Format::Coco, Format::Coco);
    let (again, _) = text(both, &results(&[0, 5]), &bare()).unwrap();
    assert!(
        again.contains(r#""category_id":0"#) && again.contains(r#""category_id":5"#),
        "{again}"
    );
    let (again, _) = text(both, &results(&[1, 5]), &sized()).unwrap();
    assert!(
        again.contains(r#""category_id":1"#) && again.contains(r#""category_id":5"#),
        "{again}"
    );
    let truth = r#"{"images":[{"id":7,"file_name":"a.jpg"},{"id":9}],"categories":[{"id":4,"name":"cat"},
        {"id":9,"name":"dog"}],"annotations":[{"image_id":7,"category_id":9,"bbox":[1,2,3,4]},
        {"image_id":9,"category_id":4,"bbox":[1,2,3,4]}]}"#;
    let (again, _) = text(both, truth, &bare()).unwrap();
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    let ids = |at: usize| (again[at]["image_id"].clone(), again[at]["category_id"].clone());
    assert_eq!((ids(0), ids(1)), ((7.into(), 9.into()), (9.into(), 4.into())));
}

#[test]
fn a_ground_truth_with_two_meanings_is_refused() {
    for (truth, reason) in [
        (r#"{"images":[{"id":1},{"id":1}],"categories":[]}"#, "two pictures have the id 1"),
        (
            r#"{"images":[],"categories":[{"id":1,"name":"a"},{"id":1,"name":"b"}]}"#,
            "two categories have the id 1",
        ),
        (
            r#"{"images":[],"categories":[{"id":1,"name":"a"},{"id":2,"name":"a"}]}"#,
            "two categories are called 'a'",
        ),
    ] {
        let said = text((Format::Coco, Format::Csv), truth, &bare()).unwrap_err().to_string();
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn mot_classes_count_from_1_and_uncounted_boxes_are_left_out() {
    let read = |lines: &str, options: &Options| text((Format::Mot, Format::Ndjson), lines, options);
    let named = Options { names: three(), ..bare() };
    let (lines, counts) =
        read("1,1,10,10,20,20,1,1,1\n1,2,10,10,20,20,0,1,1\n1,3,10,10,20,20,1,-1,1\n", &named)
            .unwrap();
    let boxes = &frames(&lines)[0].boxes;
    assert_eq!(boxes.len(), 1);
    assert_eq!((boxes[0].class.as_deref(), boxes[0].tracker_id), (Some("red"), Some(1)));
    for note in ["not count: 1 left out", "where others have one: 1 left out"] {
        assert!(counts.notes.iter().any(|said| said.contains(note)), "{:?}", counts.notes);
    }
    // A 0 excludes that classes count from 1.
    assert_eq!(
        classes(&read("1,1,1,1,9,9,1,0,1\n1,2,1,1,9,9,1,1,1\n", &bare()).unwrap().0),
        [0, 1]
    );
    // Blanks between columns, as motmetrics takes them.
    assert_eq!(frames(&read("1 1 1 1 9 9 0.5\n", &bare()).unwrap().0)[0].boxes.len(), 1);
}

#[test]
fn mot_files_with_two_meanings_are_refused() {
    let read = |lines: &str, options: &Options| text((Format::Mot, Format::Ndjson), lines, options);
    let asked = |kind| Options { mot: Some(kind), ..bare() };
    // A tracker's classes: which is the first?
    let tracker = "1,1,1,1,9,9,0.8,3,-1,-1\n";
    assert!(hint(read(tracker, &bare())).contains("--classes-from"));
    assert_eq!(classes(&read(tracker, &sized()).unwrap().0), [2]);
    // Flags of 2015's ground truth, or confidences.
    let flags = "1,1,1,1,9,9,1,-1,-1,-1\n1,2,1,1,9,9,0,-1,-1,-1\n";
    assert!(hint(read(flags, &bare())).contains("--mot"));
    let count = |kind| frames(&read(flags, &asked(kind)).unwrap().0)[0].boxes.len();
    assert_eq!((count(MotKind::Truth), count(MotKind::Tracks)), (1, 2));
    // VisDrone's class, truncation and occlusion, or a place in the world.
    let drone = "1,1,1,1,9,9,1,4,0,1\n";
    assert!(hint(read(drone, &bare())).contains("--mot"));
    assert_eq!(classes(&read(drone, &asked(MotKind::Truth)).unwrap().0), [3]);
    assert_eq!(classes(&read(drone, &asked(MotKind::Tracks)).unwrap().0), [0]);
    let world = "1,1,1,1,9,9,1,-4.25,0.5,0\n";
    assert_eq!(classes(&read(world, &bare()).unwrap().0), [0]);
    let two = read("1,1,1,1,9,9,1,0,1\n", &Options { classes_from: Some(1), ..bare() });
    assert!(hint(two).contains("--classes-from"));
}

/// A folder with label files.
fn labels(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::write(folder.path().join(file), "0 0.5 0.5 0.2 0.2\n").unwrap();
    }
    folder
}

fn truth_of(files: &[&str]) -> Truth {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.json");
    let images: Vec<_> = files
        .iter()
        .zip(1..)
        .map(|(file, id)| serde_json::json!({"id": id, "file_name": file}))
        .collect();
    let truth = serde_json::json!({"images": images, "categories": [{"id": 1, "name": "class_0"}]});
    std::fs::write(&path, truth.to_string()).unwrap();
    Truth::read(&path).unwrap()
}

/// Ids of pictures in COCO results of a folder.
fn ids(folder: &Path, options: &Options) -> Result<Vec<u64>, ConvertError> {
    let mut bytes = Vec::new();
    let out = Output::Stream { bytes: &mut bytes, name: "out" };
    convert(Format::Yolo, Format::Coco, Input::Path(folder), out, options)?;
    let results: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
    Ok(results.iter().map(|entry| entry["image_id"].as_u64().unwrap()).collect())
}

#[test]
fn pictures_with_numbers_are_pictures() {
    let read = |folder: &tempfile::TempDir, options: &Options| {
        let (lines, counts) = of_path(Format::Yolo, folder.path(), options).unwrap();
        let frames = frames(&lines);
        let files: Vec<_> = frames.into_iter().map(|frame| (frame.frame_id, frame.file)).collect();
        (files, counts.notes.iter().any(|note| note.contains("--pictures")))
    };
    let padded = labels(&["IMG_0001.txt", "IMG_0003.txt"]);
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(
        read(&padded, &bare()),
        (vec![(0, named("IMG_0001")), (1, named("IMG_0003"))], false)
    );
    // Our own and Ultralytics' names of frames; a camera's may look so, and that is said.
    let bare_numbers = labels(&["DSC_1234.txt", "DSC_1236.txt"]);
    assert_eq!(read(&bare_numbers, &bare()), (vec![(1233, None), (1235, None)], true));
    let told = Options { pictures: true, ..bare() };
    let pictures = (vec![(0, named("DSC_1234")), (1, named("DSC_1236"))], false);
    assert_eq!(read(&bare_numbers, &told), pictures);
    let truth = Some(truth_of(&["DSC_1234.JPG"]));
    assert_eq!(read(&bare_numbers, &Options { truth, ..bare() }), pictures);
    std::fs::write(bare_numbers.path().join("DSC_1234.jpg"), "").unwrap();
    assert_eq!(read(&bare_numbers, &bare()), pictures, "it lies beside its label");
}

#[test]
fn pictures_are_found_in_a_ground_truth_by_their_names() {
    let padded = labels(&["IMG_0001.txt", "IMG_0002.txt", "a.b.txt"]);
    let truth = truth_of(&["x/IMG_0002.jpg", "IMG_0001.png", "a.b.jpeg", "a.c.jpg"]);
    let options = Options { truth: Some(truth), ..bare() };
    assert_eq!(ids(padded.path(), &options).unwrap(), [2, 1, 3]);
    let double = Options { truth: Some(truth_of(&["IMG_0001.png", "IMG_0001.jpg"])), ..bare() };
    let error = ids(padded.path(), &double).unwrap_err();
    assert!(error.to_string().contains("several pictures"), "{error}");
    let numbers = Options { truth: Some(truth_of(&["a.png", "b.png"])), ..bare() };
    let video = labels(&["v_1.txt"]);
    let error = ids(video.path(), &numbers).unwrap_err();
    assert!(error.hint().unwrap().contains("--frames-from"), "{error}");
    let told = Options { frames_from: Some(1), ..numbers };
    assert_eq!(ids(video.path(), &told).unwrap(), [1]);
}

/// Our line of a picture with a box.
fn picture(frame_id: u64, file: &str) -> String {
    format!(
        r#"{{"type":"frame","source":"c","frame_id":{frame_id},"file":"{file}","image":{{"width":9,"height":9}},"predictions":[{{"bbox":{{"x1":1,"y1":1,"x2":3,"y2":3}},"confidence":0.5,"class":"class_0","class_id":0}}]}}"#
    ) + "\n"
}

#[test]
fn two_pictures_of_one_name_are_two() {
    let write = |lines: &str, options: &Options| {
        let turned = text((Format::Ndjson, Format::Coco), lines, options)?.0;
        let results: Vec<serde_json::Value> = serde_json::from_str(&turned).unwrap();
        let id = |entry: &serde_json::Value| entry["image_id"].as_u64().unwrap();
        Ok::<Vec<u64>, ConvertError>(results.iter().map(id).collect())
    };
    let two = picture(0, "cam1/0001.png") + &picture(1, "/data/cam2/0001.png");
    let options = Options { truth: Some(truth_of(&["cam2/0001.png", "cam1/0001.png"])), ..bare() };
    assert_eq!(write(&two, &options).unwrap(), [2, 1]);
    let merged = Options { truth: Some(truth_of(&["0001.png"])), ..bare() };
    for options in [&merged, &bare()] {
        let error = write(&two, options).unwrap_err();
        assert!(error.to_string().contains("both be picture 1"), "{error}");
        assert!(error.hint().unwrap().contains("--truth"));
    }
    let named = picture(0, "cam1/a.png") + &picture(1, "cam2/a.png");
    assert_eq!(write(&named, &bare()).unwrap(), [0, 1]);
    let twice = picture(0, "a.png") + &picture(0, "b.png");
    assert!(write(&twice, &bare()).is_err(), "one number for two pictures");
}

#[test]
fn rows_without_ids_of_classes_are_numbered_and_not_merged() {
    let header =
        "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,class_name,frame_index\r\n";
    let rows = |rows: &str| {
        text((Format::Supervision, Format::Ndjson), &format!("{header}{rows}"), &sized())
    };
    let (lines, counts) = rows("1,2,3,4,,0.9,-1,dog,0\r\n1,2,3,4,,0.9,,cat,0\r\n").unwrap();
    assert_eq!(classes(&lines), [0, 1]);
    assert_eq!(frames(&lines)[0].boxes[0].tracker_id, None, "-1 is no track");
    assert!(counts.notes.iter().any(|note| note.contains("--names")), "{:?}", counts.notes);
    let said = rows("1,2,3,4,0,0.9,,dog,0\r\n1,2,3,4,,0.9,,cat,0\r\n").unwrap_err().to_string();
    assert!(said.contains("line 3: class 'cat' has no id"), "{said}");
    let answer = r#"{"image":{"width":9,"height":9},"predictions":[
        {"x":1,"y":1,"width":1,"height":1,"confidence":0.5,"class":"dog"},
        {"x":1,"y":1,"width":1,"height":1,"confidence":0.5,"class":"cat"}]}"#;
    let (lines, _) = text((Format::Roboflow, Format::Ndjson), answer, &sized()).unwrap();
    assert_eq!(classes(&lines), [0, 1]);
    let region = r#"{"resolution":{"width":9,"height":9},"objects":[{"x":1,"y":1,"w":1,"h":1,"roi_type":"dog"},
        {"x":1,"y":1,"w":1,"h":1,"roi_type":"cat"}]}"#;
    let (lines, _) = text((Format::Dlstreamer, Format::Ndjson), region, &sized()).unwrap();
    assert_eq!(classes(&lines), [0, 1]);
}

#[test]
fn lines_are_counted_whatever_ends_them() {
    let header = "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,class_name,frame_index";
    let row = "1,2,3,4,0,0.9,,\"a b\",0";
    for (end, bad, line) in [
        ("\r\n", "1,2,3,4,0,high,,a,0", 3),
        ("\n", "1,2,3,4,0,high,,a,0", 3),
        ("\r", "1,2,3,4,0,high,,a,0", 3),
        ("\r\n\r\n", "1,2,3,4,0,high,,a,0", 5),
        ("\r\n", "1,2,3", 3),
    ] {
        let input = [header, row, bad].join(end);
        let error = text((Format::Supervision, Format::Csv), &input, &sized()).unwrap_err();
        assert!(error.to_string().contains(&format!("line {line}:")), "{end:?}: {error}");
    }
    let input = format!("{header}\r\n{}\r\n1,2,3,4,0,high,,a,0", row.replace("a b", "a\r\nb"));
    let error = text((Format::Supervision, Format::Csv), &input, &sized()).unwrap_err();
    assert!(error.to_string().contains("line 4:"), "{error}");
    let twice = "frame_id,class_id,confidence,class_id\n1,2,0.5,3\n";
    let error = text((Format::Csv, Format::Ndjson), twice, &sized()).unwrap_err();
    assert!(error.to_string().contains("'class_id' twice"), "{error}");
}

#[test]
fn a_confidence_that_is_not_there_is_said() {
    let (rows, counts) =
        text((Format::Mot, Format::Csv), "1,1,1,1,9,9,-1,-1,-1,-1\n", &bare()).unwrap();
    assert!(rows.contains(",1,1,1,10,10,1,"), "{rows}");
    for note in ["without a confidence, 1 written: 1", "without a class, the first written: 1"] {
        assert!(counts.notes.iter().any(|said| said.contains(note)), "{:?}", counts.notes);
    }
}
