//! A found object, before it becomes a record.

use std::sync::Arc;

use crate::geometry::{BBox, Point};

/// An object that a model found in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Where, in pixels of the source frame; `None` for a class of the whole picture.
    pub bbox: Option<BBox>,
    /// How sure the model is, 0 to 1.
    pub confidence: f32,
    /// Index of the class in the model.
    pub class_id: u32,
    /// The track it belongs to, once confirmed.
    pub tracker_id: Option<u64>,
    /// Its keypoints in the model's order, in pixels of the source frame.
    pub keypoints: Vec<Keypoint>,
    /// Its outline, closed, in pixels of the source frame; empty where the model has none.
    pub outline: Vec<Point>,
    /// The turn of an oriented box, whose four corners are the outline and may reach out of the
    /// frame: the direction of its longer side in degrees clockwise from the x axis, from 0 up to
    /// but not 180.
    pub rotation: Option<f32>,
    /// What other models say of it.
    pub attributes: Vec<Attribute>,
    /// Whether it was not found in this frame, but is where its track should be.
    pub predicted: bool,
    /// The outputs of a workflow that have it, a bit for each of the first 32.
    pub outputs: u32,
}

impl Detection {
    /// A box and nothing more.
    pub fn of_box(bbox: BBox, confidence: f32, class_id: u32) -> Self {
        Self {
            bbox: Some(bbox),
            confidence,
            class_id,
            tracker_id: None,
            keypoints: Vec::new(),
            outline: Vec::new(),
            rotation: None,
            attributes: Vec::new(),
            predicted: false,
            outputs: 0,
        }
    }
}

/// A point of an object that has a meaning, such as a left elbow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keypoint {
    /// Where, in pixels of the source frame.
    pub place: Point,
    /// 0 to 1, where the model says.
    pub confidence: Option<f32>,
}

/// What a second model says of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Name of the model.
    pub model: Arc<str>,
    /// Name of the class.
    pub class: Arc<str>,
    /// Index of the class in that model.
    pub class_id: u32,
    /// 0 to 1.
    pub confidence: f32,
}
