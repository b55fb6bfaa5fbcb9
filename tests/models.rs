//! Every family on a tiny model whose right answers are known by construction: `tests/onnx`, made
//! by `tests/onnx/make.py`. The numbers in `expected.json` are those that were put into the
//! models' outputs, never a copy of what this program said.

use std::path::{Path, PathBuf};

use image::{GrayImage, Luma};
use serde_json::Value;

use crate::common::{Place, of_type};
use crate::engines::library;

/// Positions are rounded to 0.01 px; a half-pixel more comes from 8-bit pictures and masks.
const MAX_OFF: f64 = 0.05;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx")
}

fn expected() -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What must be said for these files: their shapes alone do not tell.
fn more(file: &str) -> &'static str {
    match file {
        "centerface.onnx" => "--imgsz 64",
        "semantic.onnx" | "semantic-classes.onnx" => "--head semantic",
        "paddle.onnx" => "--head paddle",
        "mmdeploy.onnx" => "--head mmdeploy",
        "centernet.onnx" => "--head centernet",
        file if file.starts_with("classify-") => "--conf 0",
        _ => "",
    }
}

/// A black picture with one white pixel, around which it gets darker within `blur` pixels.
pub(crate) fn picture(
    place: &Place,
    (width, height): (u32, u32),
    white: Option<(u32, u32)>,
    blur: f64,
) -> PathBuf {
    let picture = GrayImage::from_fn(width, height, |x, y| {
        let far = white.map_or(f64::INFINITY, |(at_x, at_y)| {
            (f64::from(x) - f64::from(at_x)).hypot(f64::from(y) - f64::from(at_y))
        });
        Luma([(255.0 * (1.0 - far / blur)).max(0.0) as u8])
    });
    let path = place.path("picture.png");
    picture.save(&path).unwrap();
    path
}

fn run(place: &Place, file: &str, engine: &str, picture: &Path) -> Vec<Value> {
    let arguments = format!(
        "run {} --model {} --engine {engine} --onnxruntime-lib {} {}",
        picture.display(),
        folder().join(file).display(),
        library().display(),
        more(file)
    );
    place.output(&arguments).ended(0).records()
}

/// What is wrong with a prediction, in words.
fn differs(found: &Value, wanted: &Value, with_keypoint_scores: bool) -> Option<String> {
    let near = |a: &Value, b: &Value, most: f64| {
        (a.as_f64().unwrap_or(f64::NAN) - b.as_f64().unwrap()).abs() <= most
    };
    if found["class_id"] != wanted["class_id"] {
        return Some("another class".into());
    }
    if !near(&found["confidence"], &wanted["confidence"], 2e-3) {
        return Some("another confidence".into());
    }
    if let Some(corners) = wanted["bbox"].as_array() {
        let keys = ["x1", "y1", "x2", "y2"];
        if !keys.iter().zip(corners).all(|(key, side)| near(&found["bbox"][key], side, MAX_OFF)) {
            return Some("another box".into());
        }
    }
    for (i, keypoint) in wanted["keypoints"].as_array().into_iter().flatten().enumerate() {
        let got = &found["keypoints"][i];
        let right = near(&got["x"], &keypoint[0], MAX_OFF)
            && near(&got["y"], &keypoint[1], MAX_OFF)
            && (!with_keypoint_scores
                || keypoint[2].is_null() && got["confidence"].is_null()
                || near(&got["confidence"], &keypoint[2], 2e-3));
        if !right {
            return Some(format!("another keypoint {i}"));
        }
    }
    for (i, corner) in wanted["corners"].as_array().into_iter().flatten().enumerate() {
        let got = &found["points"][i];
        if !near(&got["x"], &corner[0], MAX_OFF) || !near(&got["y"], &corner[1], MAX_OFF) {
            return Some(format!("another corner {i}"));
        }
    }
    if wanted["rotation_deg"].is_number()
        && !near(&found["rotation_deg"], &wanted["rotation_deg"], 0.011)
    {
        return Some("another rotation".into());
    }
    if let Some(area) = wanted["mask_area"].as_f64() {
        let points: Vec<(f64, f64)> = found["points"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|p| (p["x"].as_f64().unwrap(), p["y"].as_f64().unwrap()))
            .collect();
        let next = points.iter().cycle().skip(1);
        let twice: f64 = points.iter().zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
        if (twice / 2.0 - area).abs() > area * 0.03 {
            return Some(format!("an outline around {} px and not {area}", twice / 2.0));
        }
    }
    None
}

