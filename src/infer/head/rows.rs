//! The decoder of every family whose outputs are rows of boxes, scores and what belongs to them.

use super::layout::{Columns, Layout, Level, ScoreCode};
use super::matrix::Matrix;
use super::survey::{Finding, Strictness};
use super::{Head, Impossible, Item, PostProcess, Reading, best, sigmoid};
use crate::frame::Size;
use crate::geometry::BBox;
use crate::infer::InferError;
use crate::infer::nms::{Candidate, most_confident, nms};
use crate::infer::oriented::{self, Oriented};
use crate::infer::tensor::Tensor;

/// Largest class index that is believed: a float above it is no index.
const MAX_CLASS: f32 = 1e6;

/// Reads outputs as a [`Layout`] describes them.
pub struct Rows(pub Layout);

/// Candidates that score enough.
#[derive(Default)]
struct Candidates {
    all: Vec<Candidate>,
    /// How many have no area or are no numbers, and the last reason.
    unsound: usize,
    reason: Option<Impossible>,
}

impl Candidates {
    fn note(&mut self, reason: Impossible) {
        self.unsound += usize::from(reason == Impossible::Box);
        self.reason = Some(reason);
    }

    /// Why none of them can be, where none can.
    fn impossible(&self) -> Option<Impossible> {
        self.reason.filter(|_| self.all.len() == self.unsound)
    }
}

