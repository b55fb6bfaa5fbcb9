//! The same input again and again (`--loop`), as one stream whose frames and times go on.

use super::{Gap, Source, SourceError, SourceInfo};
use crate::frame::{FrameMeta, Image};
use crate::record::round;

/// Opens the input anew, for the next round.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError> + Send>;

/// Gives a source's frames without end.
///
/// Frames keep counting, and times go on by the length of a round: its last time and one more
/// interval. It ends only where a round has no frame at all, and fails where the input cannot be
/// opened again.
pub struct Loop {
    inner: Box<dyn Source>,
    open: Open,
    info: SourceInfo,
    next: u64,
    /// Frames of this round.
    of_round: u64,
    /// Time at which this round began.
    offset_s: f64,
    last_s: Option<f64>,
    /// The last distance between two frames.
    step_s: f64,
    ended: bool,
}

impl Loop {
    /// Opens the first round.
    ///
    /// # Errors
    /// Those of opening.
    pub fn new(mut open: Open) -> Result<Self, SourceError> {
        /// Frames a second that are assumed where the input says nothing.
        const ASSUMED_FPS: f64 = 25.0;
        let inner = open()?;
        let info = SourceInfo { frames: None, duration_s: None, ..inner.info().clone() };
        let step_s = 1.0 / info.fps.unwrap_or(ASSUMED_FPS);
        let (next, of_round, offset_s, last_s, ended) = (0, 0, 0.0, None, false);
        Ok(Self { inner, open, info, next, of_round, offset_s, last_s, step_s, ended })
    }

    fn turn(&mut self) -> Result<(), SourceError> {
        if let Err(error) = self.inner.verdict() {
            log::debug!("a round ended: {error}");
        }
        self.inner = (self.open)()?;
        self.of_round = 0;
        let (found, expected) = (self.inner.info().size, self.info.size);
        if found != expected {
            let (uri, frame) = (self.info.uri.as_str().into(), self.next);
            return Err(SourceError::SizeChanged { uri, frame, found, expected });
        }
        if let Some(last_s) = self.last_s {
            self.offset_s = last_s + self.step_s;
        }
        Ok(())
    }

    fn place(&mut self, meta: FrameMeta) -> FrameMeta {
        let pts_s = meta.pts_s.map(|time| round(self.offset_s + time, 1e6));
        if let (Some(now), Some(last)) = (pts_s, self.last_s)
            && now > last
            && self.of_round > 0
        {
            self.step_s = now - last;
        }
        self.last_s = pts_s.or(self.last_s);
        let index = self.next;
        self.next += 1;
        self.of_round += 1;
        FrameMeta { index, pts_s, ..meta }
    }
}

impl Source for Loop {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        while !self.ended {
            if let Some(meta) = self.inner.grab()? {
                return Ok(Some(self.place(meta)));
            }
            // A round without a frame would be followed by another such, for ever.
            self.ended = self.of_round == 0;
            if !self.ended {
                self.ended = true;
                self.turn()?;
                self.ended = false;
            }
        }
        Ok(None)
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        self.inner.retrieve()
    }

    fn verdict(&self) -> Result<(), SourceError> {
        self.inner.verdict()
    }

    fn take_gap(&mut self) -> Option<Gap> {
        self.inner.take_gap()
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{Pattern, Synthetic};
    use super::*;

    fn rounds(patterns: &'static [&'static str]) -> Loop {
        let mut patterns = patterns.iter();
        Loop::new(Box::new(move || {
            let pattern = patterns.next().ok_or_else(|| {
                SourceError::from_io("/no/such", &std::io::ErrorKind::NotFound.into())
            })?;
            Ok(Box::new(Synthetic::new("s", Pattern::parse(pattern).unwrap())))
        }))
        .unwrap()
    }

    #[test]
    fn frames_and_times_go_on() {
        let mut source = rounds(&["4x4@10x3", "4x4@10x3", "4x4@10x1", "4x4@10x2"]);
        assert_eq!((source.info().frames, source.info().duration_s), (None, None));
        let frames: Vec<_> = (0..9).map(|_| source.grab().unwrap().unwrap()).collect();
        let indices: Vec<_> = frames.iter().map(|meta| meta.index).collect();
        assert_eq!(indices, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let times: Vec<_> = frames.iter().filter_map(|meta| meta.pts_s).collect();
        assert_eq!(times, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]);
    }

    #[test]
    fn it_ends_where_there_is_nothing_to_repeat() {
        let mut source = rounds(&["4x4@10x1", "4x4@10x0"]);
        assert!(source.grab().unwrap().is_some());
        assert_eq!(source.grab().unwrap(), None);
        assert_eq!(source.grab().unwrap(), None);
    }

    #[test]
    fn an_input_that_is_gone_fails_once() {
        let mut source = rounds(&["4x4@10x1"]);
        assert!(source.grab().unwrap().is_some());
        assert!(matches!(source.grab(), Err(SourceError::Missing { .. })));
        assert_eq!(source.grab().unwrap(), None);
    }
}
