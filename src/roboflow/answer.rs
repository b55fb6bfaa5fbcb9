//! From an answer to detections: what a server says of a picture, in its shapes.
//!
//! Of a workflow, outputs with `predictions` become detections, pictures are left out but for one
//! that is asked for, and all other outputs are kept as they are.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::rle::Masks;
use crate::detection::{Detection, Keypoint};
use crate::frame::{Image, Size};
use crate::geometry::{BBox, Point, Region};
use crate::infer::Found;
use crate::infer::labels::Labels;
use crate::record::OutputName;
use crate::source::pictures;

/// Most keypoints of an object.
const MAX_KEYPOINTS: usize = 1024;

/// How deep a workflow's output is searched for pictures.
const MAX_DEPTH: usize = 16;

/// What is wrong with an answer.
#[derive(Debug, PartialEq)]
pub(super) enum AnswerError {
    /// It is not as promised.
    Shape(String),
    /// The picture that is asked for is not among the outputs.
    NoPicture {
        /// What was asked for.
        name: String,
        /// The outputs that are pictures.
        others: Vec<String>,
    },
}

/// Reads answers.
pub(super) struct Reader {
    pub(super) is_workflow: bool,
    /// The output that is the annotated picture.
    pub(super) picture: Option<String>,
    pub(super) labels: Labels,
    pub(super) keypoints: Labels,
    /// What is kept, by name or id.
    pub(super) classes: Option<Vec<String>>,
    pub(super) max_detections: usize,
}

/// An object or a class of the picture, in Roboflow's keys.
#[derive(Deserialize)]
struct Prediction {
    x: Option<f64>,
    y: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
    confidence: f64,
    class: String,
    class_id: Option<i64>,
    tracker_id: Option<Value>,
    detection_id: Option<String>,
    keypoints: Option<Vec<NamedPoint>>,
    points: Option<Vec<Place>>,
    /// The mask of a workflow, and of a model that is asked for masks of this kind.
    #[serde(alias = "rle_mask")]
    rle: Option<Value>,
}

#[derive(Deserialize)]
struct NamedPoint {
    x: f64,
    y: f64,
    confidence: Option<f64>,
    class: Option<String>,
    class_id: usize,
}

#[derive(Deserialize)]
struct Place {
    x: f64,
    y: f64,
}

/// A class of a picture that may have several.
#[derive(Deserialize)]
struct Score {
    confidence: f64,
    class_id: Option<i64>,
}

/// What is found until now.
struct Pile {
    detections: Vec<Detection>,
    /// The workflow's outputs that became detections.
    names: Vec<OutputName>,
    masks: Masks,
    /// Size of the frame.
    size: Size,
    /// Where the detection of an id is, so that one that two outputs have is there once.
    known: HashMap<String, usize>,
    top: Option<(u32, f32)>,
}

fn shape(what: impl Into<String>) -> AnswerError {
    AnswerError::Shape(what.into())
}

impl Reader {
    /// What an answer says of a frame of `size`; what of a box lies outside is cut off.
    pub(super) fn read(&self, answer: Value, size: Size) -> Result<Found, AnswerError> {
        let mut pile = Pile::new(size);
        let mut found = Found::default();
        if self.is_workflow {
            let outputs = match answer {
                Value::Object(mut answer) => answer.remove("outputs"),
                _ => None,
            };
            let first = match outputs {
                Some(Value::Array(outputs)) => outputs.into_iter().next(),
                _ => None,
            };
            let Some(Value::Object(outputs)) = first else {
                return Err(shape("it has no 'outputs'"));
            };
            self.workflow(outputs, &mut pile, &mut found)?;
        } else if !self.predictions(&answer, &mut pile) {
            return Err(shape("it has no 'predictions' of the usual kind"));
        }
        if let Some(wrong) = pile.masks.wrong {
            return Err(shape(wrong));
        }
        let inside = pile.detections.into_iter().filter_map(|found| clipped(found, size));
        pile.detections = inside.collect();
        pile.detections.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        pile.detections.truncate(self.max_detections);
        let names = self.is_workflow.then(|| pile.names.into());
        Ok(Found { detections: pile.detections, top: pile.top, names, ..found })
    }

