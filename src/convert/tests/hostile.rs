//! Input that nobody vouches for.

use super::super::text::MAX_RECORD;
use super::*;

/// The message of what a format says to an input.
fn refused(from: Format, input: &str) -> String {
    text((from, Format::Ndjson), input, &sized()).map(drop).unwrap_err().to_string()
}

#[test]
fn errors_name_the_file_and_the_line() {
    let frame = r#"{"type":"frame","source":"a","frame_id":0,"image":{"width":9,"height":9},"predictions":[]}"#;
    for (from, input, message) in [
        (Format::Ndjson, format!("{frame}\n\n{{\"type\":"), "'in', line 3: EOF while parsing"),
        (Format::Ndjson, format!("{frame}\n[1]"), "'in', line 2: "),
        (
            Format::Ndjson,
            frame.replace("\"frame_id\":0", "\"frame_id\":-1"),
            "'in', line 1: invalid value",
        ),
        (Format::Ndjson, frame.replace(":9", ":0"), "'in', line 1: 0x0 is no size of a picture"),
        (Format::Mot, "1,1,1,1,1,1,1\n1,1,1,1".into(), "'in', line 2: 4 columns"),
        (Format::Mot, "0,1,1,1,1,1".into(), "'in', line 1: frame 0"),
        (Format::Mot, "1,1,1,1,-5,1".into(), "'in', line 1: the box has a negative width"),
        (Format::Mot, "1,1,nan,1,5,1".into(), "'in', line 1: left 'nan' is not a number"),
        (Format::Mot, "1,1,1e9,1,5,1".into(), "'in', line 1: 1000000000 is no position"),
        (Format::Csv, "frame_id,class_id\n".into(), "'in', line 1: the header has no column"),
        (Format::Csv, "frame_id,class_id,confidence\n1,2,inf\n".into(), "'in', line 2: confidence"),
        (Format::Csv, "frame_id,class_id,confidence\n1,2\n".into(), "'in', line 2: 2 columns"),
        (
            Format::Csv,
            "frame_id,class_id,confidence\n2,2,1\n1,2,1".into(),
            "line 3: frame 1 comes after frame 2",
        ),
        (
            Format::Supervision,
            "x_min,y_min,x_max,y_max\n".into(),
            "'in', line 1: no column says the frame",
        ),
        (Format::Coco, "[\n{\"image_id\":1}]".into(), "'in', line 2: missing field"),
        (
            Format::Coco,
            r#"[{"image_id":1,"category_id":1,"bbox":[1,2,-3,4],"score":1}]"#.into(),
            "entry 1: the box has",
        ),
        (
            Format::Coco,
            r#"[{"image_id":1,"category_id":1,"bbox":[1e999,2,3,4],"score":1}]"#.into(),
            "number out of range",
        ),
        (
            Format::Roboflow,
            "{\"predictions\":[]}\n7".into(),
            "'in', line 2: a JSON object was expected",
        ),
        (Format::Roboflow, "[{\"predictions\":[]}".into(), "line 1: the array has no end"),
        (Format::Roboflow, "\n{\"predictions\":\n4}".into(), "'in', line 3: invalid type"),
        (Format::Dlstreamer, "{\"timestamp\":-1}".into(), "'in', line 1: invalid value"),
    ] {
        let said = refused(from, &input);
        assert!(said.contains(message), "{from} {input}: {said}");
    }
}

#[test]
fn a_line_without_an_end_is_refused() {
    let endless = "1".repeat(MAX_RECORD as usize + 10);
    assert!(refused(Format::Ndjson, &endless).contains("line 1: longer than 64 MiB"));
    assert!(refused(Format::Mot, &endless).contains("line 1: longer than 64 MiB"));
    assert!(refused(Format::Csv, &endless).contains("longer than 64 MiB"));
    let object = format!("{{\"predictions\":[\"{endless}");
    assert!(refused(Format::Roboflow, &object).contains("an object longer than 64 MiB"));
}

#[test]
fn deep_nesting_is_refused() {
    let nest = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let frame = r#"{"type":"frame","source":"a","frame_id":0,"predictions":[],"zones":"#;
    let limit = "line 1: recursion limit exceeded";
    assert!(refused(Format::Ndjson, &format!("{frame}{nest}}}")).contains(limit));
    let tags = format!(r#"{{"tags":{{"a":{nest}}}}}"#);
    assert!(refused(Format::Dlstreamer, &tags).contains(limit));
    let entry = format!(r#"[{{"image_id":1,"category_id":1,"score":1,"segmentation":{nest}}}]"#);
    assert!(refused(Format::Coco, &entry).contains(limit));
}

#[test]
fn labels_stay_in_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/labels");
    let frame = |source: &str, file: &str| {
        format!(
            r#"{{"type":"frame","source":"{source}","frame_id":0,"file":"{file}","image":{{"width":9,"height":9}},"predictions":[]}}"#
        )
    };
    for file in ["../../evil.jpg", "..", "/etc/passwd", "a\\\\..\\\\b.jpg"] {
        to_path(Format::Yolo, &frame("s", file), &path, &Options::default()).unwrap();
        let made: Vec<_> = std::fs::read_dir(&path).unwrap().flatten().collect();
        assert_eq!(made.len(), 1, "{file}: {made:?}");
        std::fs::remove_dir_all(&path).unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let twice = format!("{}\n{}", frame("s", "a/1.jpg"), frame("s", "b/1.jpg"));
    let said = to_path(Format::Yolo, &twice, &path, &Options::default()).unwrap_err().to_string();
    assert!(said.contains("1.txt': file exists"), "{said}");
}

#[test]
fn sources_do_not_mix() {
    let frame = |source: &str| {
        format!(
            r#"{{"type":"frame","source":"{source}","frame_id":0,"image":{{"width":9,"height":9}},"predictions":[]}}"#
        )
    };
    let two = format!("{}\n{}", frame("a"), frame("b"));
    let mixed = text((Format::Ndjson, Format::Coco), &two, &Options::default()).unwrap_err();
    assert_eq!(mixed.to_string(), "coco holds one source, here are 'a' and 'b'");
    assert_eq!(mixed.code(), 2);
    assert!(text((Format::Ndjson, Format::Dlstreamer), &two, &Options::default()).is_ok());
}

#[test]
fn a_size_is_asked_for() {
    let options = Options::default();
    let missing = text((Format::Mot, Format::Ndjson), "1,1,1,1,1,1", &options).unwrap_err();
    assert_eq!(missing.hint(), Some("give it with --size WIDTHxHEIGHT"));
    let flat = Options { emit: Emit::Detections, ..options };
    let (line, _) = text((Format::Mot, Format::Ndjson), "1,1,1,1,1,1", &flat).unwrap();
    assert!(
        line.starts_with(r#"{"type":"detection","source":"converted","frame_id":0,"class_id":0,"#)
    );
    let gone = of_path(Format::Csv, Path::new("/no/such.csv"), &flat).unwrap_err();
    assert_eq!(
        (gone.code(), gone.to_string()),
        (66, "cannot read '/no/such.csv': no such file or directory".into())
    );
}
