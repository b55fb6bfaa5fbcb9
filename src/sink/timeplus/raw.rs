//! A frame as the replaced program wrote it, so that its dashboards run unchanged.
//!
//! One object a frame with the outputs of its workflow by their names, those that are pictures left
//! out. A model that is no workflow has those of the demo's: `model_detection_prediction`, a list of
//! boxes, and `model_violence_predictions`, a class of the whole picture, which only a model that
//! classifies gives. Indented by two, since its "Video Logs" panel shows the text as it is. A frame is
//! never a crop of another picture: it is its own parent, at its own corner and of its own size.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::frame::Size;
use crate::record::{Corners, FrameRecord, OutputName, Prediction};

/// The text of a frame; `names` are the outputs of its workflow, if one is used.
pub fn text(record: &FrameRecord, source_id: &str, names: Option<&[OutputName]>) -> String {
    let id = format!("{source_id}-{}", record.frame_id);
    let frame = match names {
        Some(names) => Frame(of_workflow(record, names, &id)),
        None => {
            let boxes = ("model_detection_prediction", Output::of_boxes(record, 0, true, &id));
            let class = Classified::of(record, &id).map(Output::Class);
            let class = class.map(|class| ("model_violence_predictions", class));
            Frame(std::iter::once(boxes).chain(class).collect())
        }
    };
    // Writing our own numbers and texts into memory cannot fail.
    serde_json::to_string_pretty(&frame).unwrap_or_default()
}

/// The outputs of a workflow: what was found with what is known of it now, all others as they came.
/// In a frame that it did not look at there are only boxes.
fn of_workflow<'a>(
    record: &'a FrameRecord,
    names: &'a [OutputName],
    inference_id: &'a str,
) -> Vec<(&'a str, Output<'a>)> {
    let first = names.iter().position(|output| output.value.is_none());
    let found = names.iter().enumerate().filter_map(|(index, OutputName { name, value })| {
        let output = match value {
            Some(value) => record.names.is_some().then_some(Output::Other(value))?,
            None => {
                let place = u32::try_from(index).unwrap_or(u32::MAX);
                let bit = 1u32.checked_shl(place).unwrap_or_default();
                Output::of_boxes(record, bit, first == Some(index), inference_id)
            }
        };
        Some((&**name, output))
    });
    let others = record.outputs.iter().flat_map(|outputs| outputs.iter());
    found.chain(others.map(|(name, value)| (name.as_str(), Output::Other(value)))).collect()
}

/// Outputs by name.
struct Frame<'a>(Vec<(&'a str, Output<'a>)>);

impl Serialize for Frame<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, output)| (name, output)))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Output<'a> {
    Boxes(Vec<Detected<'a>>),
    Class(Classified<'a>),
    Other(&'a Value),
}

impl<'a> Output<'a> {
    /// The boxes that an output has by its `bit`; those of which no output is known are in the
    /// first.
    fn of_boxes(record: &'a FrameRecord, bit: u32, is_first: bool, inference_id: &'a str) -> Self {
        let boxes = record.predictions.iter().filter_map(|found| {
            let bbox = found.place?.bbox;
            let is_here = found.outputs & bit != 0 || (is_first && found.outputs == 0);
            is_here.then(|| Detected::of(found, bbox, record, inference_id))
        });
        Self::Boxes(boxes.collect())
    }
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
    root_parent_coordinates: &'static str,
    root_parent_dimensions: String,
    parent_coordinates: &'static str,
    parent_dimensions: String,
}

/// The corner of a frame that is no crop, as numpy prints an array.
const CORNER: &str = "[0 0]";

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
        let dimensions = format!("[{} {}]", record.image.height, record.image.width);
        Self {
            bbox,
            confidence: found.confidence,
            class_id: found.class_id,
            tracker_id: found.tracker_id,
            class_name: &found.class,
            detection_id: &found.detection_id,
            parent_id: &record.source,
            image_dimensions: dimensions.clone(),
            inference_id,
            prediction_type,
            root_parent_id: &record.source,
            root_parent_coordinates: CORNER,
            root_parent_dimensions: dimensions.clone(),
            parent_coordinates: CORNER,
            parent_dimensions: dimensions,
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
