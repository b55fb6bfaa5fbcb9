//! The public records, schema `vision-pipe/1`: what NDJSON consumers read.
//!
//! Fields are only ever added. `schema.json` beside this file describes the same records and
//! the tests hold every output against it. Times are seconds, positions pixels of the source.

mod event;
mod gap;
mod plan;
mod segment;
mod summary;
mod total;

use std::sync::Arc;

use serde::Serialize;

pub use event::{ClassCount, ClassCrossings, EventKind, EventRecord, LineRecord, ZoneRecord};
pub use gap::GapRecord;
pub use plan::{PlanRecord, PlanTotalRecord, VideoStreamRecord};
pub use segment::SegmentRecord;
pub use summary::{Exit, RowsRecord, StageMs, SummaryRecord};
pub use total::{FailedInput, TotalRecord};

use crate::frame::Size;
use crate::geometry::BBox;

/// The name of this schema, in every `run` record.
pub const SCHEMA: &str = "vision-pipe/1";

/// The JSON Schema of the records, as committed.
pub const JSON_SCHEMA: &str = include_str!("schema.json");

/// One line of NDJSON.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record<'a> {
    /// First line: what is run on what.
    Run(&'a RunRecord),
    /// One processed frame.
    Frame(&'a FrameRecord),
    /// One box of one frame (`--emit detections`).
    Detection(DetectionRecord<'a>),
    /// Something that happened.
    Event(&'a EventRecord),
    /// The source gave nothing for a while.
    Gap(&'a GapRecord),
    /// Last line: how it ended. A consumer that never sees it knows that the run died.
    Summary(&'a SummaryRecord),
    /// After the runs on several inputs: how they ended together.
    Total(&'a TotalRecord),
    /// Of `plan`: an input that would be run on.
    Plan(&'a PlanRecord),
    /// Of `plan`, at the end: all inputs together.
    #[serde(rename = "plan_total")]
    PlanTotal(&'a PlanTotalRecord),
}

/// What is run on what.
#[derive(Clone, Debug, Serialize)]
pub struct RunRecord {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// Unique to this run.
    pub run_id: String,
    /// Name of the source, unique in the run.
    pub source: Arc<str>,
    /// The source in numbers.
    pub input: InputInfo,
    /// Which of its frames, where not all are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentRecord>,
    /// Same for the same file content, wherever it lies.
    pub source_id: String,
    /// Same for the same model and settings that change detections, but for the least confidence
    /// and tracking: what runs on each other's detections may share.
    pub detector_id: String,
    /// Same for the same model and settings that change detections.
    pub config_id: String,
    /// Same for the same settings that show in the outputs, but for those of `config_id` and for
    /// where inputs and outputs are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_id: Option<String>,
    /// The model.
    pub model: ModelInfo,
    /// The inference engine in use.
    pub engine: String,
    /// Inference threads.
    pub workers: usize,
    /// UTC, RFC 3339 with milliseconds.
    pub started_at: String,
}

/// The source in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct InputInfo {
    /// What was opened, credentials masked.
    pub uri: String,
    /// Width of the pictures as shown (rotation applied), pixels.
    pub width: u32,
    /// Height of the pictures as shown, pixels.
    pub height: u32,
    /// Nominal frames a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Frames by the container's count, where it has one. Not evidence: see `summary.frames_read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Whether the source has no end of its own.
    pub live: bool,
    /// Where `pts_s` comes from; absent for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pts_source: Option<PtsSource>,
}

/// Where presentation times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PtsSource {
    /// From the container.
    Container,
    /// Frame index divided by the frame rate: the container has no times.
    Index,
    /// The clock at the arrival of the frame: the stream has no times.
    Clock,
}

/// The model in a `run` record.
#[derive(Clone, Debug, Serialize)]
pub struct ModelInfo {
    /// File name without its ending.
    pub name: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// `detect`, `classify`, `pose`, `segment` or `obb`.
    pub task: &'static str,
    /// Width and height of its input, pixels.
    pub imgsz: [u32; 2],
    /// `assumed` where its file names no classes and those of its kind's published weights stand
    /// in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<&'static str>,
}

/// One processed frame. It holds no clock: the same input gives the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FrameRecord {
    /// Name of the source.
    pub source: Arc<str>,
    /// 0-based index of the decoded frame in its source.
    pub frame_id: u64,
    /// Presentation time from the start of the stream, seconds; absent for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pts_s: Option<f64>,
    /// UTC, RFC 3339: `--recorded-at` plus `pts_s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<String>,
    /// The picture's file, where the source is pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// Size of the frame.
    pub image: Size,
    /// `false` where the model did not look at this frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inferred: Option<bool>,
    /// The most likely class of the whole picture, by a model that classifies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<Arc<str>>,
    /// The confidence of `top`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// What was found, most confident first.
    pub predictions: Vec<Prediction>,
    /// What else a remote engine says of the frame: by name, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Arc<serde_json::Map<String, serde_json::Value>>>,
    /// The outputs of a workflow that became predictions, in the order of the bits of
    /// [`Prediction::outputs`]; `None` of other engines. For who writes them as they came; no other
    /// output shows them.
    #[serde(skip)]
    pub names: Option<Arc<[OutputName]>>,
    /// Who is in each zone now, in the order they were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<ZoneRecord>,
    /// How often each line was crossed until now, in the order they were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineRecord>,
    /// What was found but is not reported: a box and its class. Whoever hides objects hides these
    /// too; no output shows them.
    #[serde(skip)]
    pub unreported: Vec<(BBox, u32)>,
    /// Only with `--timing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing_ms: Option<TimingMs>,
}

/// An output of a workflow that became predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputName {
    /// Its name in the workflow.
    pub name: Arc<str>,
    /// As it came, where it is of the whole picture.
    pub value: Option<serde_json::Value>,
}

/// A detection in the key names of Roboflow (`x`, `y`: the centre) and of the program this one
/// replaces (`bbox`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Where; absent for a class of the whole picture.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// 0 to 1, four places.
    pub confidence: f64,
    /// Name of the class.
    pub class: Arc<str>,
    /// Index of the class in the model.
    pub class_id: u32,
    /// Only on confirmed tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracker_id: Option<u64>,
    /// The same in every run on the same input, model and settings.
    pub detection_id: String,
    /// `true` where it was not found in this frame, but its track should be here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<bool>,
    /// How fast the track moves over the ground, metres a second, where that is calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_m_s: Option<f64>,
    /// Where it moves to, degrees from 0 to 360: 0 is along the ground's y axis, 90 along its x
    /// axis; absent where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading_deg: Option<f64>,
    /// Keypoints, of a pose model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keypoints: Vec<KeypointRecord>,
    /// The outline, closed, of a segmentation model; of an oriented box its four corners, which
    /// may lie outside of the picture, clockwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<PointRecord>,
    /// The direction of the longer side of an oriented box, degrees clockwise from the x axis, two
    /// places, from 0 up to but not 180.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_deg: Option<f64>,
    /// What the model of `--cascade` says of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeRecord>,
    /// The outputs of a workflow that have it, a bit for each of the first 32; no line shows it.
    #[serde(skip)]
    pub outputs: u32,
}

impl Prediction {
    /// How good a picture of the object its box gives in a picture of `size`, more is better; of
    /// what has no box, nothing. Sure and large is good, cut off at the edge is bad.
    pub fn portrait(&self, size: Size) -> Option<f64> {
        /// What is left of the worth of an object of which a part is outside.
        const CUT: f64 = 0.25;
        let Corners { x1, y1, x2, y2, width, height } = self.place?.bbox;
        let (right, bottom) = (f64::from(size.width) - 1.0, f64::from(size.height) - 1.0);
        let cut = x1 <= 1.0 || y1 <= 1.0 || x2 >= right || y2 >= bottom;
        Some(self.confidence * (width * height).sqrt() * if cut { CUT } else { 1.0 })
    }
}

/// Where a detection is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Place {
    /// Centre, pixels from the left.
    pub x: f64,
    /// Centre, pixels from the top.
    pub y: f64,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// The corners.
    pub bbox: Corners,
}

impl Place {
    /// Of a box, its corners rounded to 0.01 px.
    pub fn rounded(bbox: &BBox) -> Self {
        let bbox = Corners::rounded(bbox);
        Self {
            x: round((bbox.x1 + bbox.x2) / 2.0, 100.0),
            y: round((bbox.y1 + bbox.y2) / 2.0, 100.0),
            width: bbox.width,
            height: bbox.height,
            bbox,
        }
    }
}

/// A keypoint in Roboflow's key names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeypointRecord {
    /// Pixels from the left, two places.
    pub x: f64,
    /// Pixels from the top, two places.
    pub y: f64,
    /// 0 to 1, four places, where the model says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// What it is, such as `left_elbow`.
    pub class: Arc<str>,
    /// Its place in the model's order.
    pub class_id: u32,
}

/// A point of an outline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PointRecord {
    /// Pixels from the left, two places.
    pub x: f64,
    /// Pixels from the top, two places.
    pub y: f64,
}

