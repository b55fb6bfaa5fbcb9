//! Against a strict scripted server, with answers in Roboflow's shapes.

use serde_json::json;

use super::*;
use crate::frame::Size;
use crate::infer::labels::Labels;
use crate::net::fake::{Reply, Request, Server, code};
use crate::net::http;

fn settings(server: &Server, ask: Ask) -> Settings {
    Settings {
        server: http::address(&server.url("")).unwrap(),
        is_usual: false,
        ask,
        inputs: Map::new(),
        picture: None,
        quality: 90,
        key: Some("s3cret".into()),
        skip_failed: false,
        classes: None,
        max_detections: 300,
        labels: Labels::learning(),
        keypoints: Labels::learning(),
        patience: Duration::from_secs(5),
    }
}

fn workflow() -> Ask {
    Ask::Workflow { workspace: "us".into(), id: "count people".into() }
}

fn model(task: Task) -> Ask {
    let (id, confidence, max_iou) = ("hats/3".into(), 0.1, Some(0.5));
    Ask::Model { id, task, confidence, max_iou, agnostic: false, max_detections: 300 }
}

fn says(body: &Value) -> Reply {
    Reply::Code(200, String::new(), body.to_string().into_bytes())
}

fn fails(code: u16, body: &Value) -> Reply {
    Reply::Code(code, String::new(), body.to_string().into_bytes())
}

fn picture() -> Image {
    Image::filled(Size::new(64, 48), [10, 200, 30])
}

fn body(request: &Request) -> Value {
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(!request.path.contains("s3cret"), "the key is in the address");
    serde_json::from_slice(&request.body).unwrap()
}

/// The picture of a request as it is read back.
fn sent(image: &Value) -> image::RgbImage {
    use base64::Engine as _;
    assert_eq!(image["type"], "base64");
    let bytes = base64::engine::general_purpose::STANDARD.decode(image["value"].as_str().unwrap());
    image::load_from_memory(&bytes.unwrap()).unwrap().into_rgb8()
}

fn person(id: &str) -> Value {
    json!({"x": 32.0, "y": 24.0, "width": 10.0, "height": 20.0, "confidence": 0.75,
           "class": "person", "class_id": 0, "detection_id": id, "parent_id": "image"})
}

#[test]
fn a_frame_goes_to_a_workflow_and_every_output_is_kept() {
    let mut tracked = person("a");
    tracked["tracker_id"] = 7.into();
    let png = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let red = image::RgbImage::from_pixel(64, 48, image::Rgb([255, 0, 0]));
        red.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes.into_inner())
    };
    let shown = json!({"type": "base64", "value": png, "video_metadata": {}});
    let size = json!({"width": 64, "height": 48});
    let server = Server::start(vec![says(&json!({"outputs": [{
        "found": {"image": size, "predictions": [person("a"), person("b")]},
        "tracked": {"image": size, "predictions": [tracked]},
        "count": 2, "nothing": null,
        "crops": [shown, shown],
        "mixed": {"picture": shown, "text": "hi"},
        "visualization": shown,
    }], "profiler_trace": []}))]);
    let mut settings = settings(&server, workflow());
    settings.inputs.insert("least".into(), json!(0.5));
    settings.picture = Some("visualization".into());
    let labels = settings.labels.clone();
    let found = RoboflowDetector::new(settings).detect(&picture()).unwrap();

    let request = server.request();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/us/workflows/count%20people")
    );
    let body = body(&request);
    assert_eq!((&body["api_key"], &body["inputs"]["least"]), (&json!("s3cret"), &json!(0.5)));
    let jpeg = sent(&body["inputs"]["image"]);
    assert_eq!(jpeg.dimensions(), (64, 48));
    let green = jpeg.get_pixel(30, 20).0;
    assert!(green.iter().zip([30u8, 200, 10]).all(|(a, b)| a.abs_diff(b) < 5), "{green:?}");

    let boxes: Vec<_> =
        found.detections.iter().map(|one| (one.bbox.unwrap(), one.tracker_id)).collect();
    let bbox = crate::geometry::BBox::new(27.0, 14.0, 37.0, 34.0);
    assert_eq!(boxes, [(bbox, Some(7)), (bbox, None)]);
    let names: Vec<_> = found.names.iter().flat_map(|names| names.iter()).collect();
    assert!(names.iter().all(|output| output.value.is_none()));
    assert_eq!(names.iter().map(|output| &*output.name).collect::<Vec<_>>(), ["found", "tracked"]);
    let outputs: Vec<_> = found.detections.iter().map(|one| one.outputs).collect();
    assert_eq!(outputs, [0b11, 0b01]);
    assert_eq!((&*labels.name(0), found.detections[0].confidence), ("person", 0.75));
    let others = Value::Object((*found.outputs.unwrap()).clone());
    assert_eq!(others, json!({"count": 2, "mixed": {"text": "hi"}}));
    assert_eq!(found.picture.unwrap().bytes()[..3], [0, 0, 255]);
}

