//! The columns of rows by what they are of, as JSON: the part that each row has for itself.
//!
//! All rows of a stream have the same keys, with `null` or `""` where there is nothing: REST takes
//! the names once for many rows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{
    AttributeRecord, EventRecord, FrameRecord, KeypointRecord, LineRecord, Place, PointRecord,
    Prediction, TimingMs, ZoneRecord,
};

/// An object as JSON. Serialising our own records into memory cannot fail; were it to, the row is
/// one that the server refuses and that lands among the dead.
pub(super) fn json(object: &impl Serialize) -> String {
    serde_json::to_string(object).unwrap_or_default()
}

/// A number that JSON has.
pub(super) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// What rows of frames and of detections have in common.
#[derive(Serialize)]
pub(super) struct Picture<'a> {
    frame_width: u32,
    frame_height: u32,
    inferred: u8,
    file: &'a str,
}

impl<'a> Picture<'a> {
    pub(super) fn of(record: &'a FrameRecord) -> Self {
        Self {
            frame_width: record.image.width,
            frame_height: record.image.height,
            inferred: u8::from(record.inferred != Some(false)),
            file: record.file.as_deref().unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct DetectionPart<'a> {
    detection_id: &'a str,
    class: &'a str,
    class_id: u32,
    /// Of what has none, which a sound model does not give, 0.
    confidence: f64,
    x: Option<f64>,
    y: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
    x1: Option<f64>,
    y1: Option<f64>,
    x2: Option<f64>,
    y2: Option<f64>,
    tracker_id: Option<u64>,
    predicted: u8,
    speed_m_s: Option<f64>,
    heading_deg: Option<f64>,
    extra: String,
}

impl<'a> DetectionPart<'a> {
    pub(super) fn of(found: &'a Prediction) -> Self {
        let place = |of: fn(&Place) -> f64| finite(found.place.as_ref().map(of));
        let extra = DetectionExtra {
            keypoints: &found.keypoints,
            points: &found.points,
            rotation_deg: found.rotation_deg,
            attributes: &found.attributes,
        };
        Self {
            detection_id: &found.detection_id,
            class: &found.class,
            class_id: found.class_id,
            confidence: finite(Some(found.confidence)).unwrap_or_default(),
            x: place(|at| at.x),
            y: place(|at| at.y),
            width: place(|at| at.width),
            height: place(|at| at.height),
            x1: place(|at| at.bbox.x1),
            y1: place(|at| at.bbox.y1),
            x2: place(|at| at.bbox.x2),
            y2: place(|at| at.bbox.y2),
            tracker_id: found.tracker_id,
            predicted: u8::from(found.predicted == Some(true)),
            speed_m_s: finite(found.speed_m_s),
            heading_deg: finite(found.heading_deg),
            extra: if extra.is_some() { json(&extra) } else { String::new() },
        }
    }
}

#[derive(Serialize)]
struct DetectionExtra<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    keypoints: &'a [KeypointRecord],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    points: &'a [PointRecord],
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_deg: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attributes: &'a [AttributeRecord],
}

impl DetectionExtra<'_> {
    fn is_some(&self) -> bool {
        !(self.keypoints.is_empty() && self.points.is_empty() && self.attributes.is_empty())
    }
}

#[derive(Serialize)]
pub(super) struct FramePart<'a> {
    detections: usize,
    tracked: usize,
    classes: Vec<&'a str>,
    counts: Vec<u64>,
    top: &'a str,
    confidence: Option<f64>,
    zones: Vec<&'a str>,
    zone_counts: Vec<u64>,
    lines: Vec<&'a str>,
    lines_in: Vec<u64>,
    lines_out: Vec<u64>,
    extra: String,
}

impl<'a> FramePart<'a> {
    pub(super) fn of(record: &'a FrameRecord) -> Self {
        let mut classes = BTreeMap::new();
        for found in &record.predictions {
            *classes.entry(&*found.class).or_insert(0) += 1;
        }
        let extra =
            FrameExtra { zones: &record.zones, lines: &record.lines, timing_ms: record.timing_ms };
        Self {
            detections: record.predictions.len(),
            tracked: record.predictions.iter().filter(|found| found.tracker_id.is_some()).count(),
            classes: classes.keys().copied().collect(),
            counts: classes.into_values().collect(),
            top: record.top.as_deref().unwrap_or_default(),
            confidence: finite(record.confidence),
            zones: record.zones.iter().map(|zone| &*zone.name).collect(),
            zone_counts: record.zones.iter().map(|zone| zone.count).collect(),
            lines: record.lines.iter().map(|line| &*line.name).collect(),
            lines_in: record.lines.iter().map(|line| line.count_in).collect(),
            lines_out: record.lines.iter().map(|line| line.count_out).collect(),
            extra: if extra.is_some() { json(&extra) } else { String::new() },
        }
    }
}

#[derive(Serialize)]
struct FrameExtra<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    zones: &'a [ZoneRecord],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    lines: &'a [LineRecord],
    #[serde(skip_serializing_if = "Option::is_none")]
    timing_ms: Option<TimingMs>,
}

impl FrameExtra<'_> {
    fn is_some(&self) -> bool {
        !(self.zones.is_empty() && self.lines.is_empty()) || self.timing_ms.is_some()
    }
}

/// The keys of an event, those of its moment left out.
#[derive(Serialize)]
pub(super) struct EventPart<'a> {
    event_id: &'a str,
    event: &'a str,
    name: &'a str,
    direction: &'a str,
    count: Option<u64>,
    cause: &'a str,
    tracker_id: Option<u64>,
    class: &'a str,
    class_id: Option<u32>,
    seconds: Option<f64>,
    file: &'a str,
}

impl<'a> EventPart<'a> {
    pub(super) fn of(event: &'a EventRecord) -> Self {
        Self {
            event_id: &event.event_id,
            event: event.event.word(),
            name: event.name.as_deref().unwrap_or_default(),
            direction: event.direction.unwrap_or_default(),
            count: event.count,
            cause: event.cause.as_deref().unwrap_or_default(),
            tracker_id: event.tracker_id,
            class: event.class.as_deref().unwrap_or_default(),
            class_id: event.class_id,
            seconds: finite(event.seconds),
            file: event.file.as_deref().unwrap_or_default(),
        }
    }
}