impl Head for Rows {
    fn read(
        &self,
        outputs: &[Tensor],
        picture: &BBox,
        keep: &PostProcess,
    ) -> Result<Reading, InferError> {
        let Self(layout) = self;
        let forms = layout.forms.iter();
        let tables = forms.map(|form| form.of(outputs)).collect::<Result<Vec<_>, _>>()?;
        let mut candidates = Candidates::default();
        for (index, level) in layout.levels.iter().enumerate() {
            layout.scan(index, level, &tables, keep, &mut candidates)?;
        }
        let impossible = candidates.impossible();
        let mut found = candidates.all;
        found.retain(|candidate| keep.wants(candidate.class_id));
        if layout.cut && keep.max_iou.is_some() {
            // No number would become an edge of the picture.
            found.retain(|candidate| candidate.bbox.is_sound());
            found.iter_mut().for_each(|found| found.bbox = found.bbox.intersection(picture));
        }
        let most = layout.top.unwrap_or(usize::MAX).min(keep.max_detections);
        let kept = match keep.max_iou {
            Some(max_iou) if layout.rotation.is_some() => {
                let shape = |candidate: &Candidate| layout.oriented(&tables, candidate);
                oriented::nms(found, shape, max_iou, keep.agnostic, most)
            }
            Some(max_iou) => nms(found, max_iou, keep.agnostic, most),
            None => most_confident(found, most),
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
        Ok(Reading { items: items.collect(), top: None, impossible })
    }

    fn survey(
        &self,
        outputs: &[Tensor],
        input: Size,
        strictness: Strictness,
    ) -> Result<Vec<Finding>, InferError> {
        self.0.survey(outputs, input, strictness)
    }
}

impl Layout {
    /// The rows of a level, which all tables must have.
    pub(super) fn rows_of(
        &self,
        level: &Level,
        tables: &[Matrix<'_>],
    ) -> Result<std::ops::Range<usize>, InferError> {
        let first = level.first_row;
        let scores = &tables[level.scores.table];
        let rows = first..level.rows.map_or(scores.rows, |rows| first + rows);
        let short = [Some(level.boxes), Some(level.scores), level.objectness, level.class]
            .into_iter()
            .flatten()
            .any(|columns| tables[columns.table].rows < rows.end);
        if short { Err(InferError::Rows { wanted: rows.end }) } else { Ok(rows) }
    }

    /// Adds every candidate of a level that scores enough.
    fn scan(
        &self,
        index: usize,
        level: &Level,
        tables: &[Matrix<'_>],
        keep: &PostProcess,
        found: &mut Candidates,
    ) -> Result<(), InferError> {
        let scores = &tables[level.scores.table];
        let rows = self.rows_of(level, tables)?;
        let first = rows.start;
        let (skipped, left_out) = self.background.offsets();
        let (from, count) = (level.scores.first + skipped, self.classes - left_out);
        // What is stored is compared, so that only what scores is computed further.
        let least = self.stored(keep.min_confidence);
        let largest = scores.largest(rows.clone(), from, count);
        for (row, _) in rows.zip(largest).filter(|(_, top)| *top >= least) {
            let objectness = level.objectness.map_or(1.0, |at| tables[at.table].at(row, at.first));
            let share = match self.scores {
                ScoreCode::Softmax => {
                    Some(share_of_e(scores, row, level.scores.first, self.classes))
                }
                _ => None,
            };
            let mut add = |class: usize, stored: f32| {
                if self.peaks && !is_peak(scores, row, from + class, level) {
                    return;
                }
                let score = match share {
                    Some((top, sum)) => (stored - top).exp() / sum,
                    None => self.score(stored) * objectness,
                };
                if score.is_nan() || score < keep.min_confidence {
                    return;
                }
                let class_id = match level.class {
                    Some(at) => class_index(tables[at.table].at(row, at.first), self.class_limit),
                    None => Some((class + skipped + self.first_class) as u32),
                };
                let place = (level.grid, row - first);
                let bbox = self.code.decode(tables, level.boxes, row, place);
                let bbox = bbox.scaled(self.scale);
                let Some(class_id) = class_id.filter(|_| score <= 1.0 + SLACK) else {
                    found.note(Impossible::Score);
                    return;
                };
                if !bbox.is_sound() {
                    found.note(Impossible::Box);
                }
                let score = score.min(1.0);
                found.all.push(Candidate { bbox, score, class_id, level: index, row });
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
            ScoreCode::Logits | ScoreCode::Softmax => sigmoid(stored),
        }
    }

    /// What is stored for a confidence, or a little less: the exact comparison follows.
    fn stored(&self, confidence: f32) -> f32 {
        match self.scores {
            ScoreCode::Plain => confidence,
            ScoreCode::Logits => (confidence / (1.0 - confidence)).ln() - 1e-3,
            ScoreCode::Softmax => f32::NEG_INFINITY,
        }
    }
}

/// Whether no cell around that of a row has a larger value in a column.
fn is_peak(scores: &Matrix<'_>, row: usize, column: usize, level: &Level) -> bool {
    let across = level.grid.columns.max(1);
    let down = scores.rows / across;
    let (x, y) = (row % across, row / across);
    let value = scores.at(row, column);
    let rows = y.saturating_sub(1)..(y + 2).min(down);
    let mut cells =
        rows.flat_map(|y| (x.saturating_sub(1)..(x + 2).min(across)).map(move |x| y * across + x));
    cells.all(|cell| scores.at(cell, column) <= value)
}

/// How far above 1 a score may be by rounding.
pub(super) const SLACK: f32 = 1e-3;

/// A class index stored as a float, of so many classes.
fn class_index(value: f32, limit: Option<usize>) -> Option<u32> {
    (0.0..=largest_class(limit)).contains(&value).then(|| value.round() as u32)
}

/// The largest class index where there are so many.
pub(super) fn largest_class(limit: Option<usize>) -> f32 {
    limit.map_or(MAX_CLASS, |limit| limit.saturating_sub(1) as f32)
}

/// The largest of a row's logits, and the sum of all powers of e relative to it.
fn share_of_e(scores: &Matrix<'_>, row: usize, first: usize, count: usize) -> (f32, f32) {
    let top = scores.values(row, first, count).fold(f32::NEG_INFINITY, f32::max);
    (top, scores.values(row, first, count).map(|logit| (logit - top).exp()).sum())
}
