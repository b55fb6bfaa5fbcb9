//! A found object, before it becomes a record.

use crate::geometry::BBox;

/// An object that a model found in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Where, in pixels of the source frame.
    pub bbox: BBox,
    /// How sure the model is, 0 to 1.
    pub confidence: f32,
    /// Index of the class in the model.
    pub class_id: u32,
    /// The track it belongs to, once confirmed.
    pub tracker_id: Option<u64>,
}
