//! The commands about models and engines, and the settings of a model.

use serde_json::Value;

use crate::common::{Place, of_type, sample};
use crate::engines::library;
use crate::models::{folder, picture};

fn json(place: &Place, arguments: &str) -> Value {
    let run = place.output(arguments);
    serde_json::from_str(run.ended(0).stdout().trim()).unwrap()
}

#[test]
fn inspect_says_what_a_model_is_and_why() {
    let place = Place::new();
    let model = folder().join("yolov8.onnx");
    let said = json(&place, &format!("inspect {} --json", model.display()));
    assert_eq!(said["head"], "yolov8");
    assert_eq!(
        said["recognised_by"],
        "Ultralytics notes the task 'detect'; scores of one run lie in 0 to 1; the values of one run fit"
    );
    assert_eq!(said["class_names"], serde_json::json!(["red", "green", "blue"]));
    assert_eq!((&said["size"], &said["resize"]), (&"64x64".into(), &"letterbox".into()));
    let text = place.output(&format!("inspect {}", model.display()));
    let text = text.ended(0).stdout();
    assert!(text.contains("how sure         certain, the file says so"), "{text}");
}

#[test]
fn inspect_shows_also_what_cannot_be_used() {
    let place = Place::new();
    let model = folder().join("semantic.onnx");
    let run = place.output(&format!("inspect {} --json", model.display()));
    let said: Value = serde_json::from_str(run.ended(78).stdout().trim()).unwrap();
    assert_eq!(said["declared_outputs"][0], "output [1,64,64,1]");
    assert_eq!(said["usable"], false);
    assert!(said["hint"].as_str().unwrap().contains("--head semantic"), "{said}");
}