#[test]
fn a_specification_is_sent_along_and_names_the_picture() {
    let server = Server::start(vec![says(&json!({"outputs": [{"n": 1}]}))]);
    let specification = json!({"version": "1.0", "steps": [], "outputs": [], "inputs": [
        {"type": "WorkflowImage", "name": "template"}, {"type": "WorkflowParameter", "name": "p"},
        {"type": "WorkflowImage", "name": "frame"}]});
    let mut settings = settings(&server, Ask::Specification(specification.clone()));
    settings.inputs.insert("template".into(), json!({"type": "base64", "value": "YWJj"}));
    settings.key = None;
    let found = RoboflowDetector::new(settings).detect(&picture()).unwrap();
    assert!(found.detections.is_empty() && found.outputs.is_some());
    let request = server.request();
    assert_eq!(request.path, "/workflows/run");
    let body = body(&request);
    assert_eq!(body["specification"], specification);
    assert_eq!(body["inputs"]["template"]["value"], "YWJj");
    assert_eq!(sent(&body["inputs"]["frame"]).dimensions(), (64, 48));
    assert!(body.get("api_key").is_none());
}

#[test]
fn models_of_every_kind_are_asked_at_their_own_address() {
    let pose = json!({"image": {"width": 64, "height": 48}, "predictions": [{
        "x": 1.0, "y": 2.0, "width": 2.0, "height": 4.0, "confidence": 0.5, "class": "p", "class_id": 0,
        "keypoints": [{"x": 3.0, "y": 4.0, "confidence": 0.9, "class_id": 2, "class": "nose"}]}]});
    let segment = json!({"predictions": [{
        "x": 1.0, "y": 2.0, "width": 2.0, "height": 4.0, "confidence": 0.5, "class": "p", "class_id": 0,
        "points": [{"x": 0.0, "y": 0.0}, {"x": 2.0, "y": 0.0}, {"x": 2.0, "y": 4.0}]}]});
    let classes = json!({"predictions": [
        {"class": "cat", "class_id": 3, "confidence": 0.75},
        {"class": "dog", "class_id": 4, "confidence": 0.25}], "top": "cat", "confidence": 0.75});
    let several = json!({"predictions": {
        "cat": {"confidence": 0.75, "class_id": 3}, "dog": {"confidence": 0.5, "class_id": 4}},
        "predicted_classes": ["cat", "dog"]});
    let server = Server::start([&pose, &segment, &classes, &several].map(says).into());
    let ask = |task| {
        let settings = settings(&server, model(task));
        let keypoints = settings.keypoints.clone();
        let found = RoboflowDetector::new(settings).detect(&picture()).unwrap();
        (found, keypoints, server.request())
    };
    let (found, names, request) = ask(Task::Pose);
    assert_eq!(request.path, "/infer/keypoints_detection");
    let body = body(&request);
    assert_eq!(body["model_id"], "hats/3");
    assert_eq!((&body["confidence"], &body["iou_threshold"]), (&json!(0.1), &json!(0.5)));
    let keypoints = &found.detections[0].keypoints;
    assert_eq!(
        (keypoints.len(), keypoints[0].confidence, keypoints[2].place.x),
        (3, Some(0.0), 3.0)
    );
    assert_eq!(&*names.name(2), "nose");
    let (found, _, request) = ask(Task::Segment);
    assert_eq!(
        (request.path.as_str(), found.detections[0].outline.len()),
        ("/infer/instance_segmentation", 3)
    );
    let (found, _, request) = ask(Task::Classify);
    assert_eq!((request.path.as_str(), found.top), ("/infer/classification", Some((3, 0.75))));
    assert_eq!((found.detections.len(), found.detections[0].bbox), (2, None));
    let (found, _, _) = ask(Task::Classify);
    assert_eq!((found.top, found.detections[1].class_id), (None, 4));
}

#[test]
fn what_lies_outside_the_frame_is_cut_off() {
    let (mut part, mut none) = (person("a"), person("b"));
    (part["x"], none["x"]) = (json!(2.0), json!(-90.0));
    part["points"] = json!([{"x": -3.0, "y": 14.0}, {"x": 7.0, "y": 99.0}]);
    let server = Server::start(vec![says(&json!({"predictions": [part, none]}))]);
    let detector = RoboflowDetector::new(settings(&server, model(Task::Segment)));
    let found = detector.detect(&picture()).unwrap().detections;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].bbox, Some(crate::geometry::BBox::new(0.0, 14.0, 7.0, 34.0)));
    let corners: Vec<_> = found[0].outline.iter().map(|point| (point.x, point.y)).collect();
    assert_eq!(corners, [(0.0, 14.0), (7.0, 48.0)]);
}

