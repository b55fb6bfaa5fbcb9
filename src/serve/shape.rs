//! Answers in Roboflow's shapes. Coordinates are rounded to 0.01 px and confidences to four
//! places, as in our records.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::About;
use crate::detection::Detection;
use crate::frame::Size;
use crate::geometry::Point;
use crate::infer::Found;
use crate::infer::family::Task;
use crate::record::{Place, PointRecord, round};

/// The name of a task in Roboflow's registry.
pub(super) fn task_type(task: Task) -> &'static str {
    match task {
        Task::Detect => "object-detection",
        Task::Classify => "classification",
        Task::Pose => "keypoint-detection",
        // Roboflow has no oriented boxes: their corners are an outline.
        Task::Segment | Task::Obb => "instance-segmentation",
    }
}

/// What is found in a picture.
#[derive(Serialize)]
pub(super) struct Answer {
    inference_id: String,
    /// Seconds.
    time: f64,
    image: Size,
    predictions: Vec<Prediction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<Arc<str>>,
    /// Of `top`.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    visualization: Option<Value>,
}

#[derive(Serialize)]
struct Prediction {
    #[serde(flatten)]
    place: Option<Centre>,
    confidence: f64,
    class: Arc<str>,
    class_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    detection_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<NamedPoint>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<PointRecord>>,
}

/// A box by its centre.
#[derive(Serialize)]
struct Centre {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

#[derive(Serialize)]
struct NamedPoint {
    x: f64,
    y: f64,
    confidence: f64,
    class: Arc<str>,
    class_id: u32,
}

/// What `found` in a picture of `size` is in Roboflow's shape.
pub(super) fn answer(found: &Found, size: Size, about: &About, took: Duration) -> Answer {
    Answer {
        inference_id: Uuid::now_v7().to_string(),
        time: round(took.as_secs_f64(), 1e6),
        image: size,
        predictions: found.detections.iter().map(|one| prediction(one, about)).collect(),
        top: found.top.map(|(class, _)| about.labels.name(class)),
        confidence: found.top.map(|(_, sure)| share(sure)),
        visualization: None,
    }
}

fn prediction(found: &Detection, about: &About) -> Prediction {
    let place = found.bbox.as_ref().map(|bbox| {
        let Place { x, y, width, height, .. } = Place::rounded(bbox);
        Centre { x, y, width, height }
    });
    let joint = |(id, joint): (usize, &crate::detection::Keypoint)| {
        let PointRecord { x, y } = point(&joint.place);
        let confidence = joint.confidence.map_or(1.0, share);
        NamedPoint { x, y, confidence, class: about.keypoints.name(id as u32), class_id: id as u32 }
    };
    let joints = || found.keypoints.iter().enumerate().map(joint).collect();
    let outline = || found.outline.iter().map(point).collect();
    Prediction {
        detection_id: place.as_ref().map(|_| Uuid::now_v7().to_string()),
        place,
        confidence: share(found.confidence),
        class: about.labels.name(found.class_id),
        class_id: found.class_id,
        keypoints: (about.task == Task::Pose).then(joints),
        points: (about.task == Task::Segment).then(outline),
    }
}

fn share(sure: f32) -> f64 {
    round(f64::from(sure), 1e4)
}

fn point(point: &Point) -> PointRecord {
    PointRecord { x: round(f64::from(point.x), 100.0), y: round(f64::from(point.y), 100.0) }
}

/// The models that are there, of which all are ours under several names.
pub(super) fn registry<'a>(ids: impl Iterator<Item = &'a String>, about: &About) -> Value {
    let model = |id: &String| {
        json!({
            "model_id": id,
            "task_type": task_type(about.task),
            "batch_size": 1,
            "input_height": about.input.height,
            "input_width": about.input.width,
        })
    };
    json!({ "models": ids.map(model).collect::<Vec<_>>() })
}
