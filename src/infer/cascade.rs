//! A second model that says more of every box: a classifier run on each crop.

use std::sync::Arc;

use super::detector::{ModelDetector, add_times};
use super::labels::Labels;
use super::{Detector, Found, InferError};
use crate::detection::Attribute;
use crate::frame::Image;
use crate::geometry::Region;

/// Runs one detector, then a classifier on each of its boxes.
pub struct Cascade {
    detector: Arc<dyn Detector>,
    classifier: ModelDetector,
    name: Arc<str>,
    labels: Labels,
}

impl Cascade {
    /// Puts `classifier`, a model called `name` with these labels, behind `detector`.
    pub fn new(
        detector: Arc<dyn Detector>,
        classifier: ModelDetector,
        name: Arc<str>,
        labels: Labels,
    ) -> Self {
        Self { detector, classifier, name, labels }
    }
}

impl Detector for Cascade {
    fn detect(&self, image: &Image) -> Result<Found, InferError> {
        let mut found = self.detector.detect(image)?;
        for i in 0..found.detections.len() {
            let Some(bbox) = found.detections[i].bbox else { continue };
            let said = self.classifier.detect_in(image, Region::around(&bbox, image.size()))?;
            add_times(&mut found, &said);
            let attribute = said.top.map(|(class_id, confidence)| Attribute {
                model: self.name.clone(),
                class: self.labels.name(class_id),
                class_id,
                confidence,
            });
            found.detections[i].attributes.extend(attribute);
        }
        Ok(found)
    }

    fn verdict(&self) -> Result<(), InferError> {
        self.detector.verdict()
    }
}
