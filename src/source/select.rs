//! Which frames of a source are processed: range, stride, rate and number.
//!
//! Frames are counted where they are left out, and keep the index they have in their source.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Gap, Source, SourceCounts, SourceError, SourceInfo};
use crate::frame::{FrameMeta, Image};

/// What is wanted of a source; the default is everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// First time that is wanted, in seconds from the start of the stream.
    pub start_s: Option<f64>,
    /// First time that is not wanted any more.
    pub end_s: Option<f64>,
    /// Every how many frames one is taken, counted from frame 0; at least 1 (0 means 1).
    pub stride: u64,
    /// Most frames for each second of the stream's own time.
    pub max_fps: Option<f64>,
    /// Most frames in all.
    pub max_frames: Option<u64>,
}

/// A source of which only a selection is given on.
pub struct Select {
    inner: Box<dyn Source>,
    selection: Selection,
    counts: Arc<SourceCounts>,
    taken: u64,
    /// The earliest time at which `max_fps` allows the next frame.
    due_s: Option<f64>,
    /// Set once the selection, not the source, ended it.
    ended: bool,
    /// Breaks that were not told yet: the frame behind one may be left out.
    gaps: VecDeque<Gap>,
}

impl Select {
    /// Selects from `inner`; what is left out is counted in `counts`.
    pub fn new(inner: Box<dyn Source>, selection: Selection, counts: Arc<SourceCounts>) -> Self {
        let gaps = VecDeque::new();
        Self { inner, selection, counts, taken: 0, due_s: None, ended: false, gaps }
    }

    /// Whether a frame is wanted; counts it where not.
    fn wants(&mut self, meta: &FrameMeta) -> bool {
        let before = |time: f64, limit: Option<f64>| limit.is_some_and(|limit| time < limit);
        if before(meta.pts_s.unwrap_or(0.0), self.selection.start_s) {
            self.counts.start.fetch_add(1, Relaxed);
            return false;
        }
        if !meta.index.is_multiple_of(self.selection.stride.max(1)) {
            self.counts.stride.fetch_add(1, Relaxed);
            return false;
        }
        if let (Some(max_fps), Some(now)) = (self.selection.max_fps, meta.pts_s) {
            // Rounding of times must not cost a frame of a stream that has just this rate.
            const SLACK_S: f64 = 1e-3;
            if before(now + SLACK_S, self.due_s) {
                self.counts.max_fps.fetch_add(1, Relaxed);
                return false;
            }
            let step = 1.0 / max_fps;
            // After a gap the schedule starts anew, or the frames behind it would all pass.
            let base = self.due_s.filter(|due| now - due < step).unwrap_or(now);
            self.due_s = Some(base + step);
        }
        true
    }
}

impl Source for Select {
    fn info(&self) -> &SourceInfo {
        self.inner.info()
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        if self.selection.max_frames.is_some_and(|most| self.taken >= most) {
            self.ended = true;
            self.counts.limited.store(1, Relaxed);
            return Ok(None);
        }
        while let Some(meta) = self.inner.grab()? {
            self.counts.read.fetch_add(1, Relaxed);
            self.gaps.extend(self.inner.take_gap());
            if self.selection.end_s.is_some_and(|end| meta.pts_s.unwrap_or(0.0) >= end) {
                self.ended = true;
                return Ok(None);
            }
            if self.wants(&meta) {
                self.taken += 1;
                return Ok(Some(meta));
            }
        }
        Ok(None)
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        self.inner.retrieve()
    }

    fn verdict(&self) -> Result<(), SourceError> {
        // Where the selection ended first, nobody knows how the source would have ended.
        if self.ended { Ok(()) } else { self.inner.verdict() }
    }

    fn take_gap(&mut self) -> Option<Gap> {
        self.gaps.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{Pattern, Synthetic};
    use super::*;
    use proptest::prelude::*;

    fn select(pattern: &str, selection: Selection) -> (Vec<u64>, Arc<SourceCounts>) {
        let inner = Synthetic::new("s", Pattern::parse(pattern).unwrap());
        let counts = Arc::new(SourceCounts::default());
        let mut source = Select::new(Box::new(inner), selection, counts.clone());
        let taken = std::iter::from_fn(|| source.grab().unwrap()).map(|meta| meta.index).collect();
        (taken, counts)
    }

    #[test]
    fn a_range_is_half_open_and_keeps_indices() {
        let selection = Selection { start_s: Some(0.2), end_s: Some(0.5), ..Selection::default() };
        let (taken, counts) = select("4x4@10x10", selection);
        assert_eq!(taken, [2, 3, 4]);
        assert_eq!(counts.start.load(Relaxed), 2);
        assert_eq!(counts.limited.load(Relaxed), 0);
    }

    #[test]
    fn stride_counts_from_frame_0_also_in_a_range() {
        let selection = Selection { start_s: Some(0.1), stride: 3, ..Selection::default() };
        assert_eq!(select("4x4@10x10", selection).0, [3, 6, 9]);
    }

    #[test]
    fn max_frames_is_a_limit_unless_the_source_ends_first() {
        let limited = |most| Selection { max_frames: Some(most), ..Selection::default() };
        let (taken, counts) = select("4x4@10x10", limited(4));
        assert_eq!((taken.len(), counts.limited.load(Relaxed)), (4, 1));
        assert_eq!(counts.read.load(Relaxed), 4);
    }

    #[test]
    fn max_fps_halves_a_rate_and_leaves_a_slower_one() {
        let at_most = |fps| Selection { max_fps: Some(fps), ..Selection::default() };
        assert_eq!(select("4x4@10x6", at_most(5.0)).0, [0, 2, 4]);
        assert_eq!(select("4x4@10x6", at_most(10.0)).0.len(), 6);
        assert_eq!(select("4x4@30x300", at_most(12.0)).0.len(), 120);
    }

    proptest! {
        #[test]
        fn every_frame_is_taken_or_counted(
            frames in 0u64..200, stride in 0u64..7, max_fps in prop::option::of(0.5f64..60.0),
            start in prop::option::of(0f64..10.0),
        ) {
            let selection =
                Selection { start_s: start, stride, max_fps, ..Selection::default() };
            let (taken, counts) = select(&format!("4x4@25x{frames}"), selection);
            let left_out = [&counts.start, &counts.stride, &counts.max_fps]
                .iter().map(|count| count.load(Relaxed)).sum::<u64>();
            prop_assert_eq!(counts.read.load(Relaxed), frames);
            prop_assert_eq!(taken.len() as u64 + left_out, frames);
            prop_assert!(taken.is_sorted());
        }
    }
}
