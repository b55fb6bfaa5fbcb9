//! YOLOX: one tensor with a row a cell: offset, log size, objectness, classes.
//!
//! Source: Megvii-BaseDetection/YOLOX, `yolox/utils/demo_utils.py`, `demo_postprocess`.

use super::{Head, best, output};
use crate::frame::Size;
use crate::geometry::BBox;
use crate::infer::InferError;
use crate::infer::nms::Candidate;
use crate::infer::tensor::Tensor;

/// Values of a row before its class scores: x, y, width, height, objectness.
const BEFORE_CLASSES: usize = 5;

/// Pixels of the input from cell to cell, in the order of the rows.
pub const STRIDES: [usize; 3] = [8, 16, 32];

/// The head of a YOLOX model: `[1, cells, 5 + classes]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Yolox {
    /// Width and height of the input.
    pub input: Size,
    /// Number of classes.
    pub classes: usize,
}

impl Yolox {
    /// Number of rows of the output for an input of this size.
    pub fn cells(input: Size) -> usize {
        let (width, height) = (input.width as usize, input.height as usize);
        STRIDES.iter().map(|stride| (width / stride) * (height / stride)).sum()
    }
}

impl Head for Yolox {
    fn decode(
        &self,
        outputs: &[Tensor],
        min_score: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), InferError> {
        let values = BEFORE_CLASSES + self.classes;
        let rows = output(outputs, 0, &[1, Self::cells(self.input), values])?;
        let mut rows = rows.chunks_exact(values);
        for stride in STRIDES {
            let columns = self.input.width as usize / stride;
            let cells = columns * (self.input.height as usize / stride);
            for (cell, row) in rows.by_ref().take(cells).enumerate() {
                let objectness = row[4];
                // No class scores above 1: most cells end here.
                if objectness < min_score {
                    continue;
                }
                let (class_id, class_score) = best(&row[BEFORE_CLASSES..]);
                let score = objectness * class_score;
                if score < min_score || score.is_nan() {
                    continue;
                }
                let place = |offset: f32, cell: usize| (offset + cell as f32) * stride as f32;
                let bbox = BBox::from_centre(
                    place(row[0], cell % columns),
                    place(row[1], cell / columns),
                    row[2].exp() * stride as f32,
                    row[3].exp() * stride as f32,
                );
                let score = score.min(1.0);
                found.push(Candidate { bbox, score, class_id: class_id as u32 });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64x32 input has 8x4, 4x2 and 2x1 cells.
    const INPUT: Size = Size::new(64, 32);

    fn decode(cell: usize, row: [f32; 7]) -> Vec<Candidate> {
        let head = Yolox { input: INPUT, classes: 2 };
        let mut data = vec![0.0; 42 * 7];
        data[cell * 7..][..7].copy_from_slice(&row);
        let tensor = Tensor::new(vec![1, 42, 7], data).unwrap();
        let mut found = vec![];
        head.decode(&[tensor], 0.25, &mut found).unwrap();
        found
    }

    #[test]
    fn a_cell_of_the_second_stride() {
        // Row 32 + 5 is stride 16, column 1, row 1; e^0 = 1 stride wide, e^ln2 = 2 high.
        let found = decode(37, [0.5, 0.25, 0.0, 2f32.ln(), 0.5, 0.2, 1.0]);
        assert_eq!(found.len(), 1);
        let Candidate { bbox, score, class_id } = found[0];
        assert_eq!((score, class_id), (0.5, 1));
        for (got, expected) in
            [bbox.x1, bbox.y1, bbox.x2, bbox.y2].iter().zip([16.0, 4.0, 32.0, 36.0])
        {
            assert!((got - expected).abs() < 1e-4, "{bbox:?}");
        }
    }

    #[test]
    fn the_score_is_the_product() {
        assert!(decode(0, [0.0, 0.0, 0.0, 0.0, 0.4, 0.5, 0.5]).is_empty(), "0.2 is below 0.25");
        assert!(decode(0, [0.0, 0.0, 0.0, 0.0, f32::NAN, 1.0, 1.0]).is_empty());
        assert!(decode(0, [0.0, 0.0, 0.0, 0.0, 1.0, f32::NAN, f32::NAN]).is_empty());
    }
}
