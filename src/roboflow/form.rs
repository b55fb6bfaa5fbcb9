//! The request for a frame: everything but the picture is written once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Ask;
use crate::infer::family::Task;

/// What a part of a path may have as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The input of a workflow that is its picture, where nothing says otherwise.
const PICTURE: &str = "image";

/// A request without its picture.
pub(super) struct Form {
    path: String,
    /// The body up to the picture.
    before: String,
    /// The body behind it.
    after: String,
}

impl Form {
    /// What asks for `ask` with these parameters.
    pub(super) fn new(ask: &Ask, inputs: Map<String, Value>, key: Option<&str>) -> Self {
        let mut rest = Map::new();
        if let Some(key) = key {
            rest.insert("api_key".into(), key.into());
        }
        let part = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let (path, name) = match ask {
            Ask::Workflow { workspace, id } => {
                (format!("/{}/workflows/{}", part(workspace), part(id)), PICTURE.to_owned())
            }
            Ask::Specification(specification) => {
                let name = picture_input(specification, &inputs);
                rest.insert("specification".into(), specification.clone());
                ("/workflows/run".into(), name)
            }
            Ask::Model { task, .. } => {
                rest.append(&mut of_model(ask));
                return Self::with_picture("{\"image\":", path_of(*task).into(), "", &rest);
            }
        };
        let before = format!("{{\"inputs\":{{{}:", Value::from(name));
        let inputs = entries(&inputs) + "}";
        Self::with_picture(&before, path, &inputs, &rest)
    }

    fn with_picture(before: &str, path: String, inputs: &str, rest: &Map<String, Value>) -> Self {
        let before = format!("{before}{{\"type\":\"base64\",\"value\":\"");
        let after = format!("\"}}{inputs}{}}}", entries(rest));
        Self { path, before, after }
    }

    /// Where it goes.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The body with a picture.
    pub(super) fn body(&self, jpeg: &[u8]) -> Vec<u8> {
        let length = jpeg.len().div_ceil(3) * 4;
        let mut body = String::with_capacity(self.before.len() + length + self.after.len());
        body.push_str(&self.before);
        STANDARD.encode_string(jpeg, &mut body);
        body.push_str(&self.after);
        body.into_bytes()
    }
}

/// Entries of an object behind others.
fn entries(map: &Map<String, Value>) -> String {
    map.iter().map(|(name, value)| format!(",{}:{value}", Value::from(name.as_str()))).collect()
}

/// The first input of a workflow that takes a picture and is given none.
fn picture_input(specification: &Value, given: &Map<String, Value>) -> String {
    let inputs = specification["inputs"].as_array().into_iter().flatten();
    let pictures = inputs
        .filter(|input| matches!(input["type"].as_str(), Some("WorkflowImage" | "InferenceImage")));
    let mut names = pictures.filter_map(|input| input["name"].as_str());
    names.find(|name| !given.contains_key(*name)).unwrap_or(PICTURE).into()
}

fn path_of(task: Task) -> &'static str {
    match task {
        Task::Detect => "/infer/object_detection",
        Task::Classify => "/infer/classification",
        Task::Pose => "/infer/keypoints_detection",
        Task::Segment | Task::Obb => "/infer/instance_segmentation",
    }
}

fn of_model(ask: &Ask) -> Map<String, Value> {
    let Ask::Model { id, task, confidence, max_iou, agnostic, max_detections } = ask else {
        return Map::new();
    };
    let mut about = Map::new();
    about.insert("model_id".into(), id.as_str().into());
    // As it is written, not as a double that is near it.
    let decimal = |number: f32| number.to_string().parse::<f64>().unwrap_or(f64::from(number));
    about.insert("confidence".into(), json!(decimal(*confidence)));
    if *task != Task::Classify {
        about.insert("class_agnostic_nms".into(), (*agnostic).into());
        about.insert("max_detections".into(), (*max_detections).into());
        about.extend(max_iou.map(|iou| ("iou_threshold".to_owned(), json!(decimal(iou)))));
    }
    about
}
