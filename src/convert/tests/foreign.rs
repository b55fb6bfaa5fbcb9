//! Files as other programs write them, and records as other programs want them.

use super::super::found::is_ours;
use super::*;

/// A frame of ours with two detections, one of them tracked, between lines of other types.
const OURS: &str = concat!(
    r#"{"type":"run","schema":"vision-pipe/1","source":"v.mp4","input":{"uri":"v.mp4","width":100,"height":80,"live":false}}"#,
    "\n",
    r#"{"type":"frame","source":"v.mp4","frame_id":4,"pts_s":0.4,"image":{"width":100,"height":80},"predictions":[{"x":20.0,"y":30.0,"width":20.0,"height":40.0,"bbox":{"x1":10.0,"y1":10.0,"x2":30.0,"y2":50.0,"width":20.0,"height":40.0},"confidence":0.9,"class":"person","class_id":0,"tracker_id":7,"detection_id":"7be90eb1-2602-5a64-90a7-787cec99efcb","speed_m_s":1.5},{"x":60.0,"y":40.0,"width":10.0,"height":10.0,"bbox":{"x1":55.0,"y1":35.0,"x2":65.0,"y2":45.0,"width":10.0,"height":10.0},"confidence":0.5,"class":"dog","class_id":16,"detection_id":"72b1f712-22a4-536b-905b-238a471da6f2"}],"zones":[{"count":1,"name":"door"}]}"#,
    "\n",
    r#"{"type":"event","source":"v.mp4","frame_id":4,"event_id":"29712050-dc66-5e0c-ab8f-4dbe94f32079","event":"appeared"}"#,
    "\n",
    r#"{"type":"summary","source":"v.mp4","exit":"end_of_input"}"#,
    "\n",
);

fn of_ours(to: Format) -> (String, Counts) {
    text((Format::Ndjson, to), OURS, &Options::default()).unwrap()
}

#[test]
fn our_own_lines_stay_as_they_are() {
    let (lines, counts) = of_ours(Format::Ndjson);
    for (now, before) in lines.lines().zip(OURS.lines()) {
        let [now, before]: [serde_json::Value; 2] =
            [now, before].map(|line| serde_json::from_str(line).unwrap());
        assert_eq!(now, before);
    }
    assert_eq!(lines.lines().count(), 4);
    let expected = Counts { frames: 1, detections: 2, carried: 3, notes: vec![] };
    assert_eq!(counts, expected);
}

#[test]
fn losses_are_said_once() {
    let (lines, counts) = of_ours(Format::Mot);
    assert_eq!(lines, "5,7,10.00,10.00,20.00,40.00,0.9000,-1,-1,-1\n");
    let lost = |what: &str, count: u64| format!("mot cannot hold {what}: {count} lost");
    for note in [
        lost("lines of type run, event or summary", 3),
        lost("times of frames", 1),
        lost("detections without a track", 1),
        lost("zones, lines, speeds and attributes", 2),
    ] {
        assert!(counts.notes.contains(&note), "{note} in {:?}", counts.notes);
    }
}

#[test]
fn coco_counts_classes_from_1() {
    let (lines, _) = of_ours(Format::Coco);
    let results: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(
        results[0],
        serde_json::json!({"image_id": 4, "category_id": 1, "bbox": [10.0, 10.0, 20.0, 40.0],
            "score": 0.9, "track_id": 7})
    );
    assert_eq!(results[1]["category_id"], 17);
    assert_eq!(text((Format::Ndjson, Format::Coco), "", &sized()).unwrap().0, "[]\n");
}

