//! Heads: what a model's output tensors mean. Pure; NMS and the way back to source pixels are
//! left to the detector.

pub mod nanodet;
pub mod yolox;

pub use nanodet::NanoDet;
pub use yolox::Yolox;

use super::InferError;
use super::nms::Candidate;
use super::tensor::Tensor;

/// Reads a model's outputs.
pub trait Head: Send + Sync {
    /// Adds every box whose best class scores at least `min_score` to `found`, in pixels of the
    /// model's input. Values that are no numbers never score.
    ///
    /// # Errors
    /// When the outputs are not of the shapes that the head was made for.
    fn decode(
        &self,
        outputs: &[Tensor],
        min_score: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), InferError>;
}

/// Index and value of the largest score; the first of equals. NaN is never the largest.
fn best(scores: &[f32]) -> (usize, f32) {
    let mut top = (0, f32::NEG_INFINITY);
    for (i, &score) in scores.iter().enumerate() {
        if score > top.1 {
            top = (i, score);
        }
    }
    top
}

/// The output at `index` with its expected shape, or an error that names both.
fn output<'a>(
    outputs: &'a [Tensor],
    index: usize,
    shape: &[usize],
) -> Result<&'a [f32], InferError> {
    match outputs.get(index) {
        Some(tensor) if tensor.shape() == shape => Ok(tensor.data()),
        other => Err(InferError::OutputShape {
            index,
            expected: shape.to_vec(),
            found: other.map(|t| t.shape().to_vec()).unwrap_or_default(),
        }),
    }
}
