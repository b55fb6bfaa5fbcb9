//! The decoder of every family whose outputs are rows of boxes, scores and what belongs to them.

use super::layout::{Columns, Layout, Level, ScoreCode};
use super::matrix::Matrix;
use super::{Head, Item, PostProcess, Reading, best, sigmoid};
use crate::geometry::BBox;
use crate::infer::InferError;
use crate::infer::nms::{Candidate, most_confident, nms};
use crate::infer::oriented::{self, Oriented};
use crate::infer::tensor::Tensor;

/// Largest class index that is believed: a float above it is no index.
const MAX_CLASS: f32 = 1e6;

/// Reads outputs as a [`Layout`] describes them.
pub struct Rows(pub Layout);

impl Head for Rows {
    fn read(&self, outputs: &[Tensor], keep: &PostProcess) -> Result<Reading, InferError> {
        let Self(layout) = self;
        let forms = layout.forms.iter();
        let tables = forms.map(|form| form.of(outputs)).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::new();
        for (index, level) in layout.levels.iter().enumerate() {
            layout.scan(index, level, &tables, keep, &mut found)?;
        }
        found.retain(|candidate| keep.wants(candidate.class_id));
        let kept = match keep.max_iou {
            Some(max_iou) if layout.rotation.is_some() => {
                let shape = |candidate: &Candidate| layout.oriented(&tables, candidate);
                oriented::nms(found, shape, max_iou, keep.agnostic, keep.max_detections)
            }
            Some(max_iou) => nms(found, max_iou, keep.agnostic, keep.max_detections),
            None => most_confident(found, keep.max_detections),
        };
        let masks = layout.masks.as_ref().map(|masks| masks.of(outputs)).transpose()?;
        let items = kept.iter().map(|candidate| {
            let level = &layout.levels[candidate.level];
            let place = (level.grid, candidate.row - level.first_row);
            let keypoints = layout.points.zip(level.keypoints).map(|(points, at)| {
                let bbox = (&candidate.bbox, layout.scale);
                points.decode(&tables[at.table], at, candidate.row, place, bbox)
            });
            let corners = || layout.oriented(&tables, candidate).corners();
            let corners = layout.rotation.map(|_| corners());
            let outline = match (&masks, corners) {
                (_, Some(corners)) => Some(corners.to_vec()),
                (Some(masks), _) => Some(masks.outline(&tables, candidate.row, &candidate.bbox)),
                _ => None,
            };
            Item {
                bbox: Some(corners.map_or(candidate.bbox, |corners| oriented::around(&corners))),
                score: candidate.score,
                class_id: candidate.class_id,
                keypoints: keypoints.unwrap_or_default(),
                outline: outline.unwrap_or_default(),
                oriented: corners.is_some(),
            }
        });
        Ok(Reading { items: items.collect(), top: None })
    }
}

impl Layout {
    /// Adds every candidate of a level that scores enough.
    fn scan(
        &self,
        index: usize,
        level: &Level,
        tables: &[Matrix<'_>],
        keep: &PostProcess,
        found: &mut Vec<Candidate>,
    ) -> Result<(), InferError> {
        let scores = &tables[level.scores.table];
        let first = level.first_row;
        let rows = first..level.rows.map_or(scores.rows, |rows| first + rows);
        let short = [Some(level.boxes), Some(level.scores), level.objectness, level.class]
            .into_iter()
            .flatten()
            .any(|columns| tables[columns.table].rows < rows.end);
        if short {
            return Err(InferError::Rows { wanted: rows.end });
        }
        let skipped = usize::from(self.background);
        let (from, count) = (level.scores.first + skipped, self.classes - skipped);
        // What is stored is compared, so that only what scores is computed further.
        let least = self.stored(keep.min_confidence);
        let largest = scores.largest(rows.clone(), from, count);
        for (row, _) in rows.zip(largest).filter(|(_, top)| *top >= least) {
            let objectness = level.objectness.map_or(1.0, |at| tables[at.table].at(row, at.first));
            let mut add = |class: usize, stored: f32| {
                let score = self.score(stored) * objectness;
                // A score beyond 1, or one that is no number, comes from a broken output.
                if !(score >= keep.min_confidence && score <= 1.0 + SLACK) {
                    return;
                }
                let class_id = match level.class {
                    Some(at) => class_index(tables[at.table].at(row, at.first)),
                    None => Some((class + skipped) as u32),
                };
                let Some(class_id) = class_id else { return };
                let place = (level.grid, row - first);
                let bbox = self.code.decode(tables, level.boxes, row, place);
                let bbox = bbox.scaled(self.scale);
                let score = score.min(1.0);
                found.push(Candidate { bbox, score, class_id, level: index, row });
            };
            let values = scores.values(row, from, count);
            if self.every_class {
                values.enumerate().for_each(|(class, stored)| add(class, stored));
            } else {
                let (class, stored) = best(values);
                add(class, stored);
            }
        }
        Ok(())
    }

    /// The oriented box of a candidate, in pixels of the input; without [`Layout::rotation`] it is
    /// not turned.
    fn oriented(&self, tables: &[Matrix<'_>], candidate: &Candidate) -> Oriented {
        let BBox { x1, y1, x2, y2 } = candidate.bbox;
        let turn = |at: Columns| tables[at.table].at(candidate.row, at.first);
        Oriented {
            x: (x1 + x2) / 2.0,
            y: (y1 + y2) / 2.0,
            width: x2 - x1,
            height: y2 - y1,
            radians: self.rotation.map_or(0.0, turn),
        }
    }

    /// A confidence from what is stored.
    fn score(&self, stored: f32) -> f32 {
        match self.scores {
            ScoreCode::Plain => stored,
            ScoreCode::Logits => sigmoid(stored),
        }
    }

    /// What is stored for a confidence, or a little less: the exact comparison follows.
    fn stored(&self, confidence: f32) -> f32 {
        match self.scores {
            ScoreCode::Plain => confidence,
            ScoreCode::Logits => (confidence / (1.0 - confidence)).ln() - 1e-3,
        }
    }
}

/// How far above 1 a score may be by rounding.
const SLACK: f32 = 1e-3;

/// A class index stored as a float.
fn class_index(value: f32) -> Option<u32> {
    (0.0..=MAX_CLASS).contains(&value).then(|| value.round() as u32)
}
