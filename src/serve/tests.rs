//! Through real connections, with a model that plays what the picture says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::detection::{Detection, Keypoint};
use crate::geometry::{BBox, Point};

/// The most that any test here waits for something.
const BOUND: Duration = Duration::from_secs(20);

/// Finds one object as large as the picture; black pictures are a bug, and each waits for a word
/// where there is somebody to give it.
#[derive(Default)]
struct Plays {
    wishes: Mutex<Vec<Wish>>,
    gate: Option<Receiver<()>>,
}

impl Model for Plays {
    fn look(&self, image: &Image, wish: &Wish) -> Result<Found, InferError> {
        assert!(image.bytes()[0] > 9, "a black picture");
        if let Some(gate) = &self.gate {
            gate.recv_timeout(BOUND).unwrap();
        }
        self.wishes.lock().unwrap().push(wish.clone());
        let Size { width, height } = image.size();
        let bbox = BBox::new(0.0, 0.0, width as f32, height as f32);
        let point = Point { x: 1.0, y: 2.0 };
        let found = Detection {
            keypoints: vec![Keypoint { place: point, confidence: Some(0.5) }],
            outline: vec![point],
            ..Detection::of_box(bbox, 0.75, 2)
        };
        Ok(Found { detections: vec![found], ..Found::default() })
    }
}

struct Gives(&'static str);

impl Fetch for Gives {
    fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        if url == self.0 { Ok(png(40)) } else { Err("out of reach".into()) }
    }
}

fn settings(model: Arc<Plays>) -> Settings {
    let (labels, keypoints) = (Labels::coco(), Labels::of(vec!["nose".into()]));
    let about =
        About { name: "m".into(), task: Task::Detect, input: Size::new(64, 32), labels, keypoints };
    let (host, port, workers) = ("127.0.0.1".into(), 0, 2);
    Settings { host, port, workers, model, about, model_id: None, fetch: None }
}

fn start(change: impl FnOnce(&mut Settings)) -> (Server, Arc<Plays>) {
    let model = Arc::new(Plays::default());
    let mut settings = settings(model.clone());
    change(&mut settings);
    (Server::start(settings).unwrap(), model)
}

fn png(grey: u8) -> Vec<u8> {
    let mut bytes = io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(20, 10, image::Rgb([grey; 3]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn picture(grey: u8) -> Value {
    json!({"type": "base64", "value": STANDARD.encode(png(grey))})
}

/// A client.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Status and body of the next answer.
    fn answer(&mut self) -> (u16, Value) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            if let Some(text) = line.strip_prefix("Content-Length: ") {
                length = text.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        let text = || Value::from(String::from_utf8_lossy(&body));
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| text()))
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        self.send(&format!("{method} {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"));
        self.answer()
    }

    fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, &body.to_string())
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 16]), Ok(0) | Err(_))
    }
}

#[test]
fn a_picture_is_answered_in_roboflows_shape() {
    let (server, model) = start(|_| {});
    let mut client = Client::of(&server);
    let ask = json!({"model_id": "x/1", "image": picture(40), "confidence": 0.3, "iou_threshold": 0.5,
        "class_agnostic_nms": true, "max_detections": 7, "class_filter": ["car"], "api_key": "k",
        "visualize_predictions": false});
    let (status, mut answer) = client.post("/infer/object_detection", &ask);
    assert_eq!(status, 200, "{answer}");
    for id in [answer["inference_id"].take(), answer["predictions"][0]["detection_id"].take()] {
        assert_eq!(id.as_str().unwrap().len(), 36);
    }
    assert!(answer["time"].take().as_f64().unwrap() >= 0.0);
    let found = json!({"x": 10.0, "y": 5.0, "width": 20.0, "height": 10.0, "confidence": 0.75,
        "class": "car", "class_id": 2, "detection_id": null});
    let expected = json!({"inference_id": null, "time": null, "image": {"width": 20, "height": 10},
        "predictions": [found], "visualization": null});
    assert_eq!(answer, expected);
    let wish = Wish {
        confidence: Some(0.3),
        max_iou: Some(0.5),
        agnostic: Some(true),
        max_detections: Some(7),
        classes: Some(vec!["car".into()]),
    };
    assert_eq!(model.wishes.lock().unwrap()[0], wish);
    let ask = json!({"model_id": "x/1", "image": [picture(40), picture(50)]});
    let (status, answers) = client.post("/infer/object_detection", &ask);
    assert_eq!((status, answers.as_array().unwrap().len()), (200, 2));
    assert_eq!(model.wishes.lock().unwrap()[1], Wish::default());
}

