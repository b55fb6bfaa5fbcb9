//! The families of models that are known: how each is recognised, fed and read. A family is a
//! description of its outputs, not code that runs for every frame.

mod anchored;
mod detr;
mod faces;
mod facts;
mod finished;
mod grids;
mod libreyolo;
mod literal;
pub(super) mod notes;
mod obb;
mod pictures;
mod ssd;
mod ultralytics;

use std::sync::Arc;

#[cfg(test)]
mod tests;

pub use facts::Facts;

use super::evidence::{Evidence, Weight};
use super::head::{Head, Layout, Rows};
use super::preprocess::{Filter, Preprocess};
use crate::geometry::Fit;

/// Card of a model: how it is fed and how its outputs are read.
#[derive(Clone)]
pub struct Card {
    /// Name of the family.
    pub family: &'static str,
    /// What it is for.
    pub task: Task,
    /// Number of classes; `None` where neither shapes nor notes tell.
    pub classes: Option<usize>,
    /// Names of the classes, where the model or the family has them.
    pub names: Option<Vec<Arc<str>>>,
    /// Names of its keypoints, where they are known.
    pub keypoints: Vec<Arc<str>>,
    /// Overlap above which the family's reference suppresses a box; `None` where boxes do not
    /// repeat.
    pub max_iou: Option<f32>,
    /// Whether boxes of different classes suppress each other in the family's reference.
    pub agnostic: bool,
    /// How it wants its pictures.
    pub preprocess: Preprocess,
    /// How its outputs are read.
    pub head: Arc<dyn Head>,
    /// The evidence for the family, and against it.
    pub evidence: Vec<Evidence>,
    /// Reason why the family is taken only where the user names it.
    pub asks: Option<&'static str>,
    /// Way in which the family was settled.
    pub sure: Sure,
    /// Other families that the shapes fit, each with what excludes it.
    pub others: Vec<(&'static str, String)>,
}

impl Card {
    /// The same with more evidence.
    #[must_use]
    fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// The texts of evidence of one weight.
    pub fn of_weight(&self, weight: Weight) -> impl Iterator<Item = &str> {
        let found = self.evidence.iter().filter(move |evidence| evidence.weight == weight);
        found.map(|evidence| evidence.text.as_str())
    }

    /// Whether evidence excludes the family.
    pub fn is_excluded(&self) -> bool {
        self.of_weight(Weight::Excludes).next().is_some()
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Boxes.
    Detect,
    /// Classes of the whole picture.
    Classify,
    /// Boxes with keypoints.
    Pose,
    /// Boxes with outlines.
    Segment,
    /// Oriented boxes.
    Obb,
}

impl Task {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Classify => "classify",
            Self::Pose => "pose",
            Self::Segment => "segment",
            Self::Obb => "obb",
        }
    }
}

/// Ways in which a family is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// The author noted it.
    Noted,
    /// Evidence excludes all other known families.
    Alone,
    /// The user named it.
    Asked,
}

impl Sure {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Noted => "certain, the file says so",
            Self::Alone => "sure, all other known families are excluded",
            Self::Asked => "as you say",
        }
    }
}

