//! Where all runs of a program are seen together.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pipeline::Stats;
use crate::sink::rows::CountsRows;
use crate::source::SourceCounts;

/// Most ended runs that are still shown by themselves.
const ENDED: usize = 64;

/// What all runs count, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Frames recorded.
    pub(super) frames: u64,
    /// Detections recorded.
    pub(super) detections: u64,
    /// Frames of live sources that were dropped.
    pub(super) dropped: u64,
    /// Breaks of sources.
    pub(super) gaps: u64,
}

impl Tally {
    fn add(&mut self, stats: &Stats) {
        self.frames += stats.frames.load(Relaxed);
        self.detections += stats.detections.load(Relaxed);
        self.dropped += stats.dropped_live.load(Relaxed) + stats.dropped_stale.load(Relaxed);
        self.gaps += stats.gaps.load(Relaxed);
    }
}

/// The run on one input.
#[derive(Clone)]
pub(super) struct Running {
    /// Name of the source.
    pub(super) source: Arc<str>,
    /// What the engine counts.
    pub(super) stats: Arc<Stats>,
    /// What the source counts.
    pub(super) counts: Arc<SourceCounts>,
    /// What its output of rows to a server counts, where there is one.
    pub(super) rows: Option<Arc<dyn CountsRows>>,
    /// Whether it goes on as time does.
    pub(super) live: bool,
    /// Whether it has ended.
    pub(super) ended: bool,
}

/// All runs, those that go on and the latest that ended.
#[derive(Default)]
pub(super) struct Board(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    runs: Vec<Running>,
    /// Of those that are not in `runs` any more.
    past: Tally,
}

impl Board {
    /// A run begins.
    pub(super) fn begin(&self, running: Running) {
        self.inner().runs.push(running);
    }

    /// The run on `source` has ended.
    pub(super) fn end(&self, source: &str) {
        let mut inner = self.inner();
        let run = inner.runs.iter_mut().find(|run| &*run.source == source);
        if let Some(run) = run {
            run.ended = true;
        }
        if inner.runs.iter().filter(|run| run.ended).count() > ENDED
            && let Some(oldest) = inner.runs.iter().position(|run| run.ended)
        {
            let gone = inner.runs.remove(oldest);
            inner.past.add(&gone.stats);
        }
    }

    /// All runs that are shown.
    #[cfg_attr(not(feature = "preview"), allow(dead_code, reason = "the page shows them"))]
    pub(super) fn runs(&self) -> Vec<Running> {
        self.inner().runs.clone()
    }

    /// What all runs counted until now.
    pub(super) fn tally(&self) -> Tally {
        let inner = self.inner();
        let mut tally = inner.past;
        inner.runs.iter().for_each(|run| tally.add(&run.stats));
        tally
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_long_ago_is_counted_but_not_shown() {
        let board = Board::default();
        for i in 0..100u64 {
            let stats = Arc::new(Stats::default());
            stats.frames.store(i, Relaxed);
            let source = i.to_string().into();
            board.begin(Running {
                source,
                stats,
                counts: Arc::default(),
                rows: None,
                live: false,
                ended: false,
            });
            if i > 0 {
                board.end(&i.to_string());
            }
        }
        let runs = board.runs();
        assert_eq!(runs.len(), ENDED + 1);
        assert_eq!(&*runs[0].source, "0", "what goes on stays");
        assert_eq!(board.tally().frames, (0..100u64).sum::<u64>());
    }
}
