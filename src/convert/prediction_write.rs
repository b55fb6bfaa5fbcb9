//! A detection in Roboflow's keys as it is written: our own NDJSON and Roboflow's answers share
//! them. Positions are brought into the picture and rounded to 0.01 px, confidences to 4 places.

use serde::Serialize;
use serde_json::{Map, Value};

use super::found::{Corners, Found, FrameFound, Keypoint, derived_id, is_ours};
use super::notes::{Note, Notes};
use crate::frame::Size;
use crate::record::round;

/// A detection in Roboflow's keys, with the corners too.
#[derive(Serialize)]
pub(super) struct Prediction {
    #[serde(flatten)]
    pub(super) place: Option<Place>,
    pub(super) confidence: f64,
    pub(super) class: String,
    pub(super) class_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tracker_id: Option<u64>,
    pub(super) detection_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keypoints: Vec<PointLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    points: Vec<Spot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_deg: Option<f64>,
    #[serde(flatten)]
    extras: Map<String, Value>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    pub(super) bbox: Edges,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Edges {
    pub(super) x1: f64,
    pub(super) y1: f64,
    pub(super) x2: f64,
    pub(super) y2: f64,
    width: f64,
    height: f64,
}

#[derive(Serialize)]
struct PointLine {
    x: f64,
    y: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    class: String,
    class_id: u32,
}

#[derive(Serialize)]
struct Spot {
    x: f64,
    y: f64,
}

/// Pixels, two places.
fn pixels(at: f64) -> f64 {
    round(at, 100.0)
}

/// A confidence between 0 and 1, four places.
fn sure(confidence: f64, notes: &mut Notes) -> f64 {
    if !(0.0..=1.0).contains(&confidence) {
        notes.one(Note::Clamped);
    }
    round(confidence.clamp(0.0, 1.0), 10_000.0)
}

/// The part of a box that is in a picture, its corners rounded; `None` where none is.
fn inside(at: &Corners, size: Size, notes: &mut Notes) -> Option<Corners> {
    let (right, bottom) = (f64::from(size.width), f64::from(size.height));
    if at.x1 > right || at.y1 > bottom || at.x2 < 0.0 || at.y2 < 0.0 {
        notes.one(Note::Outside);
        return None;
    }
    let cut = Corners {
        x1: pixels(at.x1.clamp(0.0, right)),
        y1: pixels(at.y1.clamp(0.0, bottom)),
        x2: pixels(at.x2.clamp(0.0, right)),
        y2: pixels(at.y2.clamp(0.0, bottom)),
    };
    let rounded =
        Corners { x1: pixels(at.x1), y1: pixels(at.y1), x2: pixels(at.x2), y2: pixels(at.y2) };
    if cut != rounded {
        notes.one(Note::Clipped);
    }
    Some(cut)
}

impl Place {
    fn of(at: &Corners) -> Self {
        let (width, height) = (pixels(at.width()), pixels(at.height()));
        let Corners { x1, y1, x2, y2 } = *at;
        Self {
            x: pixels((x1 + x2) / 2.0),
            y: pixels((y1 + y2) / 2.0),
            width,
            height,
            bbox: Edges { x1, y1, x2, y2, width, height },
        }
    }
}

/// Makes `found` a prediction of a picture of `size`; `None` where it is outside of it. `index` is
/// its place in the frame, from which an id follows where it has none of ours.
fn prediction(
    found: Found,
    frame: (&str, u64, usize),
    size: Size,
    notes: &mut Notes,
) -> Option<Prediction> {
    let place = match &found.corners {
        Some(at) => Some(Place::of(&inside(at, size, notes)?)),
        None => None,
    };
    let tracker_id = found.tracker_id.filter(|id| *id > 0);
    if tracker_id != found.tracker_id {
        notes.one(Note::TrackZero);
    }
    let class = found.class();
    let confidence = sure(found.sureness(), notes);
    let detection_id = found.detection_id.filter(|id| is_ours(id)).unwrap_or_else(|| {
        notes.one(Note::NewIds);
        derived_id(frame.0, frame.1, frame.2)
    });
    let bounds = [f64::from(size.width), f64::from(size.height)];
    let keypoints = found.keypoints.into_iter().map(|point| point_line(point, bounds)).collect();
    let inside = |[x, y]: [f64; 2]| Spot { x: within(x, bounds[0]), y: within(y, bounds[1]) };
    // Cut off, an oriented box would be no rectangle.
    let spot = |at: [f64; 2]| match found.rotation_deg {
        Some(_) => Spot { x: pixels(at[0]), y: pixels(at[1]) },
        None => inside(at),
    };
    let turn = found.rotation_deg.map(|turn| round(turn, 100.0) % 180.0);
    Some(Prediction {
        place,
        confidence,
        class,
        class_id: found.class_id,
        tracker_id,
        detection_id,
        keypoints,
        points: found.points.into_iter().map(spot).collect(),
        rotation_deg: turn,
        extras: found.extras,
    })
}

/// A position brought into the picture and rounded.
fn within(at: f64, bound: f64) -> f64 {
    pixels(at.clamp(0.0, bound))
}

fn point_line(point: Keypoint, [width, height]: [f64; 2]) -> PointLine {
    PointLine {
        x: within(point.x, width),
        y: within(point.y, height),
        confidence: point.confidence.map(|sure| round(sure.clamp(0.0, 1.0), 10_000.0)),
        class: point.class,
        class_id: point.class_id,
    }
}

/// The predictions of a frame; it keeps the rest.
pub(super) fn predictions(
    frame: &mut FrameFound,
    size: Size,
    notes: &mut Notes,
) -> Vec<Prediction> {
    let boxes = std::mem::take(&mut frame.boxes).into_iter().enumerate();
    boxes
        .filter_map(|(index, found)| {
            prediction(found, (&frame.source, frame.frame_id, index), size, notes)
        })
        .collect()
}
