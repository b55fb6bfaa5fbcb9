//! Semantic masks: a class for every cell of the picture. Each connected region becomes an item
//! with its outline.

use std::collections::BTreeSet;

use super::contour::{parts, simplified};
use super::matrix::{Form, Matrix};
use super::{Head, Item, PostProcess, Reading, best};
use crate::frame::Size;
use crate::geometry::{BBox, Point};
use crate::infer::InferError;
use crate::infer::tensor::Tensor;

/// Regions of less than this part of the mask are noise.
const MIN_PART: f32 = 1e-3;

/// Largest class number of a map that is believed.
const MAX_CLASSES: f32 = 65_536.0;

/// How far an outline may be from the region's edge, in cells.
const TOLERANCE: f32 = 0.9;

/// Ways in which a map stores the class of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// A confidence for each class.
    Scores,
    /// Logits: of a softmax where there are several classes, else of a sigmoid.
    Logits,
    /// The number of the class. There is no score: regions have the confidence 1, and an outline
    /// instead of a box.
    Classes,
}

/// A map of scores, `[1, classes, height, width]` or `[1, height, width, classes]`.
pub struct Regions {
    /// The map: a row a cell, a column a class.
    pub form: Form,
    /// Cells in a row of the map.
    pub columns: usize,
    /// Reading of the values of a cell.
    pub cells: Cells,
    /// Whether the first of several classes, or the number 0 of a map of one, is the background.
    pub background: bool,
    /// Width and height of the model's input.
    pub input: Size,
}

impl Head for Regions {
    fn read(
        &self,
        outputs: &[Tensor],
        _: &BBox,
        keep: &PostProcess,
    ) -> Result<Reading, InferError> {
        let table = self.form.of(outputs)?;
        let cells: Vec<Option<(u32, f32)>> =
            (0..table.rows).map(|i| self.cell(&table, i)).collect();
        let rows = table.rows / self.columns;
        let scale =
            (self.input.width as f32 / self.columns as f32, self.input.height as f32 / rows as f32);
        let least = (table.rows as f32 * MIN_PART).max(1.0) as usize;
        let mut items = Vec::new();
        let seen: BTreeSet<u32> = cells.iter().flatten().map(|(class, _)| *class).collect();
        for class_id in seen.into_iter().filter(|class| keep.wants(*class)) {
            let of_class = |cell: &Option<(u32, f32)>| cell.is_some_and(|(id, _)| id == class_id);
            let mask: Vec<bool> = cells.iter().map(of_class).collect();
            for part in parts(&mask, self.columns).into_iter().filter(|p| p.cells.len() >= least) {
                let sure =
                    part.cells.iter().filter_map(|&cell| cells[cell]).map(|(_, score)| score);
                let score = sure.sum::<f32>() / part.cells.len() as f32;
                let outline = simplified(&part.outline, TOLERANCE);
                let place = |p: Point| Point { x: p.x * scale.0, y: p.y * scale.1 };
                items.push(Item {
                    bbox: (self.cells != Cells::Classes)
                        .then(|| bounds(part.outline.iter().copied().map(place))),
                    score,
                    class_id,
                    keypoints: vec![],
                    outline: outline.into_iter().map(place).collect(),
                    oriented: false,
                });
            }
        }
        items.retain(|item| item.score >= keep.min_confidence);
        items.sort_by(|a, b| b.score.total_cmp(&a.score));
        items.truncate(keep.max_detections);
        Ok(Reading { items, ..Reading::default() })
    }
}

impl Regions {
    /// The class of a cell and its confidence; `None` for the background.
    fn cell(&self, table: &Matrix<'_>, cell: usize) -> Option<(u32, f32)> {
        let classes = self.form.values;
        if self.cells == Cells::Classes {
            let class = table.at(cell, 0);
            let shift = f32::from(u8::from(self.background));
            let class = class - shift;
            return (0.0..MAX_CLASSES).contains(&class).then_some((class as u32, 1.0));
        }
        let logits = self.cells == Cells::Logits;
        if classes == 1 {
            let value = table.at(cell, 0);
            let score = if logits { super::sigmoid(value) } else { value };
            return (score > 0.5 && score.is_finite()).then_some((0, score.min(1.0)));
        }
        let (class, value) = best(table.values(cell, 0, classes));
        if !value.is_finite() || (self.background && class == 0) {
            return None;
        }
        let score = if logits {
            let others = table.values(cell, 0, classes).filter(|v| !v.is_nan());
            1.0 / others.map(|other| (other - value).exp()).sum::<f32>()
        } else {
            value
        };
        Some((class as u32, score.clamp(0.0, 1.0)))
    }
}

/// The smallest box around points.
fn bounds(points: impl Iterator<Item = Point>) -> BBox {
    let none = BBox::new(f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY);
    points.fold(none, |b, p| BBox::new(b.x1.min(p.x), b.y1.min(p.y), b.x2.max(p.x), b.y2.max(p.y)))
}
