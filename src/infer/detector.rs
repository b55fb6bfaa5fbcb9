//! The real detector: preprocess, engine, head, NMS, back to source pixels.

use std::time::Instant;

use super::head::Head;
use super::nms::nms;
use super::preprocess::Preprocess;
use super::{Detector, Engine, Found, InferError};
use crate::detection::Detection;
use crate::frame::Image;

/// Which boxes are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct PostProcess {
    /// Least confidence, 0 to 1.
    pub min_confidence: f32,
    /// Largest overlap of two kept boxes, 0 to 1.
    pub max_iou: f32,
    /// Whether boxes of different classes suppress each other.
    pub agnostic: bool,
    /// The classes to keep; all where `None`.
    pub classes: Option<Vec<u32>>,
    /// Most boxes a frame.
    pub max_detections: usize,
}

/// A model in an engine.
pub struct ModelDetector {
    engine: Box<dyn Engine>,
    preprocess: Preprocess,
    head: Box<dyn Head>,
    post: PostProcess,
}

impl ModelDetector {
    /// Puts the parts together.
    pub fn new(
        engine: Box<dyn Engine>,
        preprocess: Preprocess,
        head: Box<dyn Head>,
        post: PostProcess,
    ) -> Self {
        Self { engine, preprocess, head, post }
    }
}

impl Detector for ModelDetector {
    fn detect(&self, image: &Image) -> Result<Found, InferError> {
        let start = Instant::now();
        let (input, view) = self.preprocess.apply(image);
        let prepared = Instant::now();
        let outputs = self.engine.run(input)?;
        let inferred = Instant::now();
        let mut candidates = Vec::new();
        self.head.decode(&outputs, self.post.min_confidence, &mut candidates)?;
        if let Some(classes) = &self.post.classes {
            candidates.retain(|c| classes.contains(&c.class_id));
        }
        let kept = nms(candidates, self.post.max_iou, self.post.agnostic, self.post.max_detections);
        let detections = kept
            .iter()
            .map(|c| Detection {
                bbox: view.to_source(&c.bbox).clipped(image.size()),
                confidence: c.score,
                class_id: c.class_id,
                tracker_id: None,
            })
            .filter(|d| d.bbox.is_sound())
            .collect();
        Ok(Found {
            detections,
            preprocess: prepared - start,
            infer: inferred - prepared,
            postprocess: inferred.elapsed(),
        })
    }
}