#[test]
fn only_wanted_classes_are_kept() {
    let mut hat = person("b");
    (hat["class"], hat["class_id"]) = ("hat".into(), 5.into());
    let answer = says(&json!({"predictions": [person("a"), hat]}));
    let server = Server::start(vec![answer.clone(), answer]);
    for (wanted, id) in [("Hat", 5), ("0", 0)] {
        let settings = Settings {
            classes: Some(vec![wanted.into()]),
            ..settings(&server, model(Task::Detect))
        };
        let found = RoboflowDetector::new(settings).detect(&picture()).unwrap();
        assert_eq!(found.detections.iter().map(|one| one.class_id).collect::<Vec<_>>(), [id]);
    }
}

#[test]
fn busy_and_broken_servers_are_asked_again() {
    let wait = "Retry-After: 0\r\n".to_owned();
    let server = Server::start(vec![
        code(503),
        Reply::Code(429, wait, Vec::new()),
        Reply::Close,
        says(&json!({"predictions": []})),
    ]);
    let detector = RoboflowDetector::new(settings(&server, model(Task::Detect)));
    assert!(detector.detect(&picture()).unwrap().detections.is_empty());
}

fn error(reply: Reply, change: impl Fn(&mut Settings)) -> InferError {
    let server = Server::start(vec![reply]);
    let mut settings = settings(&server, workflow());
    settings.patience = Duration::ZERO;
    change(&mut settings);
    RoboflowDetector::new(settings).detect(&picture()).unwrap_err()
}

#[test]
fn errors_say_whose_fault_it_is_and_what_to_do() {
    let refused = json!({"message": "Unauthorized api_key s3cret"});
    let with_key = error(fails(401, &refused), |_| {});
    assert_eq!(with_key.fault(), Some(Fault::Setup));
    assert!(!with_key.to_string().contains("s3cret"), "{with_key}");
    let without = error(fails(401, &refused), |settings| settings.key = None);
    assert_eq!(without.hint(), Some("set ROBOFLOW_API_KEY"));
    let bad = json!({"message": "Error while parsing", "error_type": "WorkflowSyntaxError",
                     "inner_error_message": "step type\n'x' is not known"});
    let bad = error(fails(400, &bad), |_| {});
    assert_eq!(bad.fault(), Some(Fault::Model));
    assert!(bad.to_string().ends_with("(400): step type 'x' is not known"), "{bad}");
    let away = json!({"message": "Internal error. Could not connect to Roboflow API."});
    let away = error(fails(503, &away), |_| {});
    assert_eq!(away.fault(), Some(Fault::Away));
    assert!(away.to_string().contains("(503): Internal error. Could not"), "{away}");
    let page = error(Reply::Code(200, String::new(), b"<html>".to_vec()), |_| {});
    assert_eq!(page.fault(), Some(Fault::Answer));
    for other in [json!([]), json!({"outputs": []}), json!({"outputs": 3})] {
        assert_eq!(error(says(&other), |_| {}).fault(), Some(Fault::Answer), "{other}");
    }
    let none = error(says(&json!({"outputs": [{"n": 1}]})), |settings| {
        settings.picture = Some("drawn".into());
    });
    assert_eq!((none.fault(), none.hint().unwrap().contains("leave")), (Some(Fault::Setup), true));
}

#[test]
fn numbers_that_are_none_are_refused() {
    for (key, value) in [("x", json!(1e300)), ("width", json!(null)), ("confidence", json!("a"))] {
        let mut wrong = person("a");
        wrong[key] = value;
        let server = Server::start(vec![says(&json!({"predictions": [wrong]}))]);
        let settings = settings(&server, model(Task::Detect));
        let error = RoboflowDetector::new(settings).detect(&picture()).unwrap_err();
        assert_eq!(error.fault(), Some(Fault::Answer), "{key}");
    }
}

#[test]
fn nobody_there_is_known_before_the_first_frame() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Server::start(vec![code(404)]);
    let mut here = settings(&server, workflow());
    assert!(RoboflowDetector::new(settings(&server, workflow())).greet().is_ok());
    here.server = http::address(&format!("http://127.0.0.1:{port}")).unwrap();
    here.is_usual = true;
    let error = RoboflowDetector::new(here).greet().unwrap_err();
    assert_eq!(error.fault(), Some(Fault::Away));
    let hint = error.hint().unwrap();
    assert!(hint.contains("inference server start") && hint.contains("--roboflow-url hosted"));
}

#[test]
fn a_frame_that_fails_is_skipped_but_no_wrong_key() {
    let server = Server::start(vec![code(503), code(401)]);
    let mut settings = settings(&server, workflow());
    (settings.skip_failed, settings.patience) = (true, Duration::ZERO);
    let detector = RoboflowDetector::new(settings);
    assert_eq!(detector.detect(&picture()).unwrap().basis, Basis::Failed);
    assert_eq!(detector.detect(&picture()).unwrap_err().fault(), Some(Fault::Setup));
}