/// What a second model says of a detection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttributeRecord {
    /// Name of that model.
    pub model: Arc<str>,
    /// Name of the class.
    pub class: Arc<str>,
    /// Index of the class in that model.
    pub class_id: u32,
    /// 0 to 1, four places.
    pub confidence: f64,
}

/// The corners of a box in pixels, two places.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Corners {
    /// Left edge.
    pub x1: f64,
    /// Upper edge.
    pub y1: f64,
    /// Right edge.
    pub x2: f64,
    /// Lower edge.
    pub y2: f64,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
}

impl Corners {
    /// Rounds the corners of `bbox` to 0.01 px; width and height follow from the rounded corners.
    pub fn rounded(bbox: &BBox) -> Self {
        let at = |v: f32| round(f64::from(v), 100.0);
        let (x1, y1, x2, y2) = (at(bbox.x1), at(bbox.y1), at(bbox.x2), at(bbox.y2));
        Self { x1, y1, x2, y2, width: round(x2 - x1, 100.0), height: round(y2 - y1, 100.0) }
    }

    /// The same box for geometry.
    pub fn bbox(&self) -> BBox {
        BBox::new(self.x1 as f32, self.y1 as f32, self.x2 as f32, self.y2 as f32)
    }
}

/// Rounds to a grid of `1 / per_unit`; never gives a negative zero.
pub fn round(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit + 0.0
}