#[test]
fn the_older_way_and_other_tasks() {
    let (server, model) = start(|settings| settings.about.task = Task::Pose);
    let mut client = Client::of(&server);
    let body = STANDARD.encode(png(40));
    let (status, answer) = client.ask("POST", "/x/1?api_key=k&confidence=30&overlap=50", &body);
    assert_eq!(status, 200, "{answer}");
    let joint = json!({"x": 1.0, "y": 2.0, "confidence": 0.5, "class": "nose", "class_id": 0});
    assert_eq!(answer["predictions"][0]["keypoints"], json!([joint]));
    let wish = Wish { confidence: Some(0.3), max_iou: Some(0.5), ..Wish::default() };
    assert_eq!(model.wishes.lock().unwrap()[0], wish);
    let ask = json!({"model_id": "x/1", "image": picture(40)});
    assert_eq!(client.post("/infer/keypoints_detection", &ask).0, 200);
    let (status, answer) = client.post("/infer/object_detection", &ask);
    assert_eq!((status, &answer["message"]), (400, &json!("the model does keypoint-detection")));
}

#[test]
fn the_registry_knows_what_is_asked_for() {
    let (server, _) = start(|_| {});
    let mut client = Client::of(&server);
    let names = |(status, answer): (u16, Value)| {
        assert_eq!(status, 200, "{answer}");
        let models = answer["models"].as_array().unwrap().clone();
        models.iter().map(|one| one["model_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(client.ask("GET", "/model/registry?api_key=k", "")).is_empty());
    let (_, added) = client.post("/model/add", &json!({"model_id": "x/1", "api_key": "k"}));
    let entry = json!({"model_id": "x/1", "task_type": "object-detection", "batch_size": 1,
        "input_height": 32, "input_width": 64});
    assert_eq!(added, json!({"models": [entry]}));
    assert_eq!(names(client.post("/model/add", &json!({"model_id": "y/2"}))), ["x/1", "y/2"]);
    assert_eq!(names(client.post("/model/remove", &json!({"model_id": "x/1"}))), ["y/2"]);
    assert!(names(client.ask("POST", "/model/clear", "")).is_empty());
    for i in 0..100 {
        assert!(names(client.post("/model/add", &json!({"model_id": format!("{i}")}))).len() <= 64);
    }

    let (server, _) = start(|settings| settings.model_id = Some("own/3".into()));
    let mut client = Client::of(&server);
    assert_eq!(names(client.ask("POST", "/model/clear", "")), ["own/3"]);
    let ask = |id: &str| json!({"model_id": id, "image": picture(40)});
    assert_eq!(client.post("/infer/object_detection", &ask("own/3")).0, 200);
    for (path, body) in [
        ("/infer/object_detection", ask("x/1")),
        ("/infer/object_detection", json!({"image": picture(40)})),
        ("/model/add", ask("x/1")),
        ("/x/1", json!(null)),
    ] {
        assert_eq!(client.post(path, &body).0, 404, "{path}");
    }
}

#[test]
fn what_it_is_and_how_it_is() {
    let (server, _) = start(|_| {});
    let mut client = Client::of(&server);
    let (status, info) = client.ask("GET", "/info", "");
    assert_eq!((status, &info["name"]), (200, &json!("vision-pipe")));
    assert!(info["version"].is_string() && info["uuid"].is_string());
    assert_eq!(client.ask("GET", "/healthz", ""), (200, json!({"status": "healthy"})));
    let ask = json!({"model_id": "x/1", "image": picture(40)});
    assert_eq!(client.post("/infer/object_detection", &ask).0, 200);
    let (_, metrics) = client.ask("GET", "/metrics", "");
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("vision_pipe_requests_total{code=\"200\"} 3"), "{metrics}");
    assert!(metrics.contains("vision_pipe_pictures_total 1\n"), "{metrics}");
    assert_eq!(client.ask("GET", "/nothing", "").0, 404);
    assert_eq!(client.ask("GET", "/infer/object_detection", "").0, 405);
}

#[test]
fn requests_that_are_wrong_are_refused_and_the_connection_goes_on() {
    let (server, _) = start(|_| {});
    let mut client = Client::of(&server);
    let cut = STANDARD.encode(&png(40)[..30]);
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
    encoder.encode(&[40; 64 * 64 * 3], 64, 64, jpeg_encoder::ColorType::Rgb).unwrap();
    let half = STANDARD.encode(&jpeg[..jpeg.len() - 20]);
    for (body, word) in [
        (json!({"model_id": "x"}), "image"),
        (json!({"image": {"type": "base64", "value": "?"}}), "base 64"),
        (json!({"image": {"type": "base64", "value": cut}}), "picture"),
        (json!({"image": {"type": "base64", "value": half}}), "the picture is cut"),
        (json!({"image": {"type": "numpy", "value": ""}}), "type"),
        (json!({"image": {"type": "url", "value": "http://h/"}}), "not fetched"),
        (json!({"image": picture(40), "confidence": 1.5}), "confidence"),
        (json!({"image": []}), "pictures"),
        (json!([]), "body"),
    ] {
        let (status, answer) = client.post("/infer/object_detection", &body);
        assert_eq!(status, 400, "{body}");
        assert!(answer["message"].as_str().unwrap().contains(word), "{answer}");
    }
    let ask = json!({"model_id": "x/1", "image": picture(0)});
    assert_eq!(client.post("/infer/object_detection", &ask).0, 500, "a bug in the model");
    let ask = json!({"model_id": "x/1", "image": picture(40)});
    for _ in 0..3 {
        assert_eq!(client.post("/infer/object_detection", &ask).0, 200);
    }
}

#[test]
fn pictures_at_addresses_are_fetched_where_that_is_allowed() {
    let (server, _) = start(|settings| settings.fetch = Some(Box::new(Gives("http://h/a.png"))));
    let mut client = Client::of(&server);
    let ask = |url: &str| json!({"model_id": "x/1", "image": {"type": "url", "value": url}});
    assert_eq!(client.post("/infer/object_detection", &ask("http://h/a.png")).0, 200);
    let (status, answer) = client.post("/infer/object_detection", &ask("http://h/b.png"));
    assert_eq!((status, &answer["message"]), (400, &json!("out of reach")));
    assert_eq!(client.ask("POST", "/x/1?image=http://h/a.png", "").0, 200);
}

#[test]
fn bodies_and_heads_are_bounded() {
    let (server, _) = start(|_| {});
    for (head, status) in [
        ("POST /infer/object_detection HTTP/1.1\r\nContent-Length: 99999999", 413),
        ("POST /infer/object_detection HTTP/1.1\r\nTransfer-Encoding: chunked", 411),
        ("NONSENSE", 400),
    ] {
        let mut client = Client::of(&server);
        client.send(&format!("{head}\r\n\r\n"));
        assert_eq!(client.answer().0, status, "{head}");
        assert!(client.is_closed());
    }
    let mut client = Client::of(&server);
    client.send(&format!("GET /info HTTP/1.1\r\nA: {}", "x".repeat(20_000)));
    assert_eq!(client.answer().0, 431);
}

#[test]
fn requests_on_one_connection_are_answered_in_turn() {
    let (server, _) = start(|_| {});
    let mut client = Client::of(&server);
    client.send("GET /info HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\nGET /no HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().1["name"], "vision-pipe");
    assert_eq!(client.answer().1, json!({"status": "healthy"}));
    assert_eq!(client.answer().0, 404);
    let body = json!({"model_id": "x/1"}).to_string();
    let length = body.len();
    client.send(&format!(
        "POST /model/add HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    ));
    let mut line = String::new();
    client.0.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    client.0.read_line(&mut line).unwrap();
    client.send(&body);
    assert_eq!(client.answer().0, 200);
    client.send("GET /info HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!(client.answer().0, 200);
    assert!(client.is_closed());
}

#[test]
fn clients_that_send_nothing_hold_nobody_up() {
    let (server, _) = start(|_| {});
    let slow: Vec<Client> = (0..400)
        .map(|_| {
            let mut client = Client::of(&server);
            client.0.get_mut().write_all(b"POST /infer/object_detection HTTP/1.1\r\nConte").ok();
            client
        })
        .collect();
    let ask = json!({"model_id": "x/1", "image": picture(40)});
    for _ in 0..5 {
        assert_eq!(Client::of(&server).post("/infer/object_detection", &ask).0, 200);
    }
    drop(slow);
}

#[test]
fn a_stop_answers_what_is_asked() {
    let (go, gate) = bounded(1);
    let model = Arc::new(Plays { gate: Some(gate), ..Plays::default() });
    let server = Server::start(settings(model)).unwrap();
    let mut client = Client::of(&server);
    let body = json!({"model_id": "x/1", "image": picture(40)}).to_string();
    let length = body.len();
    client.send(&format!("POST /x/1 HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"));
    assert_eq!(client.answer().0, 400, "that is no base 64");
    client.send(&format!(
        "POST /infer/object_detection HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let (address, (told, stopped)) = (server.address(), bounded(1));
    // What is asked after this on another connection is behind it.
    assert_eq!(Client::of(&server).ask("GET", "/info", "").0, 200);
    let stop = move || told.send(server.stop(BOUND)).unwrap();
    Builder::new().spawn(stop).unwrap();
    go.send(()).unwrap();
    assert_eq!(client.answer().0, 200);
    assert!(client.is_closed());
    assert!(stopped.recv_timeout(BOUND).unwrap());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_address_in_use_is_said() {
    let (server, _) = start(|_| {});
    let port = server.address().port();
    let mut settings = settings(Arc::default());
    settings.port = port;
    let error = Server::start(settings).err().unwrap();
    assert!(matches!(error, ServeError::InUse { .. }), "{error}");
}
