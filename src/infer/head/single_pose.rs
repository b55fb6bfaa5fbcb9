//! Models that find the keypoints of one person in the picture.

use super::matrix::Form;
use super::{Head, Item, PostProcess, Reading};
use crate::frame::Size;
use crate::geometry::{BBox, Point};
use crate::infer::InferError;
use crate::infer::tensor::Tensor;

/// Keypoints as fractions, y first, with a confidence: MoveNet
/// (tensorflow/tfjs-models, `pose-detection/src/movenet`).
pub struct SinglePose {
    /// A row a keypoint.
    pub form: Form,
    /// Width and height of the model's input.
    pub input: Size,
}

impl Head for SinglePose {
    /// One item at most: its confidence is the mean of the keypoints', its box the smallest
    /// around those that score enough.
    fn read(
        &self,
        outputs: &[Tensor],
        _: &BBox,
        keep: &PostProcess,
    ) -> Result<Reading, InferError> {
        let table = self.form.of(outputs)?;
        let (width, height) = (self.input.width as f32, self.input.height as f32);
        let keypoint = |row: usize| {
            let place = Point { x: table.at(row, 1) * width, y: table.at(row, 0) * height };
            let score = table.at(row, 2);
            let sound = place.x.is_finite() && place.y.is_finite() && score.is_finite();
            (place, if sound { score.clamp(0.0, 1.0) } else { 0.0 })
        };
        let keypoints: Vec<(Point, f32)> = (0..table.rows).map(keypoint).collect();
        let score = keypoints.iter().map(|(_, score)| score).sum::<f32>() / table.rows as f32;
        let seen = keypoints.iter().filter(|(_, score)| *score >= keep.min_confidence);
        let bbox = seen.fold(None, |bbox: Option<BBox>, (p, _)| {
            let b = bbox.unwrap_or(BBox::new(p.x, p.y, p.x, p.y));
            Some(BBox::new(b.x1.min(p.x), b.y1.min(p.y), b.x2.max(p.x), b.y2.max(p.y)))
        });
        let item =
            bbox.filter(|_| score >= keep.min_confidence && keep.wants(0)).map(|bbox| Item {
                bbox: Some(bbox),
                score,
                class_id: 0,
                keypoints: keypoints.iter().map(|(place, score)| (*place, Some(*score))).collect(),
                outline: vec![],
                oriented: false,
            });
        Ok(Reading { items: item.into_iter().collect(), ..Reading::default() })
    }
}
