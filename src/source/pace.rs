//! A file at its own pace, as a camera would give it. What to do with frames that come late is
//! left to whoever takes them.

use std::time::{Duration, Instant};

use super::wait::sleep_until;
use super::{Gap, Source, SourceError, SourceInfo};
use crate::cancel::Cancel;
use crate::frame::{FrameMeta, Image};

/// Gives each frame no sooner than its time, counted from when the first one was given.
///
/// A reader that falls behind gets what is late without a pause until it has caught up. Pictures
/// have no times and are not held back.
pub struct Realtime {
    inner: Box<dyn Source>,
    cancel: Cancel,
    /// When the first frame was given, and its time.
    start: Option<(Instant, f64)>,
}

impl Realtime {
    /// Paces `inner`; a stop request ends it within a moment.
    pub fn new(inner: Box<dyn Source>, cancel: Cancel) -> Self {
        Self { inner, cancel, start: None }
    }
}

impl Source for Realtime {
    fn info(&self) -> &SourceInfo {
        self.inner.info()
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        let Some(meta) = self.inner.grab()? else { return Ok(None) };
        let Some(time) = meta.pts_s else { return Ok(Some(meta)) };
        let (start, first) = *self.start.get_or_insert((Instant::now(), time));
        // A hostile container's time may not fit a `Duration`, or the clock.
        let wait = Duration::try_from_secs_f64(time - first).unwrap_or_default();
        let Some(due) = start.checked_add(wait) else { return Ok(Some(meta)) };
        Ok(sleep_until(due, &self.cancel).then_some(meta))
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        self.inner.retrieve()
    }

    fn verdict(&self) -> Result<(), SourceError> {
        // Where a stop ended it, nobody knows how it would have ended.
        if self.cancel.is_cancelled() { Ok(()) } else { self.inner.verdict() }
    }

    fn take_gap(&mut self) -> Option<Gap> {
        self.inner.take_gap()
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{Pattern, Synthetic};
    use super::*;

    fn paced(pattern: &str, cancel: &Cancel) -> Realtime {
        let inner = Synthetic::new("s", Pattern::parse(pattern).unwrap());
        Realtime::new(Box::new(inner), cancel.clone())
    }

    #[test]
    fn no_frame_comes_before_its_time() {
        let mut source = paced("4x4@50x11", &Cancel::default());
        let start = Instant::now();
        let mut frames = 0;
        while let Some(meta) = source.grab().unwrap() {
            assert!(start.elapsed().as_secs_f64() >= meta.pts_s.unwrap());
            frames += 1;
        }
        assert_eq!(frames, 11);
        assert!(source.verdict().is_ok());
    }

    #[test]
    fn late_frames_are_given_at_once() {
        let mut source = paced("4x4@100x20", &Cancel::default());
        source.grab().unwrap();
        std::thread::sleep(Duration::from_millis(250));
        let start = Instant::now();
        while source.grab().unwrap().is_some() {}
        assert!(start.elapsed() < Duration::from_millis(100));
    }

    #[test]
    fn a_stop_cuts_the_wait_short() {
        let cancel = Cancel::default();
        let mut source = paced("4x4@0.01x5", &cancel);
        assert!(source.grab().unwrap().is_some());
        let stop = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            cancel.without_signal();
        });
        let start = Instant::now();
        assert_eq!(source.grab().unwrap(), None);
        assert!(start.elapsed() < Duration::from_secs(10));
        stop.unwrap().join().unwrap();
    }
}