#[test]
fn coco_takes_ids_from_a_ground_truth() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.json");
    let truth = r#"{"info":{},"images":[{"id":139,"file_name":"val/a.jpg"},{"id":4,"file_name":"b.jpg"}],
        "annotations":[{"id":1,"bbox":[1,2,3,4]}],
        "categories":[{"id":18,"name":"dog"},{"id":3,"name":"cat"}]}"#;
    std::fs::write(&path, truth).unwrap();
    let truth = Some(Truth::read(&path).unwrap());
    let options = Options { truth, frames_from: Some(0), ..sized() };
    let (lines, counts) = text((Format::Ndjson, Format::Coco), OURS, &options).unwrap();
    let results: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&results[0]["image_id"], &results[0]["category_id"]), (&4.into(), &18.into()));
    assert!(counts.notes.iter().any(|note| note.contains("ground truth lacks: 1 left out")));
    let named = OURS.replace(r#""frame_id":4,"#, r#""frame_id":0,"file":"/x/a.jpg","#);
    let (lines, _) = text((Format::Ndjson, Format::Coco), &named, &options).unwrap();
    assert!(lines.contains(r#""image_id":139"#), "{lines}");
    let (back, _) = text((Format::Coco, Format::Ndjson), &lines, &options).unwrap();
    let frame = &frames(&back)[0];
    assert_eq!(frame.file.as_deref(), Some("val/a.jpg"));
    assert_eq!((frame.boxes[0].class.as_deref(), frame.boxes[0].class_id), (Some("dog"), 1));
}

#[test]
fn coco_takes_ids_from_numbers_that_pictures_are_called_by() {
    let named =
        |file: &str| OURS.replace(r#""frame_id":4,"#, &format!(r#""frame_id":4,"file":"{file}","#));
    let both = (Format::Ndjson, Format::Coco);
    let (lines, _) = text(both, &named("/x/000000000139.jpg"), &Options::default()).unwrap();
    assert!(lines.contains(r#""image_id":139"#), "{lines}");
    let mixed = named("3.jpg") + &named("b.jpg");
    let said = text(both, &mixed, &Options::default()).unwrap_err().to_string();
    assert!(said.contains("give a ground truth"), "{said}");
}

#[test]
fn coco_masks_are_read_where_they_are_polygons() {
    let results = r#"[{"image_id":2,"category_id":1,"score":0.5,"segmentation":[[1,1,5,1,5,9]]},
        {"image_id":1,"category_id":1,"score":0.5,"bbox":[1,2,3,4],"segmentation":{"size":[9,9],"counts":"abc"}}]"#;
    let (lines, counts) = text((Format::Coco, Format::Ndjson), results, &sized()).unwrap();
    let frames = frames(&lines);
    assert_eq!((frames[0].frame_id, frames[1].frame_id), (1, 2), "sorted");
    assert_eq!(frames[1].boxes[0].corners, Some(Corners { x1: 1.0, y1: 1.0, x2: 5.0, y2: 9.0 }));
    assert!(counts.notes.contains(&"masks that are not polygons: 1 ignored".to_owned()));
}

#[test]
fn mot_ground_truth_is_sorted_by_track() {
    let truth =
        "1,1,10,10,5,5,1,1,0.9\n2,1,11,10,5,5,1,1,0.9\n1,2,-3,10,5,5,1,7,1\n1,3,1,1,5,5,0,8,1\n";
    let (lines, counts) = text((Format::Mot, Format::Ndjson), truth, &sized()).unwrap();
    let frames = frames(&lines);
    assert_eq!(
        frames.iter().map(|f| (f.frame_id, f.boxes.len())).collect::<Vec<_>>(),
        [(0, 2), (1, 1)]
    );
    let second = &frames[0].boxes[1];
    assert_eq!((second.class_id, second.class.as_deref()), (6, Some("class_6")), "the seventh");
    assert_eq!(second.corners.map(|at| (at.x1, at.x2)), Some((0.0, 2.0)), "cut at the edge");
    for note in [
        "boxes cut at the edge of the picture: 1",
        "boxes that the ground truth does not count: 1 left out",
    ] {
        assert!(counts.notes.contains(&note.to_owned()), "{note}: {:?}", counts.notes);
    }
}

#[test]
fn mot_detections_have_confidences_of_their_own_kind() {
    let list = "1,-1,10,10,5,5,45.1,-1,-1,-1\n1,-1,20,10,5,5,-1,-1,-1,-1\n1,-1,300,1,5,5,1\n";
    let (lines, counts) = text((Format::Mot, Format::Ndjson), list, &sized()).unwrap();
    let boxes = &frames(&lines)[0].boxes;
    assert_eq!(boxes.iter().map(|b| b.confidence).collect::<Vec<_>>(), [Some(1.0), Some(1.0)]);
    assert_eq!(boxes[0].tracker_id, None);
    for note in
        ["between 0 and 1: 1", "without a confidence, 1 written: 1", "outside of the picture: 1"]
    {
        assert!(counts.notes.iter().any(|said| said.contains(note)), "{note}: {:?}", counts.notes);
    }
}

#[test]
fn roboflow_answers_come_in_lines_arrays_and_indented() {
    let answer = r#"{"inference_id":"x","frame_id":null,"time":0.01,"image":{"width":100,"height":80},
      "predictions":[{"x":50.0,"y":40.0,"width":10.0,"height":20.0,"confidence":0.91,"class":"a}\"{",
      "class_confidence":null,"class_id":3,"tracker_id":null,"parent_id":null,
      "detection_id":"4a3b2c1d-0000-4000-8000-000000000000"}],"visualization":null}"#;
    for input in [
        format!("{answer}\n{answer}"),
        format!("\u{feff} [ {answer} ,\n{answer}]"),
        format!("{0}\n{0}\n", answer.replace('\n', "")),
    ] {
        let both = (Format::Roboflow, Format::Ndjson);
        let (lines, counts) = text(both, &input, &Options::default()).unwrap();
        let frames = frames(&lines);
        assert_eq!(frames.iter().map(|frame| frame.frame_id).collect::<Vec<_>>(), [0, 1]);
        let found = &frames[1].boxes[0];
        assert_eq!(found.corners, Some(Corners { x1: 45.0, y1: 30.0, x2: 55.0, y2: 50.0 }));
        assert_eq!(found.class.as_deref(), Some("a}\"{"));
        assert!(is_ours(found.detection_id.as_deref().unwrap()), "version 4 is none of ours");
        assert!(counts.notes.contains(&"detections given an id: 2".to_owned()));
    }
    let (line, _) = of_ours(Format::Roboflow);
    assert!(line.starts_with(
        r#"{"frame_id":4,"image":{"width":100,"height":80},"predictions":[{"x":20.0,"#
    ));
    assert!(line.contains("7be90eb1-2602-5a64-90a7-787cec99efcb") && !line.contains("speed"));
}

#[test]
fn dlstreamer_is_read_as_it_writes() {
    let line = r#"{"resolution":{"width":100,"height":80},"source":"file:///a.mp4","timestamp":33366666,
        "system_timestamp":"2026-01-01T00:00:00.000Z","tags":{},"objects":[{"x":46,"y":37,"w":8,"h":6,"region_id":12,
        "parent_id":3,"id":7,"roi_type":"person","detection":{"bounding_box":{"x_min":0.455,"x_max":0.545,"y_min":0.46,
        "y_max":0.53},"confidence":0.91,"label_id":0,"label":"person"},"color":{"label":"red"}},{"x":1,"y":2,"w":3,"h":4,"roi_type":"person"}]}"#;
    let (lines, _) = text((Format::Dlstreamer, Format::Ndjson), line, &Options::default()).unwrap();
    let frame = &frames(&lines)[0];
    assert_eq!((frame.source.as_str(), frame.pts_s), ("file:///a.mp4", Some(0.033_366_666)));
    assert_eq!(frame.boxes[0].corners, Some(Corners { x1: 45.5, y1: 36.8, x2: 54.5, y2: 42.4 }));
    assert_eq!((frame.boxes[0].tracker_id, frame.boxes[0].class_id), (Some(7), 0));
    assert_eq!(frame.boxes[1].corners, Some(Corners { x1: 1.0, y1: 2.0, x2: 4.0, y2: 6.0 }));
    let (line, _) = of_ours(Format::Dlstreamer);
    assert!(line.contains(r#""timestamp":400000000,"tags":{"frame_id":4},"objects":[{"x":10,"y":10,"w":20,"h":40,"region_id":1,"id":7,"roi_type":"person""#), "{line}");
}

#[test]
fn supervision_leaves_out_what_it_does_not_know() {
    let rows = "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,class_name,frame_number,time\r\n\
        1.5,2,3,4,,0.5,,dog,0,0.1\r\n1,2,3,4,5,,7.0,,1,0.2\r\n";
    let names: Vec<String> = ["cat", "dog"].map(Into::into).into();
    let options = Options { names, fps: Some(30.0), ..sized() };
    let (lines, _) = text((Format::Supervision, Format::Ndjson), rows, &options).unwrap();
    let frames = frames(&lines);
    assert_eq!((frames[0].boxes[0].class_id, frames[1].boxes[0].class_id), (1, 5));
    assert_eq!((frames[1].boxes[0].tracker_id, frames[1].pts_s), (Some(7), Some(0.033_333)));
    let (rows, _) = of_ours(Format::Supervision);
    let header =
        "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,class_name,frame_index\r\n";
    assert_eq!(
        rows,
        format!("{header}10,10,30,50,0,0.9,7,person,4\r\n55,35,65,45,16,0.5,,dog,4\r\n")
    );
}

#[test]
fn yolo_is_a_folder_of_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels");
    to_path(Format::Yolo, OURS, &path, &Options::default()).unwrap();
    let label = std::fs::read_to_string(path.join("v_5.txt")).unwrap();
    assert_eq!(
        label,
        "0 0.2000000 0.3750000 0.2000000 0.5000000 0.9000 7\n16 0.6000000 0.5000000 0.1000000 0.1250000 0.5000\n"
    );
    let names = std::fs::read_to_string(path.join("classes.txt")).unwrap();
    assert_eq!((names.lines().count(), names.lines().last()), (17, Some("dog")));
    let again = to_path(Format::Yolo, OURS, &path, &Options::default()).unwrap_err();
    assert!(again.to_string().contains("label files already"), "{again}");
    assert!(matches!(
        of_path(Format::Yolo, &path, &Options::default()),
        Err(ConvertError::NoSize { .. })
    ));

    let train = folder.path().join("train");
    let options = Options { confidence: false, ..Options::default() };
    to_path(Format::Yolo, OURS, &train, &options).unwrap();
    let label = std::fs::read_to_string(train.join("v_5.txt")).unwrap();
    assert_eq!(label.lines().next(), Some("0 0.2000000 0.3750000 0.2000000 0.5000000"));

    std::fs::write(train.join("cat.txt"), "0 0.1 0.1 0.3 0.1 0.3 0.5\n").unwrap();
    let (lines, _) = of_path(Format::Yolo, &train, &sized()).unwrap();
    let frames = frames(&lines);
    assert_eq!(frames[0].file.as_deref(), Some("cat"), "not all are frames of one video");
    assert_eq!(frames[0].boxes[0].points.len(), 3);
    assert_eq!(frames[1].file.as_deref(), Some("v_5"));
}
