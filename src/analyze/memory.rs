//! What is known of a frame from elsewhere: from the records of an earlier run, or from the frame
//! that the model looked at last.

use crate::detection::Detection;
use crate::frame::Size;
use crate::infer::{Basis, Found};
use crate::replay::Frames;

/// Completes what the detector gives.
#[derive(Default)]
pub(super) struct Memory {
    /// The detections of an earlier run, and which classes of them count.
    replay: Option<(Frames, Option<Vec<u32>>)>,
    /// Whether frames may come that the model did not look at.
    keeps: bool,
    /// What it found when it looked last.
    last: Found,
    /// What of it has no track, which could carry it on.
    loose: Vec<Detection>,
}

impl Memory {
    /// From now on the detections of an earlier run count, of these classes where some are named.
    pub(super) fn replay(&mut self, frames: Frames, classes: Option<Vec<u32>>) {
        self.replay = Some((frames, classes));
    }

    /// From now on what was found is kept for frames that the model does not look at.
    pub(super) fn keep(&mut self) {
        self.keeps = true;
    }

    /// What is known of a frame of `image` pixels, and its true size: records have no picture.
    pub(super) fn complete(&mut self, index: u64, image: Size, found: Found) -> (Size, Found) {
        let recalled = self.recall(index);
        let then = recalled.as_ref().map(|(size, _)| *size);
        let image = then.filter(|_| image == Size::new(1, 1)).unwrap_or(image);
        let mut known = match recalled {
            Some((_, recalled)) if found.basis == Basis::Model => recalled,
            _ => found,
        };
        match known.basis {
            Basis::Model if self.keeps => {
                let Found { detections, top, .. } = known.clone();
                self.last = Found { detections, top, ..Found::default() };
            }
            Basis::Unchanged if known.detections.is_empty() => {
                known.detections.clone_from(&self.last.detections);
                known.top = self.last.top;
            }
            _ => {}
        }
        (image, known)
    }

    /// Keeps what has no track, of a frame that was looked at.
    pub(super) fn keep_loose(&mut self, found: &[Detection]) {
        if self.keeps {
            let loose = found.iter().filter(|found| found.tracker_id.is_none());
            self.loose = loose.cloned().collect();
        }
    }

    /// What had no track when the model looked last, where it was then.
    pub(super) fn loose(&self) -> impl Iterator<Item = Detection> {
        self.loose.iter().map(|found| Detection { predicted: true, ..found.clone() })
    }

    /// What an earlier run found in a frame, and the frame's size then.
    fn recall(&mut self, index: u64) -> Option<(Size, Found)> {
        let (frames, classes) = self.replay.as_mut()?;
        let (size, mut found) = frames.at(index).unwrap_or_else(|error| {
            // They were read once before the run.
            log::error!("{error}");
            None
        })?;
        let kept = |class: u32| classes.as_ref().is_none_or(|classes| classes.contains(&class));
        found.detections.retain(|found| kept(found.class_id));
        Some((size, found))
    }
}