#[test]
fn inspect_without_a_model_lists_those_that_are_known() {
    let place = Place::new();
    let known = json(&place, "inspect --json");
    let names: Vec<&str> =
        known.as_array().unwrap().iter().map(|k| k["name"].as_str().unwrap()).collect();
    for name in ["nanodet-g-416", "nanodet-g-416-int8", "blazeface-256", "centerface"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_known_name_stands_for_one_file_only() {
    let place = Place::new();
    std::fs::create_dir(place.path("models")).unwrap();
    let run = "run synthetic:64x64@10x1 --model blazeface-256";
    let missing = place.output(run);
    let stderr = missing.ended(78).stderr();
    assert!(
        stderr.contains("the model 'blazeface-256' is not here: looked in 'models'"),
        "{stderr}"
    );
    assert!(stderr.contains("hint: 'make models'"), "{stderr}");
    std::fs::copy(folder().join("yolov8.onnx"), place.path("models/blazeface-256.onnx")).unwrap();
    let changed = place.output(run);
    let stderr = changed.ended(78).stderr();
    assert!(stderr.contains("is not the model that is known as 'blazeface-256'"), "{stderr}");
}

#[test]
fn a_file_beside_a_model_says_what_its_shapes_do_not() {
    let place = Place::new();
    std::fs::copy(folder().join("yolov8-bare.onnx"), place.path("mine.onnx")).unwrap();
    place.file("names.txt", "cat\ndog\nbird\n");
    place.file("mine.toml", "labels = 'names.txt'\nconf = 0.75\n");
    let picture = picture(&place, (64, 64), None, 1.0);
    let run = format!("run {} --model mine.onnx", picture.display());
    let classes = |more: &str| -> Vec<Value> {
        let records = place.output(&format!("{run} {more}")).ended(0).records();
        let found = of_type(&records, "frame")[0]["predictions"].as_array().unwrap().clone();
        found.iter().map(|p| p["class"].clone()).collect()
    };
    assert_eq!(classes(""), ["cat", "bird"], "0.9 and 0.8 are above 0.75");
    assert_eq!(classes("--conf 0.85"), ["cat"], "flags win");
    let printed = place.output(&format!("{run} --print-config"));
    assert!(printed.ended(0).stdout().contains("conf = 0.75  # mine.toml line 2"));
    place.file("mine.toml", "output = 'x.mp4'\n");
    let stderr = place.output(&run).ended(2).stderr().to_owned();
    assert!(stderr.contains("'output' is no setting of a model (mine.toml line 1)"), "{stderr}");
}

#[test]
fn class_names_must_fit() {
    let place = Place::new();
    let picture = picture(&place, (64, 64), None, 1.0);
    let model = folder().join("yolov8.onnx");
    let run = format!("run {} --model {} --class-names", picture.display(), model.display());
    let stderr = place.output(&format!("{run} a,b")).ended(2).stderr().to_owned();
    assert!(
        stderr.contains("2 class names are given, the model 'yolov8' has 3 classes"),
        "{stderr}"
    );
    let records = place.output(&format!("{run} a,b,c")).ended(0).records();
    assert_eq!(of_type(&records, "frame")[0]["predictions"][0]["class"], "a");
}

#[test]
fn engines_lists_what_works_and_says_why_not() {
    let place = Place::new();
    let library = library();
    let said = json(&place, &format!("engines --json --onnxruntime-lib {}", library.display()));
    assert_eq!(said[0]["engine"], "onnxruntime");
    assert_eq!(said[0]["path"], library.to_str().unwrap());
    assert!(said[0]["version"].as_str().unwrap().starts_with("1."), "{said}");
    assert_eq!(said[1]["engine"], "tract");
    place.file("broken.so", "no library");
    let text = place.output("engines --onnxruntime-lib broken.so");
    let text = text.ended(0).stdout();
    assert!(text.starts_with("onnxruntime  cannot be used: "), "{text}");
    assert!(
        text.contains("broken.so: ") && text.contains("too short"),
        "the loader's words: {text}"
    );
    assert!(text.contains("\ntract        0."), "{text}");
}

#[test]
fn a_device_that_is_named_works_or_fails() {
    let place = Place::new();
    let run =
        format!("run synthetic:64x64@10x1 --onnxruntime-lib {} --device", library().display());
    for device in ["cuda", "cuda:1", "openvino:GPU"] {
        let run = place.output(&format!("{run} {device}"));
        let stderr = run.ended(78).stderr();
        assert!(stderr.contains(&format!("the device '{device}")), "{stderr}");
        assert!(stderr.contains("hint: 'vision-pipe engines' lists the devices"), "{stderr}");
    }
    place.output(&format!("{run} cpu")).ended(0);
    let stderr = place.output(&format!("{run} cuda --engine tract")).ended(2).stderr().to_owned();
    assert!(stderr.contains("tract computes on the CPU alone"), "{stderr}");
}

#[test]
fn verify_holds_the_engines_against_each_other() {
    let place = Place::new();
    let arguments = format!(
        "verify {} --stride 10 --max-frames 4 --json --onnxruntime-lib {}",
        sample().display(),
        library().display()
    );
    let said = json(&place, &arguments);
    assert_eq!((&said["frames"], &said["within_limits"]), (&4.into(), &true.into()));
    assert!(said["tract_in_onnxruntime"]["detections"].as_u64().unwrap() > 10, "{said}");
    assert_eq!(said["outputs"].as_array().unwrap().len(), 6);
}

#[test]
fn bench_measures_stages_and_whole_runs() {
    let place = Place::new();
    let model = folder().join("yolov8.onnx");
    let arguments = format!(
        "bench synthetic:320x240@10x20 --model {} --engine tract --workers 1 --json",
        model.display()
    );
    let said = json(&place, &arguments);
    let stages: Vec<&str> =
        said["stages"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert_eq!(stages[..5], ["decode", "preprocess", "infer", "postprocess", "record"]);
    assert!(said["limit_fps"].as_f64().unwrap() > 0.0);
    assert!(said["whole"][0]["fps"].as_f64().unwrap() > 0.0);
    assert!(said["whole"][0]["peak_mb"].as_f64().unwrap() > 1.0);
    assert!(said["engine_alone"][0]["fps"].as_f64().unwrap() > 0.0);
}

#[test]
fn bench_names_a_missing_input_once() {
    let place = Place::new();
    let stderr = place.output("bench no.mp4").ended(66).stderr().to_owned();
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
}

#[test]
fn a_cascade_says_more_of_every_box() {
    let place = Place::new();
    let run = format!(
        "run {} --max-frames 2 --cascade {}",
        sample().display(),
        folder().join("classify-softmax.onnx").display()
    );
    let records = place.output(&run).ended(0).records();
    let frame = of_type(&records, "frame")[0];
    let found = frame["predictions"].as_array().unwrap();
    assert!(!found.is_empty());
    for prediction in found {
        // As `expected.json` has it for this model.
        let attribute = &prediction["attributes"][0];
        assert_eq!(attribute["model"], "classify-softmax");
        assert_eq!(attribute["class_id"], 1);
        assert_eq!(attribute["confidence"], 0.5);
    }
    let detector = folder().join("yolov8.onnx");
    let run = format!("run {} --cascade {}", sample().display(), detector.display());
    let stderr = place.output(&run).ended(2).stderr().to_owned();
    assert!(
        stderr.contains("--cascade needs a classifier, 'yolov8' is a detect model"),
        "{stderr}"
    );
}

#[test]
fn a_classifier_names_the_top_class() {
    let place = Place::new();
    let picture = picture(&place, (64, 64), None, 1.0);
    let model = folder().join("classify-logits.onnx");
    let run =
        format!("run {} --model {} --csv out.csv --ndjson -", picture.display(), model.display());
    let records = place.output(&run).ended(0).records();
    let frame = of_type(&records, "frame")[0];
    assert_eq!(frame["confidence"], 0.5);
    assert_eq!(frame["top"], frame["predictions"][0]["class"]);
    let csv = std::fs::read_to_string(place.path("out.csv")).unwrap();
    assert!(csv.lines().nth(1).unwrap().contains(",0.5,,,,,,"), "no box: {csv}");
}

#[test]
fn tiles_find_what_is_too_small_for_the_whole() {
    let place = Place::new();
    let count = |more: &str| {
        let run = format!("run {} --max-frames 5 --engine tract {more}", sample().display());
        let records = place.output(&run).ended(0).records();
        let frames = of_type(&records, "frame");
        let small = |p: &&Value| p["class"] == "person" && p["height"].as_f64().unwrap() < 60.0;
        let all = frames.iter().flat_map(|f| f["predictions"].as_array().unwrap());
        all.filter(small).count()
    };
    assert!(count("--tile 2x2") > count(""));
}
