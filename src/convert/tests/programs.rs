//! Files as other programs write them (`tests/data/formats`), whose numbers follow from the boxes
//! that the programs were given: a person from (10, 20) to (30, 60) and a car from (40, 10) to
//! (60, 30) in the first of two pictures of 100 x 80, the person one pixel further in the second.

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/formats");

const PERSON: [f64; 4] = [10.0, 20.0, 30.0, 60.0];
const CAR: [f64; 4] = [40.0, 10.0, 60.0, 30.0];
const LATER: [f64; 4] = [11.0, 20.0, 31.0, 60.0];

fn names() -> Vec<String> {
    ["person", "bicycle", "car"].map(Into::into).into()
}

/// Options with the size of pictures and the names of classes, and nothing that settles a meaning.
fn plain() -> Options {
    Options { names: names(), size: Some(Size::new(100, 80)), ..Options::default() }
}

/// What was found in a frame: class id, name, corners to a tenth of a pixel, track.
type Seen = (u32, String, [f64; 4], Option<u64>);

fn read(format: Format, file: &str, options: &Options) -> (Vec<FrameFound>, Vec<String>) {
    let path = Path::new(FOLDER).join(file);
    let (lines, counts) = of_path(format, &path, options).unwrap();
    (frames(&lines), counts.notes)
}

fn seen(frame: &FrameFound) -> Vec<Seen> {
    let tenths = |at: f64| (at * 10.0).round() / 10.0;
    let of = |found: &Found| {
        let at = found.corners.unwrap();
        let corners = [at.x1, at.y1, at.x2, at.y2].map(tenths);
        (found.class_id, found.class.clone().unwrap(), corners, found.tracker_id)
    };
    frame.boxes.iter().map(of).collect()
}

fn person(at: [f64; 4], track: Option<u64>) -> Seen {
    (0, "person".into(), at, track)
}

fn car(track: Option<u64>) -> Seen {
    (2, "car".into(), CAR, track)
}

#[test]
fn supervision_is_read_right() {
    let (frames, _) = read(Format::Supervision, "supervision/detections.csv", &plain());
    assert_eq!(frames.iter().map(|frame| frame.frame_id).collect::<Vec<_>>(), [0, 2]);
    let half = (2, "car".to_owned(), [40.5, 10.3, 60.0, 30.0], None);
    assert_eq!(seen(&frames[0]), [person(PERSON, Some(7)), half], "-1 is no track");
    assert_eq!(seen(&frames[1]), [person(LATER, Some(7))]);
}