fn all_families(engine: &str) {
    let place = Place::new();
    let mut wrong = Vec::new();
    for entry in expected() {
        let file = entry["file"].as_str().unwrap();
        if file == "no-tract.onnx" && engine == "tract" {
            continue;
        }
        let white = entry["white_pixel"]
            .as_array()
            .map(|at| (at[0].as_u64().unwrap() as u32, at[1].as_u64().unwrap() as u32));
        let side = if file == "yolov8-30000.onnx" { 1280 } else { 64 };
        let picture = picture(&place, (side, side), white, 1.0);
        let records = run(&place, file, engine, &picture);
        let task = match entry["task"].as_str().unwrap() {
            "face" => "pose",
            "semantic" => "segment",
            task => task,
        };
        if records[0]["model"]["task"] != task {
            wrong.push(format!("{file}: task {}", records[0]["model"]["task"]));
        }
        let found = of_type(&records, "frame")[0]["predictions"].as_array().unwrap().clone();
        let (count, wanted) = match &entry["detections"] {
            Value::Array(all) => (all.len(), all.iter().collect::<Vec<_>>()),
            some => (some["count"].as_u64().unwrap() as usize, vec![&some["first"]]),
        };
        if found.len() != count {
            wrong.push(format!("{file}: {} and not {count}", found.len()));
            continue;
        }
        // Without a confidence of their own, keypoints have none in the record.
        let scores = entry["task"] != "face";
        let mut pairs: Vec<(&Value, &Value)> = found.iter().zip(wanted).collect();
        if let Value::Object(some) = &entry["detections"] {
            pairs.push((&found[count - 1], &some["last"]));
        }
        for (i, (found, wanted)) in pairs.into_iter().enumerate() {
            if let Some(what) = differs(found, wanted, scores) {
                wrong.push(format!("{file}: {what} in {i}: {found} and not {wanted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_family_gives_its_known_answers_in_tract() {
    all_families("tract");
}

#[test]
fn every_family_gives_its_known_answers_in_onnx_runtime() {
    all_families("onnxruntime");
}

/// The models find the brightest pixel: where they say it is shows whether a picture of other
/// proportions is fitted and mapped back as the family wants it.
#[test]
fn positions_come_back_to_where_they_were_in_wide_and_tall_pictures() {
    let place = Place::new();
    for (width, height) in [(160, 96), (90, 180)] {
        let (x, y) = (width * 3 / 4, height / 3);
        let picture = picture(&place, (width, height), Some((x, y)), 12.0);
        for file in [
            "seek-yolov8.onnx",
            "seek-yolox.onnx",
            "seek-rtdetr.onnx",
            "seek-nhwc.onnx",
            "seek-obb.onnx",
        ] {
            let records = run(&place, file, "tract", &picture);
            let found = &of_type(&records, "frame")[0]["predictions"][0];
            let scale = f64::from(width.max(height)) / 64.0;
            for (key, wanted) in [("x", x), ("y", y)] {
                let off = (found[key].as_f64().unwrap() - f64::from(wanted) - 0.5).abs();
                assert!(off <= scale, "{file} {width}x{height}: {key} is {off} px off: {found}");
            }
        }
    }
}

#[test]
fn a_model_whose_every_answer_is_impossible_ends_the_run() {
    let place = Place::new();
    let picture = picture(&place, (64, 64), None, 1.0);
    for engine in ["tract", "onnxruntime"] {
        let arguments = format!(
            "run {} --model {} --engine {engine} --onnxruntime-lib {}",
            picture.display(),
            folder().join("yolov8-impossible.onnx").display(),
            library().display(),
        );
        let stderr = place.output(&arguments).ended(78).stderr();
        assert!(stderr.contains("every answer of the model is impossible"), "{stderr}");
        assert!(stderr.contains("hint: its family may be another"), "{stderr}");
    }
}

/// Files of the same shapes and other meaning are told apart, and `inspect` says by which evidence.
#[test]
fn twins_are_told_apart_by_evidence() {
    let place = Place::new();
    for (file, family, because, other) in [
        ("yolov8-bare", "yolov8", "scores alone", "not yolov8-corners: boxes would have no area"),
        ("yolov8-corners", "yolov8-corners", "scores alone", "not yolov8: boxes would grow"),
        ("yolox", "yolox", "straight from the last layer", "not yolox-decoded: "),
        ("yolox-decoded", "yolox-decoded", "one column of its own", "not yolox: "),
        ("yolov6", "yolov6", "constant", "not yolov8: "),
        (
            "yolov10-bare",
            "yolov10",
            "values of one run fit",
            "not rtdetr-ultralytics: boxes are no fractions",
        ),
        (
            "rtdetr-bare",
            "rtdetr-ultralytics",
            "values of one run fit",
            "not yolov10: boxes would have no area",
        ),
        (
            "rtdetr-two",
            "rtdetr-ultralytics-8.3",
            "values of one run fit",
            "not yolov10: class numbers",
        ),
        ("detr-softmax", "detr-softmax", "names of DETR", "not detr-logits: its layers"),
    ] {
        let arguments = format!(
            "inspect {} --json --onnxruntime-lib {}",
            folder().join(format!("{file}.onnx")).display(),
            library().display(),
        );
        let text = place.output(&arguments).ended(0).stdout();
        let about: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(about["head"], family, "{file}");
        assert!(about["recognised_by"].to_string().contains(because), "{about}");
        assert!(about["others"].to_string().contains(other), "{about}");
    }
}

#[test]
fn an_operator_that_tract_lacks_is_named_with_the_way_out() {
    let place = Place::new();
    let picture = picture(&place, (64, 64), None, 1.0);
    let model = folder().join("no-tract.onnx");
    let arguments = format!("run {} --engine tract --model {}", picture.display(), model.display());
    let run = place.output(&arguments);
    let stderr = run.ended(78).stderr();
    assert!(stderr.contains("ReverseSequence"), "{stderr}");
    assert!(stderr.contains("hint: ") && stderr.contains("--engine onnxruntime"), "{stderr}");
}

fn known(name: &str) -> String {
    let file = format!("models/{name}.onnx");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file).display().to_string()
}

/// What a committed model finds on a real photograph.
fn on_a_photograph(model: &str, engine: &str) -> Vec<Value> {
    let photograph = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/astronaut.jpg");
    let arguments = format!(
        "run {} --model {} --engine {engine} --onnxruntime-lib {}",
        photograph.display(),
        known(model),
        library().display()
    );
    let records = Place::new().output(&arguments).ended(0).records();
    of_type(&records, "frame")[0]["predictions"].as_array().unwrap().clone()
}

/// Where a keypoint is.
fn keypoint(found: &Value, name: &str) -> (f64, f64) {
    let all = found["keypoints"].as_array().unwrap();
    let keypoint = all.iter().find(|k| k["class"] == name).unwrap();
    (keypoint["x"].as_f64().unwrap(), keypoint["y"].as_f64().unwrap())
}

/// Where eyes and nose are in the photograph, by looking at it; sides are the person's.
const RIGHT_EYE: (f64, f64) = (203.0, 101.0);
const LEFT_EYE: (f64, f64) = (247.0, 103.0);
const NOSE: (f64, f64) = (225.0, 126.0);

fn near(found: (f64, f64), seen: (f64, f64), most: f64) {
    let off = (found.0 - seen.0).hypot(found.1 - seen.1);
    assert!(off <= most, "{found:?} is {off} px from {seen:?}");
}

#[test]
fn the_committed_models_see_the_face_the_pose_and_the_person() {
    for engine in ["tract", "onnxruntime"] {
        let faces = on_a_photograph("blazeface-256", engine);
        assert_eq!(faces.len(), 1, "{faces:?}");
        near(keypoint(&faces[0], "right_eye"), RIGHT_EYE, 5.0);
        near(keypoint(&faces[0], "left_eye"), LEFT_EYE, 5.0);
        near(keypoint(&faces[0], "nose"), NOSE, 5.0);
        let persons = on_a_photograph("movenet-lightning-192", engine);
        assert_eq!(persons.len(), 1, "{persons:?}");
        near(keypoint(&persons[0], "right_eye"), RIGHT_EYE, 6.0);
        near(keypoint(&persons[0], "left_eye"), LEFT_EYE, 6.0);
        near(keypoint(&persons[0], "nose"), NOSE, 8.0);
        let masks = on_a_photograph("selfie-segmentation-256", engine);
        assert_eq!(masks[0]["class"], "person");
        let outline = &masks[0]["points"];
        assert!(inside(outline, NOSE) && inside(outline, (225.0, 420.0)), "face and suit");
        assert!(!inside(outline, (480.0, 60.0)), "the background is none of the person");
    }
}

/// Whether a point lies in a polygon: a ray from it crosses the outline an odd number of times.
fn inside(outline: &Value, (x, y): (f64, f64)) -> bool {
    let points: Vec<(f64, f64)> = outline
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["x"].as_f64().unwrap(), p["y"].as_f64().unwrap()))
        .collect();
    let next = points.iter().cycle().skip(1);
    let crossings = points
        .iter()
        .zip(next)
        .filter(|(a, b)| (a.1 > y) != (b.1 > y) && x < (b.0 - a.0) * (y - a.1) / (b.1 - a.1) + a.0);
    crossings.count() % 2 == 1
}

#[test]
fn the_model_of_8_bit_integers_sees_the_same_person() {
    let person = |model: &str| {
        let found = on_a_photograph(model, "onnxruntime");
        let person = found.iter().find(|p| p["class"] == "person").unwrap().clone();
        ["x1", "y1", "x2", "y2"].map(|key| person["bbox"][key].as_f64().unwrap())
    };
    let (float, integer) = (person("nanodet-g-416"), person("nanodet-g-416-int8"));
    for (a, b) in float.iter().zip(integer) {
        assert!((a - b).abs() < 20.0, "{float:?} {integer:?}");
    }
}

#[test]
fn an_open_size_is_settled_by_the_option() {
    let place = Place::new();
    let picture = picture(&place, (128, 96), None, 1.0);
    let model = folder().join("yolov8-dynamic.onnx");
    let run = format!(
        "run {} --model {} --imgsz 128x96 --engine tract",
        picture.display(),
        model.display()
    );
    let records = place.output(&run).ended(0).records();
    assert_eq!(records[0]["model"]["imgsz"], serde_json::json!([128, 96]));
    // The model gives the same boxes, in pixels of its input, at any size.
    let entry = expected().into_iter().find(|e| e["file"] == "yolov8-dynamic.onnx").unwrap();
    let found = of_type(&records, "frame")[0]["predictions"].as_array().unwrap().clone();
    let wanted = entry["detections"].as_array().unwrap();
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(differs(found, wanted, true), None, "{found}");
    }
}

#[test]
fn class_names_are_never_invented() {
    let place = Place::new();
    let picture = picture(&place, (64, 64), None, 1.0);
    let run = |file: &str, more: &str| {
        let model = folder().join(file);
        let (picture, model) = (picture.display(), model.display());
        place.output(&format!("run {picture} --model {model} --engine tract {more}"))
    };
    let bare = run("yolov8-bare.onnx", "").ended(0);
    let records = bare.records();
    assert_eq!(of_type(&records, "frame")[0]["predictions"][0]["class"], "class_0");
    let stderr = bare.stderr();
    let notes: Vec<&str> = stderr.lines().collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("note: the file of 'yolov8-bare' names no classes"), "{notes:?}");
    assert!(notes[0].contains("--labels"), "{notes:?}");
    place.file("names.txt", "\u{feff}cat\r\ndog\r\nbird\r\n");
    let named = run("yolov8-bare.onnx", "--labels names.txt --classes cat").ended(0);
    assert_eq!(named.stderr(), "");
    assert_eq!(of_type(&named.records(), "frame")[0]["predictions"][0]["class"], "cat");
    // Ids of COCO's size are no evidence of COCO's names.
    let post = run("ssd-post.onnx", "").ended(0).records();
    let class = &of_type(&post, "frame")[0]["predictions"][0];
    assert_eq!(class["class"], format!("class_{}", class["class_id"]));
    let stderr = run("rfdetr-seg.onnx", "--class-names a,b").ended(2).stderr();
    let why = "has 3 classes; its last column stands for no object and has no name";
    assert!(stderr.contains(why), "{stderr}");
    run("rfdetr-seg.onnx", "--class-names a,b,c").ended(0);
    let stderr = run("rfdetr.onnx", "--class-names a,b").ended(2).stderr();
    assert!(stderr.contains("has 91 classes") && !stderr.contains("no object"), "{stderr}");
}

#[test]
fn the_models_that_are_known_have_their_names_without_a_word() {
    for model in ["nanodet-g-416", "blazeface-256", "movenet-lightning-192"] {
        let photograph = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/astronaut.jpg");
        let arguments =
            format!("run {} --model {} --engine tract", photograph.display(), known(model));
        let run = Place::new().output(&arguments).ended(0);
        assert_eq!(run.stderr(), "");
        let records = run.records();
        assert_eq!(records[0]["model"].get("names"), None);
        let class = of_type(&records, "frame")[0]["predictions"][0]["class"].clone();
        assert!(["person", "face"].iter().any(|name| class == *name), "{class}");
    }
}
