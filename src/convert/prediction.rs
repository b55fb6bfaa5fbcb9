//! A detection in Roboflow's keys as it is read: our own NDJSON and Roboflow's answers share them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::found::{Corners, Found, Keypoint};
use crate::frame::Size;

/// A detection in Roboflow's keys; a box has its corners in `bbox`, or its centre and size, or
/// both.
#[derive(Deserialize)]
pub(super) struct Prediction {
    x: Option<f64>,
    y: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
    bbox: Option<Edges>,
    confidence: Option<f64>,
    class: Option<String>,
    class_id: Option<u32>,
    tracker_id: Option<u64>,
    detection_id: Option<String>,
    #[serde(default)]
    keypoints: Option<Vec<Point>>,
    #[serde(default)]
    points: Option<Vec<Spot>>,
    rotation_deg: Option<f64>,
    /// Roboflow's masks that are no polygons.
    pub(super) rle: Option<serde::de::IgnoredAny>,
    speed_m_s: Option<Value>,
    heading_deg: Option<Value>,
    attributes: Option<Value>,
    predicted: Option<Value>,
}

#[derive(Deserialize)]
struct Edges {
    x1: f64,
    y1: f64,
    x2: f64,
    y2: f64,
}

#[derive(Deserialize)]
struct Point {
    x: f64,
    y: f64,
    confidence: Option<f64>,
    class: Option<String>,
    class_id: Option<u32>,
}

#[derive(Deserialize)]
struct Spot {
    x: f64,
    y: f64,
}

/// Extra keys that are there.
pub(super) fn extras<const N: usize>(keys: [(&str, Option<Value>); N]) -> Map<String, Value> {
    keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// A size that a picture can have.
pub(super) fn size(width: u32, height: u32) -> Result<Size, String> {
    let size = Size::new(width, height);
    if size.is_acceptable() { Ok(size) } else { Err(format!("{size} is no size of a picture")) }
}

impl Prediction {
    /// What it says of its class: an id, a name, or both.
    pub(super) fn class(&self) -> (Option<u32>, Option<&str>) {
        (self.class_id, self.class.as_deref().filter(|class| !class.is_empty()))
    }

    /// The same as found, with the class `class_id`.
    pub(super) fn found(self, class_id: u32) -> Found {
        let centre = (self.x, self.y, self.width, self.height);
        let corners = match (self.bbox, centre) {
            (Some(Edges { x1, y1, x2, y2 }), _) => Some(Corners { x1, y1, x2, y2 }),
            (None, (Some(x), Some(y), Some(width), Some(height))) => {
                Some(Corners::of_centre([x, y, width, height]))
            }
            _ => None,
        };
        let keypoints = self.keypoints.unwrap_or_default().into_iter().zip(0..);
        let points: Vec<_> = self.points.unwrap_or_default();
        Found {
            corners,
            confidence: self.confidence,
            class: self.class.filter(|class| !class.is_empty()),
            class_id,
            tracker_id: self.tracker_id,
            detection_id: self.detection_id,
            keypoints: keypoints.map(|(point, at)| point.keypoint(at)).collect(),
            rotation_deg: self.rotation_deg.filter(|_| points.len() == 4),
            points: points.iter().map(|at| [at.x, at.y]).collect(),
            extras: extras([
                ("speed_m_s", self.speed_m_s),
                ("heading_deg", self.heading_deg),
                ("attributes", self.attributes),
                ("predicted", self.predicted),
            ]),
        }
    }
}

impl Point {
    /// The same as found, of which `at` is the place in the list.
    fn keypoint(self, at: u32) -> Keypoint {
        let class = self.class.filter(|class| !class.is_empty());
        Keypoint {
            x: self.x,
            y: self.y,
            confidence: self.confidence,
            class: class.unwrap_or_else(|| format!("keypoint_{at}")),
            class_id: self.class_id.unwrap_or(at),
        }
    }
}
