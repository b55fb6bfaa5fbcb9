//! A scripted detector, `--engine fake[:OPTION...]`, hidden: it lets the tests drive the real
//! program without a model. Options, joined by `:`, are `panic=N` and `fail=N` (at the N-th call),
//! `sleep-ms=N` (each call), `boxes=N` (each frame).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{Detector, Found, InferError};
use crate::detection::Detection;
use crate::frame::Image;
use crate::geometry::{BBox, Region};

/// Its name as an engine.
pub const NAME: &str = "fake";

/// What it does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    panic_at: Option<u64>,
    fail_at: Option<u64>,
    sleep: Duration,
    boxes: u32,
}

impl Script {
    /// Reads what follows `fake`; `None` where an option is unknown.
    pub fn parse(options: &str) -> Option<Self> {
        let mut script = Self { boxes: 1, ..Self::default() };
        for option in options.split(':').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=')?;
            let value: u64 = value.parse().ok()?;
            match key {
                "panic" => script.panic_at = Some(value),
                "fail" => script.fail_at = Some(value),
                "sleep-ms" => script.sleep = Duration::from_millis(value),
                "boxes" => script.boxes = u32::try_from(value).ok()?,
                _ => return None,
            }
        }
        Some(script)
    }
}

/// A detector that plays a [`Script`]; its boxes follow from the pixel at the top left, so that
/// equal frames get equal boxes.
pub struct FakeDetector {
    script: Script,
    calls: AtomicU64,
}

impl FakeDetector {
    /// A detector that plays `script`.
    pub fn new(script: Script) -> Self {
        Self { script, calls: AtomicU64::new(0) }
    }
}

impl Detector for FakeDetector {
    fn detect(&self, image: &Image) -> Result<Found, InferError> {
        let start = Instant::now();
        let call = self.calls.fetch_add(1, Relaxed);
        if self.script.panic_at == Some(call) {
            panic!("the script says so");
        }
        if self.script.fail_at == Some(call) {
            return Err(InferError::Engine { engine: NAME, message: "the script says so".into() });
        }
        std::thread::sleep(self.script.sleep);
        let size = image.size();
        let shift = f32::from(image.bytes()[0]) / 255.0 * size.width as f32 / 2.0;
        let side = size.width.min(size.height) as f32 / 4.0;
        let detection = |i: u32| {
            let bbox = BBox::new(shift, i as f32, shift + side, i as f32 + side);
            let bbox = bbox.clipped(Region::whole(size));
            bbox.is_sound().then(|| Detection::of_box(bbox, 0.9 / (i + 1) as f32, i % 80))
        };
        let detections = (0..self.script.boxes).filter_map(detection);
        Ok(Found { detections: detections.collect(), infer: start.elapsed(), ..Found::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read_whole_or_not_at_all() {
        assert_eq!(Script::parse("").unwrap().boxes, 1);
        let script = Script::parse(":panic=3:sleep-ms=5").unwrap();
        assert_eq!((script.panic_at, script.sleep), (Some(3), Duration::from_millis(5)));
        assert_eq!(Script::parse("panic"), None);
        assert_eq!(Script::parse("dance=1"), None);
    }
}