/// Wall time of one frame in its stages, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TimingMs {
    /// Decoding and colour conversion.
    pub decode: f64,
    /// Letterbox and normalisation.
    pub preprocess: f64,
    /// The model.
    pub infer: f64,
    /// Decoding the head and NMS.
    pub postprocess: f64,
}

/// One box of one frame, flat: the columns of the CSV under the same names.
#[derive(Clone, Debug, Serialize)]
pub struct DetectionRecord<'a> {
    /// Name of the source.
    pub source: &'a str,
    /// Index of the decoded frame in its source.
    pub frame_id: u64,
    /// Presentation time, seconds; absent for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pts_s: Option<f64>,
    /// UTC, with `--recorded-at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<&'a str>,
    /// The picture's file, where the source is pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<&'a str>,
    /// Index of the class in the model.
    pub class_id: u32,
    /// Name of the class.
    pub class: &'a str,
    /// 0 to 1.
    pub confidence: f64,
    /// Left edge, pixels; absent for a class of the whole picture, as the other edges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_min: Option<f64>,
    /// Upper edge, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y_min: Option<f64>,
    /// Right edge, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_max: Option<f64>,
    /// Lower edge, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y_max: Option<f64>,
    /// Only on confirmed tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracker_id: Option<u64>,
    /// As in [`Prediction`].
    pub detection_id: &'a str,
}

impl FrameRecord {
    /// Its boxes, one flat record each.
    pub fn detections(&self) -> impl Iterator<Item = DetectionRecord<'_>> {
        self.predictions.iter().map(|found| DetectionRecord {
            source: &self.source,
            frame_id: self.frame_id,
            pts_s: self.pts_s,
            ts: self.ts.as_deref(),
            file: self.file.as_deref(),
            class_id: found.class_id,
            class: &found.class,
            confidence: found.confidence,
            x_min: found.place.map(|place| place.bbox.x1),
            y_min: found.place.map(|place| place.bbox.y1),
            x_max: found.place.map(|place| place.bbox.x2),
            y_max: found.place.map(|place| place.bbox.y2),
            tracker_id: found.tracker_id,
            detection_id: &found.detection_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_rounded_before_width_and_height() {
        let corners = Corners::rounded(&BBox::new(-0.001, 1.234, 10.006, 2.0));
        assert_eq!((corners.x1, corners.x2, corners.width), (0.0, 10.01, 10.01));
        assert!(corners.x1.is_sign_positive(), "no negative zero");
        assert_eq!(corners.height, 0.77);
    }

    #[test]
    fn a_class_of_the_whole_picture_has_no_place() {
        let mut prediction = Prediction {
            place: None,
            confidence: 0.5,
            class: "cat".into(),
            class_id: 3,
            tracker_id: None,
            detection_id: "d".into(),
            predicted: None,
            speed_m_s: None,
            heading_deg: None,
            keypoints: vec![],
            points: vec![],
            rotation_deg: None,
            attributes: vec![],
            outputs: 0,
        };
        let line = serde_json::to_string(&prediction).unwrap();
        assert_eq!(line, r#"{"confidence":0.5,"class":"cat","class_id":3,"detection_id":"d"}"#);
        prediction.place = Some(Place::rounded(&BBox::new(0.0, 0.0, 4.0, 2.0)));
        let line = serde_json::to_string(&prediction).unwrap();
        assert!(
            line.starts_with(r#"{"x":2.0,"y":1.0,"width":4.0,"height":2.0,"bbox":{"#),
            "{line}"
        );
    }

    #[test]
    fn the_type_comes_first_and_absent_values_are_left_out() {
        let frame = FrameRecord {
            source: "a.jpg".into(),
            file: Some("a.jpg".into()),
            image: Size::new(4, 3),
            ..FrameRecord::default()
        };
        let line = serde_json::to_string(&Record::Frame(&frame)).unwrap();
        assert_eq!(
            line,
            r#"{"type":"frame","source":"a.jpg","frame_id":0,"file":"a.jpg","image":{"width":4,"height":3},"predictions":[]}"#
        );
    }
}
