//! Heads: what a model's output tensors mean. Pure; the way back to source pixels is left to the
//! detector.

mod boxes;
mod classes;
pub mod contour;
mod layout;
mod masks;
mod matrix;
mod points;
mod regions;
mod rows;
mod single_pose;
mod survey;

pub use boxes::BoxCode;
pub use classes::Classes;
pub use layout::{Background, Block, Columns, Grid, Layout, Level, ScoreCode};
pub use masks::{MaskCode, Prototypes, WholeMasks};
pub use matrix::Form;
pub use points::{PointCode, Points};
pub use regions::{Cells, Regions};
pub use rows::Rows;
pub use single_pose::SinglePose;
pub use survey::{Finding, Strictness};

use super::InferError;
use super::tensor::Tensor;
use crate::frame::Size;
use crate::geometry::{BBox, Point};

/// Reads a model's outputs.
pub trait Head: Send + Sync {
    /// Detections in the outputs, most confident first, in pixels of the model's input, of which
    /// the picture takes `picture`. Values that are no numbers never score.
    ///
    /// # Errors
    /// When the outputs are not of the shapes that the head was made for.
    fn read(
        &self,
        outputs: &[Tensor],
        picture: &BBox,
        keep: &PostProcess,
    ) -> Result<Reading, InferError>;

    /// The invariants that all values of a run break, whatever they score, when they are read so:
    /// a sign of another family. `input` is the size of the model's input.
    ///
    /// # Errors
    /// As [`Head::read`].
    fn survey(
        &self,
        outputs: &[Tensor],
        input: Size,
        strictness: Strictness,
    ) -> Result<Vec<Finding>, InferError> {
        let _ = (outputs, input, strictness);
        Ok(Vec::new())
    }
}

/// Reason why an answer cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// Scores above 1, or class numbers that the model does not have.
    Score,
    /// Boxes without area, or whose sides are no numbers.
    Box,
}

impl std::fmt::Display for Impossible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Score => "scores above 1 or unknown classes",
            Self::Box => "boxes without area",
        })
    }
}

/// Which boxes are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct PostProcess {
    /// Least confidence, 0 to 1.
    pub min_confidence: f32,
    /// Largest overlap of two kept boxes, 0 to 1; `None` for models whose boxes do not repeat.
    pub max_iou: Option<f32>,
    /// Whether boxes of different classes suppress each other.
    pub agnostic: bool,
    /// The classes to keep; all where `None`.
    pub classes: Option<Vec<u32>>,
    /// Most boxes a frame.
    pub max_detections: usize,
}

impl PostProcess {
    /// Whether a class is wanted.
    pub fn wants(&self, class_id: u32) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(&class_id))
    }
}

/// What a model says of one picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Most confident first.
    pub items: Vec<Item>,
    /// The most likely class and its confidence, of a model that classifies whole pictures.
    pub top: Option<(u32, f32)>,
    /// Why nothing of what scores enough can be, where that is so.
    pub impossible: Option<Impossible>,
}

/// One thing that a model found.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Where; `None` where a class holds for the whole picture.
    pub bbox: Option<BBox>,
    /// 0 to 1.
    pub score: f32,
    /// Index of the class.
    pub class_id: u32,
    /// Its keypoints with their confidence, in the model's order.
    pub keypoints: Vec<(Point, Option<f32>)>,
    /// Its outline, closed.
    pub outline: Vec<Point>,
    /// Whether the outline is that of an oriented box, from corner to corner, which may reach out
    /// of the picture.
    pub oriented: bool,
}

/// Index and value of the largest score; the first of equals. NaN is never the largest.
fn best(scores: impl Iterator<Item = f32>) -> (usize, f32) {
    let mut top = (0, f32::NEG_INFINITY);
    for (i, score) in scores.enumerate() {
        if score > top.1 {
            top = (i, score);
        }
    }
    top
}

/// 1 / (1 + e^-x).
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}