/// A family that is known.
pub struct Family {
    /// Its name, for `--head` and records.
    pub name: &'static str,
    /// Which models belong to it.
    pub about: &'static str,
    /// The card of a model of this family; `None` where it is of another.
    pub card: fn(&Facts<'_>) -> Option<Card>,
}

const fn family(
    name: &'static str,
    about: &'static str,
    card: fn(&Facts<'_>) -> Option<Card>,
) -> Family {
    Family { name, about, card }
}

/// All families, in the order in which they are tried.
pub const FAMILIES: &[Family] = &[
    family("yolov8", "YOLOv3u, v5u, v8, v9, v10, v11, v12, 26: boxes", ultralytics::detect),
    family("yolov8-pose", "the same: keypoints", ultralytics::pose),
    family("yolov8-seg", "the same: outlines", ultralytics::segment),
    family("yolov8-corners", "YOLOv9 of LibreYOLO: boxes as corners", ultralytics::corners),
    family("libreyolo", "detectors of LibreYOLO, by its notes", libreyolo::detect),
    family("libreyolo-classify", "classifiers of LibreYOLO, by its notes", libreyolo::classify),
    family("yolov10", "YOLOv10, YOLO26, NMS inside: boxes", ultralytics::end_to_end),
    family("yolov10-pose", "the same: keypoints", ultralytics::end_to_end_pose),
    family("yolov10-seg", "the same: outlines", ultralytics::end_to_end_segment),
    family("yolov8-obb", "YOLOv8, v11, 26: oriented boxes", obb::rows),
    family("yolov10-obb", "YOLO26, NMS inside: oriented boxes", obb::end_to_end),
    family("rtdetr-ultralytics", "RT-DETR of Ultralytics 8.4", detr::ultralytics_ranked),
    family("rtdetr-ultralytics-8.3", "RT-DETR of Ultralytics before 8.4", detr::ultralytics),
    family("yolov5", "YOLOv3, YOLOv5, YOLOv7 with its grid in the model", grids::yolov5),
    family("yolov5-seg", "YOLOv5: outlines", grids::yolov5_segment),
    family("yolov7", "YOLOv7 of one class, its grid in the model", grids::yolov7_one_class),
    family("yolov7-nms", "YOLOv7 with NMS inside", grids::yolov7_finished),
    family("yolov6", "YOLOv6", grids::yolov6),
    family("yolox", "YOLOX, its grid outside the model", grids::yolox),
    family("yolox-decoded", "YOLOX, decoded in the model", grids::yolox_decoded),
    family("nanodet", "NanoDet, NanoDet-g: an output a stride", grids::nanodet),
    family("nanodet-plus", "NanoDet-Plus", grids::nanodet_plus),
    family("picodet", "PicoDet: an output a stride", grids::picodet),
    family("efficientdet", "EfficientDet of PyTorch: ten maps", anchored::efficientdet),
    family("efficientdet-automl", "EfficientDet of TensorFlow", finished::automl),
    family("centernet", "CenterNet: maps hm, wh, reg", anchored::centernet),
    family("paddle", "PaddleDetection with post-processing", finished::paddle),
    family("mmdeploy", "MMDeploy: dets, labels", finished::mmdeploy),
    family("nms-outputs", "YOLO-NAS and others, NMS inside: four outputs", finished::batched),
    family("yolonas-nms", "YOLO-NAS with NMS inside: rows of seven", finished::flat),
    family("detr", "RT-DETR, D-FINE, DEIM: labels, boxes, scores", detr::finished),
    family("detr-logits", "RT-DETR, D-FINE: logits, pred_boxes", detr::logits),
    family("detr-softmax", "DETR, YOLOS: logits with no object last", detr::softmax),
    family("rfdetr", "RF-DETR: dets, labels", detr::rfdetr),
    family("ssd", "SSD of TensorFlow: scores and decoded boxes", ssd::raw),
    family("yolov4", "YOLOv4 of PyTorch: boxes, confs", ssd::yolov4),
    family("boxes-scores", "YOLO-NAS, PP-YOLOE: corners in pixels, scores", ssd::pair),
    family("ssd-corners", "SSD of PyTorch: scores with a background, boxes", ssd::corners),
    family("ssd-post", "SSD of torchvision: boxes, labels, scores", ssd::finished),
    family("tf-detection", "TensorFlow Object Detection: detection_boxes and others", ssd::tf),
    family("blazeface", "BlazeFace: faces with six keypoints", faces::blazeface),
    family("centerface", "CenterFace: faces with five keypoints", faces::centerface),
    family("movenet", "MoveNet SinglePose: one person's keypoints", pictures::movenet),
    family("classify", "classifiers: a score a class", pictures::classify),
    family("semantic", "semantic masks: a score a class and cell", pictures::semantic),
    family("class-map", "YOLO26: semantic masks of class numbers", pictures::class_map),
];

/// Beginnings of the names of families that Ultralytics exports.
const OF_ULTRALYTICS: [&str; 5] =
    ["yolov8", "yolov10", "rtdetr-ultralytics", "classify", "class-map"];

/// Beginning of the evidence against families that LibreYOLO does not note.
const FOREIGN: &str = "LibreYOLO notes the family";

impl Facts<'_> {
    /// A card of what holds for most families.
    fn card(
        &self,
        family: &'static str,
        task: Task,
        (classes, head): (usize, impl Head + 'static),
    ) -> Card {
        let foreign = match (self.note("model_family"), self.ultralytics("task")) {
            (Some(noted), _) if family != "libreyolo" => Some(Evidence::excludes(format!(
                "{FOREIGN} '{noted}', which is read by its notes alone"
            ))),
            (None, Some(task)) if !OF_ULTRALYTICS.iter().any(|own| family.starts_with(own)) => {
                Some(Evidence::excludes(format!("Ultralytics notes the task '{task}'")))
            }
            _ => None,
        };
        Card {
            family,
            task,
            classes: Some(classes),
            names: None,
            keypoints: Vec::new(),
            max_iou: None,
            agnostic: false,
            preprocess: self.preprocess(),
            head: Arc::new(head),
            evidence: foreign.into_iter().collect(),
            asks: None,
            sure: Sure::Asked,
            others: Vec::new(),
        }
    }

    /// A card of a model whose outputs are rows of boxes.
    fn card_of_rows(&self, family: &'static str, layout: Layout) -> Card {
        self.card(family, Task::Detect, (layout.classes, Rows(layout)))
    }

    /// RGB from 0 to 1, letterboxed in the middle: what most models want.
    fn preprocess(&self) -> Preprocess {
        Preprocess {
            size: self.feed.size,
            fit: Fit::Centre,
            rgb: true,
            mean: [0.0; 3],
            std: [255.0; 3],
            pad: [114; 3],
            filter: Filter::Linear,
            colours: self.feed.colours,
            channels_last: self.feed.channels_last,
            element: self.feed.picture().element,
        }
    }
}

/// Reason to ask for a family.
const PICTURES: &str = "nothing in the file says how pictures are normalised";

/// ImageNet's mean and standard deviation of red, green and blue, of 0 to 255.
const IMAGENET: ([f32; 3], [f32; 3]) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);

/// COCO's 17 keypoints, in the order of its annotations.
const COCO_KEYPOINTS: [&str; 17] = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
];

/// COCO's names for 17 keypoints; others have none.
fn usual_keypoints(count: usize) -> Vec<Arc<str>> {
    if count == COCO_KEYPOINTS.len() { all(&COCO_KEYPOINTS) } else { Vec::new() }
}

/// These names.
fn all(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// One class name.
fn only(name: &str) -> Option<Vec<Arc<str>>> {
    Some(vec![name.into()])
}