#[test]
fn ultralytics_boxes_are_read_right() {
    let (frames, notes) = read(Format::Yolo, "ultralytics/detect", &plain());
    assert_eq!(frames.iter().map(|frame| frame.frame_id).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(seen(&frames[0]), [person(PERSON, None), car(None)]);
    assert_eq!(seen(&frames[1]), [person(LATER, None)]);
    assert!(notes.iter().any(|note| note.contains("--pictures")), "{notes:?}");
    let sures = |frame: &FrameFound| frame.boxes.iter().map(|b| b.confidence).collect::<Vec<_>>();
    let (frames, _) = read(Format::Yolo, "ultralytics/conf", &plain());
    assert_eq!(seen(&frames[0]), [person(PERSON, None), car(None)]);
    assert_eq!(sures(&frames[0]), [Some(0.9), Some(1.0)]);
    let (frames, _) = read(Format::Yolo, "ultralytics/track", &plain());
    assert_eq!(seen(&frames[0]), [person(PERSON, Some(7)), car(Some(1))]);
    assert_eq!(seen(&frames[1]), [person(LATER, Some(7))]);
    let (frames, _) = read(Format::Yolo, "ultralytics/conftrack", &plain());
    assert_eq!(seen(&frames[0]), [person(PERSON, Some(7)), car(Some(1))]);
    assert_eq!(sures(&frames[0]), [Some(0.9), Some(0.5)]);
}

#[test]
fn ultralytics_keypoints_and_outlines_are_read_right() {
    let asked = Options { yolo: Some(YoloKind::Pose3), ..plain() };
    let (frames, _) = read(Format::Yolo, "ultralytics/pose", &asked);
    assert_eq!(seen(&frames[0])[0], person(PERSON, None));
    let found = &frames[0].boxes[0];
    let spots: Vec<_> =
        found.keypoints.iter().map(|point| (point.x, point.y, point.confidence)).collect();
    let expected = [(20.0, 25.0, Some(0.9)), (15.0, 40.0, Some(0.8)), (25.0, 40.0, Some(0.95))];
    assert_eq!((spots.as_slice(), found.confidence), (expected.as_slice(), Some(0.9)));
    let (frames, _) = read(Format::Yolo, "ultralytics/segment", &plain());
    let found = &frames[0].boxes;
    assert_eq!((found[0].points.len(), found[1].points.len()), (5, 6));
    assert_eq!(found[0].points[0], [15.0, 20.0]);
    assert_eq!((found[0].confidence, found[1].confidence), (Some(0.9), Some(0.5)));
    let (frames, _) = read(Format::YoloObb, "ultralytics/obb", &plain());
    let found = &frames[0].boxes;
    assert_eq!((found[0].rotation_deg.unwrap().round(), found[0].confidence), (30.0, Some(0.9)));
    assert_eq!((found[1].rotation_deg, found[1].points.len()), (Some(0.0), 4));
}

#[test]
fn ultralytics_results_with_names_of_pictures_are_read_right() {
    let told = Options { classes_from: Some(1), ..plain() };
    let (frames, _) = read(Format::Coco, "ultralytics/predictions.json", &told);
    assert_eq!(frames[1].file.as_deref(), Some("street_b.jpg"));
    assert_eq!(seen(&frames[0]), [person(PERSON, None)]);
    assert_eq!(seen(&frames[1]), [car(None)]);
}

#[test]
fn cvat_is_read_right() {
    let (frames, notes) = read(Format::Mot, "cvat/mot/gt/gt.txt", &plain());
    assert_eq!(seen(&frames[0]), [person(PERSON, Some(1))], "the car does not count");
    let bicycle = (1, "bicycle".to_owned(), [70.0, 10.0, 90.0, 30.0], None);
    assert_eq!(seen(&frames[1]), [person(LATER, Some(1)), bicycle]);
    assert!(notes.iter().any(|note| note.contains("not count: 1 left out")), "{notes:?}");
    let (frames, _) = read(Format::Yolo, "cvat/yolo", &plain());
    assert_eq!(frames[0].file.as_deref(), Some("frame_000000"), "a picture");
    assert_eq!(seen(&frames[0]), [person(PERSON, None), car(None)]);
    let (frames, notes) = read(Format::Coco, "cvat/instances_default.json", &Options::default());
    assert_eq!(seen(&frames[0]), [person(PERSON, Some(7)), car(None)], "no crowd");
    assert_eq!(frames[1].boxes.len(), 0);
    assert_eq!(frames[1].file.as_deref(), Some("frame_000001.PNG"));
    assert!(notes.iter().any(|note| note.contains("--truth")), "{notes:?}");
}

#[test]
fn label_studio_is_read_right() {
    let (frames, _) = read(Format::Yolo, "label-studio/labels", &plain());
    assert_eq!(frames[0].file.as_deref(), Some("4b1c77e0-IMG_0002"));
    assert_eq!(seen(&frames[0]), [person(LATER, None)]);
    assert_eq!(seen(&frames[1]), [person(PERSON, None), car(None)]);
    let (frames, _) = read(Format::Coco, "label-studio/result.json", &Options::default());
    assert_eq!(seen(&frames[0]), [person(PERSON, None), car(None)]);
    // Labels and ground truth of one export meet by the names of pictures.
    let truth = Truth::read(&Path::new(FOLDER).join("label-studio/result.json")).unwrap();
    let options = Options { truth: Some(truth), ..plain() };
    let mut results = Vec::new();
    let out = Output::Stream { bytes: &mut results, name: "out" };
    let labels = Path::new(FOLDER).join("label-studio/labels");
    convert(Format::Yolo, Format::Coco, Input::Path(&labels), out, &options).unwrap();
    let results: serde_json::Value = serde_json::from_slice(&results).unwrap();
    let id = |at: usize, key: &str| results[at][key].as_u64().unwrap();
    assert_eq!([id(0, "image_id"), id(1, "image_id"), id(2, "image_id")], [1, 0, 0]);
    assert_eq!([id(0, "category_id"), id(1, "category_id"), id(2, "category_id")], [0, 0, 2]);
}

#[test]
fn files_of_the_mot_challenge_are_read_right() {
    let (frames, notes) = read(Format::Mot, "motchallenge/gt.txt", &plain());
    assert_eq!(seen(&frames[0]), [person(PERSON, Some(1)), car(Some(2))]);
    assert_eq!(seen(&frames[1]), [person(LATER, Some(1))]);
    assert!(notes.iter().any(|note| note.contains("not count: 1 left out")), "{notes:?}");
    let (frames, _) = read(Format::Mot, "motchallenge/tracks.txt", &plain());
    assert_eq!(seen(&frames[0]), [person(PERSON, Some(1))]);
    assert_eq!(frames[1].boxes[0].confidence, Some(0.75));
    let (frames, notes) = read(Format::Mot, "motchallenge/det.txt", &plain());
    assert_eq!(seen(&frames[0]).len(), 2);
    assert_eq!(frames[0].boxes[1].tracker_id, None);
    assert!(notes.iter().any(|note| note.contains("without a class")), "{notes:?}");
}

#[test]
fn results_for_pycocotools_are_read_right() {
    let truth = Some(Truth::read(&Path::new(FOLDER).join("coco/instances.json")).unwrap());
    let options = Options { truth, ..sized() };
    let (frames, notes) = read(Format::Coco, "coco/results.json", &options);
    assert_eq!(frames[0].file.as_deref(), Some("000000000139.jpg"));
    assert_eq!(seen(&frames[0]), [person(PERSON, None), car(None)]);
    assert!(notes.contains(&"masks that are not polygons: 1 ignored".to_owned()), "{notes:?}");
    let (frames, _) = read(Format::Coco, "coco/instances.json", &Options::default());
    assert_eq!(seen(&frames[0]), [person(PERSON, None)]);
    assert_eq!(frames[0].boxes[0].points.len(), 4);
    // Three names and an id 3: the third.
    let (frames, _) = read(Format::Coco, "coco/results.json", &plain());
    assert_eq!(seen(&frames[0]), [person(PERSON, None), car(None)]);
}
