//! NanoDet: a class-score and a box-distribution tensor for each stride.
//!
//! Source: RangiLyu/nanodet, `nanodet/model/head/gfl_head.py` (Generalized Focal Loss, Li et
//! al. 2020): the distance to each side of a box is the expectation of a distribution.

use super::{Head, best, output};
use crate::geometry::BBox;
use crate::infer::InferError;
use crate::infer::nms::Candidate;
use crate::infer::tensor::Tensor;

/// One stride's pair of outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Pixels of the input from cell to cell.
    pub stride: usize,
    /// Cells in a row.
    pub columns: usize,
    /// Rows of cells.
    pub rows: usize,
    /// Place of the scores `[1, rows * columns, classes]` among the outputs, already sigmoid.
    pub scores: usize,
    /// Place of the boxes `[1, rows * columns, 4 * bins]` among the outputs.
    pub boxes: usize,
}

/// The head of a NanoDet model.
#[derive(Clone, Debug, PartialEq)]
pub struct NanoDet {
    /// The strides, smallest first.
    pub levels: Vec<Level>,
    /// Number of classes.
    pub classes: usize,
    /// Number of bins of each side's distribution (`reg_max + 1`), at most [`MAX_BINS`].
    pub bins: usize,
}

/// Largest number of bins of a side's distribution.
pub const MAX_BINS: usize = 64;

impl Head for NanoDet {
    fn decode(
        &self,
        outputs: &[Tensor],
        min_score: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), InferError> {
        for level in &self.levels {
            let cells = level.rows * level.columns;
            let scores = output(outputs, level.scores, &[1, cells, self.classes])?;
            let boxes = output(outputs, level.boxes, &[1, cells, 4 * self.bins])?;
            for (cell, scores) in scores.chunks_exact(self.classes).enumerate() {
                let (class_id, score) = best(scores);
                if score < min_score {
                    continue;
                }
                let sides = &boxes[cell * 4 * self.bins..][..4 * self.bins];
                let bbox = level.bbox(cell, sides, self.bins);
                let score = score.min(1.0);
                found.push(Candidate { bbox, score, class_id: class_id as u32 });
            }
        }
        Ok(())
    }
}

impl Level {
    fn bbox(&self, cell: usize, sides: &[f32], bins: usize) -> BBox {
        let stride = self.stride as f32;
        let x = ((cell % self.columns) as f32 + 0.5) * stride;
        let y = ((cell / self.columns) as f32 + 0.5) * stride;
        let distance = |side: usize| expectation(&sides[side * bins..][..bins]) * stride;
        BBox::new(x - distance(0), y - distance(1), x + distance(2), y + distance(3))
    }
}

/// Softmax over the bins, then the mean bin.
fn expectation(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let weight = (logit - top).exp();
        sum += weight;
        weighted += weight * bin as f32;
    }
    weighted / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One stride of 8 on a 32x16 input, two classes, three bins.
    fn head() -> NanoDet {
        let level = Level { stride: 8, columns: 4, rows: 2, scores: 1, boxes: 0 };
        NanoDet { levels: vec![level], classes: 2, bins: 3 }
    }

    fn outputs(cell: usize, scores: [f32; 2], sides: [f32; 12]) -> Vec<Tensor> {
        let mut all_scores = vec![0.0; 8 * 2];
        all_scores[cell * 2..][..2].copy_from_slice(&scores);
        let mut all_sides = vec![0.0; 8 * 12];
        all_sides[cell * 12..][..12].copy_from_slice(&sides);
        vec![
            Tensor::new(vec![1, 8, 12], all_sides).unwrap(),
            Tensor::new(vec![1, 8, 2], all_scores).unwrap(),
        ]
    }

    fn decode(outputs: &[Tensor]) -> Vec<Candidate> {
        let mut found = vec![];
        head().decode(outputs, 0.25, &mut found).unwrap();
        found
    }

    #[test]
    fn a_certain_bin_is_a_distance_in_strides() {
        // Left 0, top 1, right 2, bottom an even spread over 0, 1, 2: its mean is 1.
        let sure = 100.0;
        let sides = [sure, 0.0, 0.0, 0.0, sure, 0.0, 0.0, 0.0, sure, 5.0, 5.0, 5.0];
        let found = decode(&outputs(5, [0.1, 0.75], sides));
        // Cell 5 of 4 columns: column 1, row 1, its centre at (12, 12).
        let expected = BBox::new(12.0, 4.0, 28.0, 20.0);
        assert_eq!(found, [Candidate { bbox: expected, score: 0.75, class_id: 1 }]);
    }

    #[test]
    fn what_scores_too_little_or_is_no_number_is_left_out() {
        assert!(decode(&outputs(0, [0.2, 0.24], [0.0; 12])).is_empty());
        assert!(decode(&outputs(0, [f32::NAN, 0.1], [0.0; 12])).is_empty());
        let found = decode(&outputs(0, [f32::NAN, 0.5], [0.0; 12]));
        assert_eq!(found[0].class_id, 1);
    }

    #[test]
    fn other_shapes_are_an_error() {
        let wrong = vec![Tensor::new(vec![1, 8, 12], vec![0.0; 96]).unwrap()];
        assert!(head().decode(&wrong, 0.25, &mut vec![]).is_err());
    }
}
