//! What all formats are turned into on the way: one frame and what was found in it.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::frame::Size;

/// Namespace of the ids that are derived; the project's own.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_41d2_7a4b_4d5e_9f3a_52c1_88e7_d0b6);

/// Largest position that is accepted, in pixels from the origin to either side. Tracks may go on
/// outside of a picture, but not that far.
const MAX_POSITION: f64 = 1e6;

/// One frame and what was found in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameFound {
    /// Name of the source.
    pub source: String,
    /// 0-based index of the frame in its source.
    pub frame_id: u64,
    /// Presentation time from the start of the stream, seconds.
    pub pts_s: Option<f64>,
    /// UTC, RFC 3339.
    pub ts: Option<String>,
    /// The picture's file, where the source is pictures.
    pub file: Option<String>,
    /// Width and height of the frame in pixels, where that is known.
    pub size: Option<Size>,
    /// What was found, in the order of the input.
    pub boxes: Vec<Found>,
    /// Keys that only our own records have: `top`, `confidence`, `zones`, `lines`, `timing_ms`.
    pub extras: Map<String, Value>,
}

/// One detection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Where; `None` for a class of the whole picture.
    pub corners: Option<Corners>,
    /// 0 to 1; `None` where the format does not say.
    pub confidence: Option<f64>,
    /// Name of the class; `None` where the format does not say.
    pub class: Option<String>,
    /// Index of the class in the model.
    pub class_id: u32,
    /// The track, from 1.
    pub tracker_id: Option<u64>,
    /// Its id as the format has it.
    pub detection_id: Option<String>,
    /// Keypoints in the model's order.
    pub keypoints: Vec<Keypoint>,
    /// The outline, closed, pixels.
    pub points: Vec<[f64; 2]>,
    /// Direction of the longer side of an oriented box, degrees clockwise from the x axis, from 0 up
    /// to but not 180; the outline is then the four corners clockwise.
    pub rotation_deg: Option<f64>,
    /// Keys that only our own records have: `speed_m_s`, `heading_deg`, `attributes`.
    pub extras: Map<String, Value>,
}

/// The corners of a box in pixels of the frame; they may lie outside of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Corners {
    /// Left edge.
    pub x1: f64,
    /// Upper edge.
    pub y1: f64,
    /// Right edge, not left of `x1`.
    pub x2: f64,
    /// Lower edge, not above `y1`.
    pub y2: f64,
}

impl Corners {
    /// Of the upper left corner, width and height.
    pub(super) fn of_corner([x, y, width, height]: [f64; 4]) -> Self {
        Self { x1: x, y1: y, x2: x + width, y2: y + height }
    }

    /// Of the centre, width and height.
    pub(super) fn of_centre([x, y, width, height]: [f64; 4]) -> Self {
        Self::of_corner([x - width / 2.0, y - height / 2.0, width, height])
    }

    /// The smallest box around points; `None` where there are none.
    pub(super) fn around(points: &[[f64; 2]]) -> Option<Self> {
        let mut points = points.iter();
        let &[x, y] = points.next()?;
        let first = Self { x1: x, y1: y, x2: x, y2: y };
        Some(points.fold(first, |box_, &[x, y]| Self {
            x1: box_.x1.min(x),
            y1: box_.y1.min(y),
            x2: box_.x2.max(x),
            y2: box_.y2.max(y),
        }))
    }

    /// Width in pixels.
    pub fn width(&self) -> f64 {
        self.x2 - self.x1
    }

    /// Height in pixels.
    pub fn height(&self) -> f64 {
        self.y2 - self.y1
    }
}

/// A keypoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Keypoint {
    /// Pixels from the left.
    pub x: f64,
    /// Pixels from the top.
    pub y: f64,
    /// 0 to 1, where the model says.
    pub confidence: Option<f64>,
    /// What it is, such as `left_elbow`.
    pub class: String,
    /// Its place in the model's order.
    pub class_id: u32,
}

impl Found {
    /// Its class in words, `class_7` where it has no name.
    pub(super) fn class(&self) -> String {
        self.class.clone().unwrap_or_else(|| class_of(self.class_id))
    }

    /// The confidence, of which a format that has none is sure.
    pub(super) fn sureness(&self) -> f64 {
        self.confidence.unwrap_or(1.0)
    }

    /// Whether all its numbers can be used; if not, what is wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        let corners = self.corners.iter().flat_map(|at| [at.x1, at.y1, at.x2, at.y2]);
        let keypoints = self.keypoints.iter().flat_map(|point| [point.x, point.y]);
        let mut positions = corners.chain(keypoints).chain(self.points.iter().flatten().copied());
        if let Some(bad) = positions.find(|at| !at.is_finite() || at.abs() > MAX_POSITION) {
            return Err(format!("{bad} is no position in a picture"));
        }
        let sure = self.keypoints.iter().filter_map(|point| point.confidence);
        if let Some(bad) = sure.chain(self.confidence).find(|sure| !sure.is_finite()) {
            return Err(format!("{bad} is no confidence"));
        }
        if self.corners.is_some_and(|at| at.width() < 0.0 || at.height() < 0.0) {
            return Err("the box has a negative width or height".into());
        }
        if let Some(bad) = self.rotation_deg.filter(|turn| !(0.0..180.0).contains(turn)) {
            return Err(format!("{bad} is no direction from 0 up to but not 180 degrees"));
        }
        Ok(())
    }
}

/// The name of a class without one.
pub(super) fn class_of(id: u32) -> String {
    format!("class_{id}")
}

/// An id for a detection without one: the same in every conversion of the same records.
pub(super) fn derived_id(source: &str, frame_id: u64, index: usize) -> String {
    let name = format!("converted/{source}/{frame_id}/{index}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// Whether `id` is written as our records have it: lower case, version 5 or 7.
pub(super) fn is_ours(id: &str) -> bool {
    let version = Uuid::try_parse(id).map(|uuid| (uuid.get_version_num(), uuid.to_string()));
    matches!(version, Ok((5 | 7, text)) if text == id)
}
