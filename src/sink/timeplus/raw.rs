//! A frame as the replaced program wrote it, so that its dashboards run unchanged.
//!
//! One object a frame with the outputs of its workflow: `model_detection_prediction`, a list of
//! boxes, and `model_violence_predictions`, a class of the whole picture, which only a model that
//! classifies gives. Indented by two, since its "Video Logs" panel shows the text as it is. Values
//! of which we know nothing (the place of a crop within its parent) are left out.

use serde::Serialize;

use crate::frame::Size;
use crate::record::{Corners, FrameRecord, Prediction};

/// The text of a frame.
pub fn text(record: &FrameRecord, source_id: &str) -> String {
    let inference_id = format!("{source_id}-{}", record.frame_id);
    let boxes = record.predictions.iter().filter_map(|found| {
        let bbox = found.place?.bbox;
        Some(Detected::of(found, bbox, record, &inference_id))
    });
    let frame = Frame {
        model_detection_prediction: boxes.collect(),
        model_violence_predictions: Classified::of(record, &inference_id),
    };
    // Writing our own numbers and texts into memory cannot fail.
    serde_json::to_string_pretty(&frame).unwrap_or_default()
}

#[derive(Serialize)]
struct Frame<'a> {
    model_detection_prediction: Vec<Detected<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_violence_predictions: Option<Classified<'a>>,
}

/// A box: what the replaced program made of supervision's `Detections`, with Roboflow's names.
#[derive(Serialize)]
struct Detected<'a> {
    bbox: Corners,
    confidence: f64,
    class_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracker_id: Option<u64>,
    class_name: &'a str,
    detection_id: &'a str,
    parent_id: &'a str,
    /// Height and width as numpy prints an array.
    image_dimensions: String,
    inference_id: &'a str,
    prediction_type: &'static str,
    root_parent_id: &'a str,
}

impl<'a> Detected<'a> {
    fn of(
        found: &'a Prediction,
        bbox: Corners,
        record: &'a FrameRecord,
        inference_id: &'a str,
    ) -> Self {
        let prediction_type = if !found.keypoints.is_empty() {
            "keypoint-detection"
        } else if !found.points.is_empty() {
            "instance-segmentation"
        } else {
            "object-detection"
        };
        Self {
            bbox,
            confidence: found.confidence,
            class_id: found.class_id,
            tracker_id: found.tracker_id,
            class_name: &found.class,
            detection_id: &found.detection_id,
            parent_id: &record.source,
            image_dimensions: format!("[{} {}]", record.image.height, record.image.width),
            inference_id,
            prediction_type,
            root_parent_id: &record.source,
        }
    }
}

/// A class of the whole picture.
#[derive(Serialize)]
struct Classified<'a> {
    inference_id: &'a str,
    image: Size,
    predictions: Vec<Class<'a>>,
    top: &'a str,
    confidence: f64,
}

#[derive(Serialize)]
struct Class<'a> {
    class: &'a str,
    class_id: u32,
    confidence: f64,
}

impl<'a> Classified<'a> {
    fn of(record: &'a FrameRecord, inference_id: &'a str) -> Option<Self> {
        let classes = record.predictions.iter().filter(|found| found.place.is_none());
        let class = |found: &'a Prediction| Class {
            class: &found.class,
            class_id: found.class_id,
            confidence: found.confidence,
        };
        Some(Self {
            inference_id,
            image: record.image,
            predictions: classes.map(class).collect(),
            top: record.top.as_deref()?,
            confidence: record.confidence?,
        })
    }
}
