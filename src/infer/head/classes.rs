//! Models that say what a whole picture shows.

use super::rows::SLACK;
use super::{Head, Impossible, Item, PostProcess, Reading, best};
use crate::geometry::BBox;
use crate::infer::InferError;
use crate::infer::head::Form;
use crate::infer::tensor::Tensor;

/// Most classes of a picture that are reported.
const TOP: usize = 5;

/// One score a class, `[1, classes]`.
pub struct Classes {
    /// Where the scores lie: one row.
    pub form: Form,
    /// Whether they are logits that a softmax makes confidences of.
    pub logits: bool,
}

impl Head for Classes {
    fn read(
        &self,
        outputs: &[Tensor],
        _: &BBox,
        keep: &PostProcess,
    ) -> Result<Reading, InferError> {
        let table = self.form.of(outputs)?;
        let mut scores: Vec<f32> = table.values(0, 0, self.form.values).collect();
        if self.logits {
            softmax(&mut scores);
        }
        let range = -SLACK..=1.0 + SLACK;
        let numbers = || scores.iter().filter(|score| score.is_finite());
        let impossible = numbers().any(|s| !range.contains(s)).then_some(Impossible::Score);
        let (class, score) = best(scores.iter().copied());
        let top = (score.is_finite()).then(|| (class as u32, score.clamp(0.0, 1.0)));
        let mut order: Vec<usize> = (0..scores.len())
            .filter(|&class| keep.wants(class as u32))
            .filter(|&class| scores[class].is_finite() && scores[class] >= keep.min_confidence)
            .collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(TOP.min(keep.max_detections));
        let item = |class: usize| Item {
            bbox: None,
            score: scores[class].clamp(0.0, 1.0),
            class_id: class as u32,
            keypoints: vec![],
            outline: vec![],
            oriented: false,
        };
        Ok(Reading { items: order.into_iter().map(item).collect(), top, impossible })
    }
}

/// Makes logits sum to 1.
fn softmax(values: &mut [f32]) {
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values.iter_mut().for_each(|value| *value = (*value - top).exp());
    let sum: f32 = values.iter().filter(|value| value.is_finite()).sum();
    values.iter_mut().for_each(|value| *value /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(scores: Vec<f32>, logits: bool, min_confidence: f32) -> Reading {
        let form = Form::rows(0, Some(1), scores.len());
        let keep = PostProcess {
            min_confidence,
            max_iou: None,
            agnostic: false,
            classes: None,
            max_detections: 300,
        };
        let tensor = Tensor::new(vec![1, scores.len()], scores).unwrap();
        Classes { form, logits }.read(&[tensor], &BBox::new(0.0, 0.0, 1.0, 1.0), &keep).unwrap()
    }

    #[test]
    fn logits_become_confidences_that_sum_to_1() {
        // e^ln3 = 3 and e^0 = 1: three quarters and one quarter.
        let reading = read(vec![0.0, 3f32.ln()], true, 0.0);
        let scores: Vec<_> = reading.items.iter().map(|i| (i.class_id, i.score)).collect();
        assert_eq!(scores[0].0, 1);
        assert!((scores[0].1 - 0.75).abs() < 1e-6 && (scores[1].1 - 0.25).abs() < 1e-6);
        assert_eq!(reading.top.map(|(class, _)| class), Some(1));
    }

    #[test]
    fn at_most_five_above_the_threshold_and_never_a_nan() {
        let reading = read(vec![0.1, f32::NAN, 0.3, 0.05, 0.2, 0.15, 0.12, 0.08], false, 0.06);
        let classes: Vec<_> = reading.items.iter().map(|item| item.class_id).collect();
        assert_eq!(classes, [2, 4, 5, 6, 0]);
        assert_eq!(read(vec![f32::NAN; 3], true, 0.0).items, []);
        assert_eq!(read(vec![0.2, 0.1], false, 0.5).top, Some((0, 0.2)));
    }
}