    fn workflow(
        &self,
        outputs: Map<String, Value>,
        pile: &mut Pile,
        found: &mut Found,
    ) -> Result<(), AnswerError> {
        let (mut others, mut pictures) = (Map::new(), Vec::new());
        for (name, output) in outputs {
            if let Some(picture) = picture_of(&output) {
                if self.picture.as_deref() == Some(name.as_str()) {
                    found.picture = Some(Arc::new(decode(picture)?));
                }
                pictures.push(name);
            } else if self.predictions(&output, pile) {
                let value = is_of_picture(&output).then(|| without_pictures(output, 0)).flatten();
                pile.names.push(OutputName { name: name.into(), value });
            } else if let Some(output) = without_pictures(output, 0) {
                others.insert(name, output);
            }
        }
        if let Some(name) = self.picture.clone().filter(|_| found.picture.is_none()) {
            return Err(AnswerError::NoPicture { name, others: pictures });
        }
        found.outputs = (!others.is_empty()).then(|| Arc::new(others));
        Ok(())
    }

    /// Takes what `value` predicts; `false` where it is nothing of that kind.
    fn predictions(&self, value: &Value, pile: &mut Pile) -> bool {
        let found = match &value["predictions"] {
            Value::Array(list) => {
                let list: Option<Vec<Prediction>> =
                    list.iter().map(|one| Prediction::deserialize(one).ok()).collect();
                list.and_then(|list| {
                    let picture = size_of(value, pile.size);
                    let masks = &mut pile.masks;
                    let one = |one: Prediction| {
                        Some((one.detection_id.clone(), self.found(one, picture, masks)?))
                    };
                    list.into_iter().map(one).collect::<Option<Vec<_>>>()
                })
            }
            // Of a picture with several classes.
            Value::Object(scores) => {
                let one = |(class, score): (&String, &Value)| {
                    let Score { confidence, class_id } = Score::deserialize(score).ok()?;
                    Some((None, self.class(class, class_id, confidence)?))
                };
                scores.iter().map(one).collect()
            }
            _ => None,
        };
        let Some(found) = found else { return false };
        let top = value["top"].as_str();
        let top = top.and_then(|top| found.iter().find(|(_, one)| *self.name(one) == *top));
        pile.top = pile.top.or(top.map(|(_, one)| (one.class_id, one.confidence)));
        for (id, detection) in found {
            if self.is_wanted(&detection) {
                pile.add(id, detection);
            }
        }
        true
    }

    fn name(&self, found: &Detection) -> Arc<str> {
        self.labels.name(found.class_id)
    }

    fn is_wanted(&self, found: &Detection) -> bool {
        let Some(classes) = &self.classes else { return true };
        let (name, id) = (self.name(found), found.class_id.to_string());
        classes.iter().any(|class| class.eq_ignore_ascii_case(&name) || *class == id)
    }

    /// A class without a place.
    fn class(&self, name: &str, id: Option<i64>, confidence: f64) -> Option<Detection> {
        let id = id.and_then(|id| u32::try_from(id).ok());
        let nowhere = BBox::new(0.0, 0.0, 0.0, 0.0);
        let class_id = self.labels.learn(id, name);
        let found = Detection::of_box(nowhere, confidence.clamp(0.0, 1.0) as f32, class_id);
        confidence.is_finite().then_some(Detection { bbox: None, ..found })
    }

    /// `None` where a number is none; `picture` is the size of that in which it was found.
    fn found(&self, one: Prediction, picture: (f64, f64), masks: &mut Masks) -> Option<Detection> {
        let Prediction { x, y, width, height, .. } = one;
        let found = self.class(&one.class, one.class_id, one.confidence)?;
        let bbox = match (x, y, width, height) {
            (Some(x), Some(y), Some(width), Some(height)) => {
                let (w, h) = (width.max(0.0) / 2.0, height.max(0.0) / 2.0);
                let sides = [x - w, y - h, x + w, y + h].map(|side| side as f32);
                let [x1, y1, x2, y2] = sides;
                sides
                    .iter()
                    .all(|side| side.is_finite())
                    .then(|| BBox::new(x1, y1, x2, y2))
                    .map(Some)?
            }
            (None, None, None, None) => None,
            _ => return None,
        };
        let outline = match (one.points.unwrap_or_default(), one.rle) {
            (points, Some(mask)) if points.is_empty() => masks.outline(&mask, picture)?,
            (points, _) => {
                points.iter().map(|place| point(place.x, place.y)).collect::<Option<_>>()?
            }
        };
        Some(Detection {
            bbox,
            tracker_id: one.tracker_id.as_ref().and_then(number),
            keypoints: self.named_points(one.keypoints.unwrap_or_default())?,
            outline,
            ..found
        })
    }

