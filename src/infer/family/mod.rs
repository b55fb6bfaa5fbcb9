//! The families of models that are known: how each is recognised, fed and read. A family is a
//! description of its outputs, not code that runs for every frame.

mod detr;
mod faces;
mod grids;
mod literal;
pub(super) mod notes;
mod obb;
mod pictures;
mod ssd;
mod ultralytics;

use std::sync::Arc;

use super::feed::Feed;
use super::head::{Head, Layout, Rows};
use super::onnx::Description;
use super::preprocess::Preprocess;
use super::tensor::TensorSpec;
use crate::geometry::Fit;

/// What is known of a model: how to feed it and how to read it.
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
    pub keypoints: &'static [&'static str],
    /// Overlap above which the family's reference suppresses a box; `None` where boxes do not
    /// repeat.
    pub max_iou: Option<f32>,
    /// How it wants its pictures.
    pub preprocess: Preprocess,
    /// How its outputs are read.
    pub head: Box<dyn Head>,
    /// What it was recognised by, for people.
    pub why: String,
    /// How sure that is.
    pub sure: Sure,
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

/// How sure a recognition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// The exporter noted it.
    Noted,
    /// No other known family has these names and shapes.
    Shapes,
    /// Another kind of model may look the same, or its pictures may be wanted otherwise: only
    /// where the user says so.
    OnlyAsked,
}

impl Sure {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Noted => "certain, the file says so",
            Self::Shapes => "sure, no other known family looks so",
            Self::OnlyAsked => "as you say, others look the same",
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
    family("yolov8", "YOLOv8, v9, v11, v12: boxes", ultralytics::detect),
    family("yolov8-pose", "YOLOv8, v11: keypoints", ultralytics::pose),
    family("yolov8-seg", "YOLOv8, v9, v11: outlines", ultralytics::segment),
    family("yolov10", "YOLOv10, YOLO26: boxes without NMS", ultralytics::end_to_end),
    family("yolov10-pose", "YOLO26: keypoints without NMS", ultralytics::end_to_end_pose),
    family("yolov10-seg", "YOLO26: outlines without NMS", ultralytics::end_to_end_segment),
    family("yolov8-obb", "YOLOv8, v11: oriented boxes", obb::rows),
    family("yolov10-obb", "YOLO26: oriented boxes without NMS", obb::end_to_end),
    family("rtdetr-ultralytics", "RT-DETR as Ultralytics exports it", detr::ultralytics),
    family("yolov5", "YOLOv5, YOLOv7 with its grid in the model", grids::yolov5),
    family("yolox", "YOLOX, its grid outside the model", grids::yolox),
    family("nanodet", "NanoDet, NanoDet-g: an output a stride", grids::nanodet),
    family("nanodet-plus", "NanoDet-Plus", grids::nanodet_plus),
    family("detr", "RT-DETR, D-FINE, DEIM: labels, boxes, scores", detr::finished),
    family("detr-logits", "RT-DETR, D-FINE: logits, pred_boxes", detr::logits),
    family("rfdetr", "RF-DETR: dets, labels", detr::rfdetr),
    family("ssd", "SSD of TensorFlow: scores and decoded boxes", ssd::raw),
    family("ssd-corners", "SSD of PyTorch: scores with a background, boxes", ssd::corners),
    family("ssd-post", "SSD of torchvision: boxes, labels, scores", ssd::finished),
    family("tf-detection", "TensorFlow Object Detection: detection_boxes and others", ssd::tf),
    family("blazeface", "BlazeFace: faces with six keypoints", faces::blazeface),
    family("centerface", "CenterFace: faces with five keypoints", faces::centerface),
    family("movenet", "MoveNet SinglePose: one person's keypoints", pictures::movenet),
    family("classify", "classifiers: a score a class", pictures::classify),
    family("semantic", "semantic masks: a class a cell", pictures::semantic),
];

/// What is known of a model before its family is.
pub struct Facts<'a> {
    /// Its inputs.
    pub feed: &'a Feed,
    /// Its outputs under the names of the file, with the shapes that the engine found.
    pub outputs: &'a [TensorSpec],
    /// What the file says of itself.
    pub model: &'a Description,
}

impl Facts<'_> {
    /// The sides of every output; an open one counts 0.
    fn shapes(&self) -> Vec<Vec<usize>> {
        let sides = |output: &TensorSpec| output.shape.iter().map(|s| s.unwrap_or(0)).collect();
        self.outputs.iter().map(sides).collect()
    }

    /// Place of the output of this name.
    fn named(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|output| output.name == name)
    }

    fn note(&self, key: &str) -> Option<&str> {
        self.model.metadata.get(key).map(String::as_str)
    }

    /// The exporter's class names, where it noted one for every id from 0 on.
    fn names(&self) -> Option<Vec<Arc<str>>> {
        notes::names(self.note("names")?)
    }

    /// Cells of grids of these strides over the input, a started one counting where `rounded_up`.
    fn cells(&self, strides: &[usize], rounded_up: bool) -> usize {
        strides.iter().map(|&stride| self.grid(stride, rounded_up)).map(|(w, h)| w * h).sum()
    }

    /// Columns and rows of a grid over the input.
    fn grid(&self, stride: usize, rounded_up: bool) -> (usize, usize) {
        let (width, height) = (self.feed.size.width as usize, self.feed.size.height as usize);
        if rounded_up {
            (width.div_ceil(stride), height.div_ceil(stride))
        } else {
            (width / stride, height / stride)
        }
    }

    /// Width and height of the input, to make pixels of fractions.
    fn scale(&self) -> [f32; 2] {
        [self.feed.size.width as f32, self.feed.size.height as f32]
    }

    /// A card of what holds for most families; `why` it is this one.
    fn card(
        &self,
        family: &'static str,
        task: Task,
        (classes, head): (usize, impl Head + 'static),
        why: &str,
    ) -> Card {
        Card {
            family,
            task,
            classes: Some(classes),
            names: None,
            keypoints: &[],
            max_iou: None,
            preprocess: self.preprocess(),
            head: Box::new(head),
            why: why.into(),
            sure: Sure::Shapes,
        }
    }

    /// A card of a model whose outputs are rows of boxes.
    fn card_of_rows(&self, family: &'static str, layout: Layout, why: &str) -> Card {
        self.card(family, Task::Detect, (layout.classes, Rows(layout)), why)
    }

    /// RGB from 0 to 1, letterboxed in the middle: what most models want.
    fn preprocess(&self) -> Preprocess {
        Preprocess {
            size: self.feed.size,
            fit: Fit::Centre,
            rgb: true,
            mean: [0.0; 3],
            std: [255.0; 3],
            pad: 114,
            channels_last: self.feed.channels_last,
            element: self.feed.picture().element,
        }
    }
}

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
fn keypoint_names(count: usize) -> &'static [&'static str] {
    if count == COCO_KEYPOINTS.len() { &COCO_KEYPOINTS } else { &[] }
}

/// One class name.
fn only(name: &str) -> Option<Vec<Arc<str>>> {
    Some(vec![name.into()])
}