    /// Keypoints at the places of their ids; one that the server leaves out is at the corner with
    /// confidence 0.
    fn named_points(&self, points: Vec<NamedPoint>) -> Option<Vec<Keypoint>> {
        let place = point(0.0, 0.0)?;
        let mut all = Vec::new();
        for one in points {
            if one.class_id >= MAX_KEYPOINTS {
                return None;
            }
            if all.len() <= one.class_id {
                all.resize(one.class_id + 1, Keypoint { place, confidence: Some(0.0) });
            }
            if let Some(name) = &one.class {
                self.keypoints.learn(u32::try_from(one.class_id).ok(), name);
            }
            let confidence = one.confidence.map(|sure| sure.clamp(0.0, 1.0) as f32);
            all[one.class_id] = Keypoint { place: point(one.x, one.y)?, confidence };
        }
        Some(all)
    }
}

impl Pile {
    fn new(size: Size) -> Self {
        let (detections, names, known) = (Vec::new(), Vec::new(), HashMap::new());
        Self { detections, names, masks: Masks::new(), size, known, top: None }
    }

    /// Adds a detection of the next output, or what that one knows more of it: its track.
    fn add(&mut self, id: Option<String>, mut detection: Detection) {
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        detection.outputs = 1u32.checked_shl(next).unwrap_or_default();
        let Some(id) = id else { return self.detections.push(detection) };
        match self.known.get(&id).and_then(|place| self.detections.get_mut(*place)) {
            Some(known) => {
                let outputs = known.outputs | detection.outputs;
                if known.tracker_id.is_none() {
                    *known = detection;
                }
                known.outputs = outputs;
            }
            None => {
                self.known.insert(id, self.detections.len());
                self.detections.push(detection);
            }
        }
    }
}

/// Whether predictions are of the whole picture: classes, and not boxes.
fn is_of_picture(value: &Value) -> bool {
    value["predictions"].is_object() || value.get("top").is_some()
}

/// Width and height of the picture that predictions are of: that of the frame where they do not say.
fn size_of(value: &Value, frame: Size) -> (f64, f64) {
    let side = |name: &str| value["image"][name].as_f64().filter(|side| *side >= 1.0);
    let size = side("width").zip(side("height"));
    size.unwrap_or((f64::from(frame.width), f64::from(frame.height)))
}

/// What of a detection lies in a picture of `size`; nothing where no part of its box does.
fn clipped(found: Detection, size: Size) -> Option<Detection> {
    let bbox = match found.bbox {
        Some(bbox) => {
            let inside = bbox.clipped(Region::whole(size));
            Some(inside).filter(|inside| inside.is_sound()).map(Some)?
        }
        None => None,
    };
    let joint = |joint: Keypoint| Keypoint { place: joint.place.clipped(size), ..joint };
    let keypoints = found.keypoints.into_iter().map(joint).collect();
    let outline = found.outline.into_iter().map(|point| point.clipped(size)).collect();
    Some(Detection { bbox, keypoints, outline, ..found })
}

fn point(x: f64, y: f64) -> Option<Point> {
    let (x, y) = (x as f32, y as f32);
    (x.is_finite() && y.is_finite()).then_some(Point { x, y })
}

/// A track's number; some servers write it as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The base 64 of an output that is a picture.
fn picture_of(value: &Value) -> Option<&str> {
    (value["type"] == "base64").then(|| value["value"].as_str()).flatten()
}

/// The same without pictures, which have no place in a line; `None` where nothing else was in it.
fn without_pictures(value: Value, depth: usize) -> Option<Value> {
    if picture_of(&value).is_some() || depth > MAX_DEPTH {
        return None;
    }
    match value {
        Value::Array(items) => {
            let was_empty = items.is_empty();
            let items: Vec<_> =
                items.into_iter().filter_map(|item| without_pictures(item, depth + 1)).collect();
            (was_empty || !items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(entries) => {
            let was_empty = entries.is_empty();
            let entries: Map<_, _> = entries
                .into_iter()
                .filter_map(|(name, entry)| Some((name, without_pictures(entry, depth + 1)?)))
                .collect();
            (was_empty || !entries.is_empty()).then_some(Value::Object(entries))
        }
        // A value that is not there is left out, as everywhere.
        Value::Null => None,
        plain => Some(plain),
    }
}

fn decode(base64: &str) -> Result<Image, AnswerError> {
    let bytes = STANDARD.decode(base64).map_err(|_| shape("a picture is not in base 64"))?;
    pictures::decode(&bytes).map_err(|error| shape(format!("a picture cannot be read: {error}")))
}
