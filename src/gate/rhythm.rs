//! Every how many frames the model looks at one.

use std::time::Duration;

/// Longest pause of the automatic rhythm, in frames: a tracker cannot carry boxes farther.
const MAX_PAUSE: u64 = 30;

/// What the automatic rhythm leaves for everything that is not the model.
const RESERVE: f64 = 1.15;

/// Every how many frames the model looks at one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Every {
    /// At every frame with this number, from 1.
    Frames(u64),
    /// As often as `workers` threads can while frames come at `fps`.
    Affordable {
        /// Frames a second of the source.
        fps: f64,
        /// Inference threads.
        workers: usize,
    },
}

/// Counts the frames since the model looked at one.
#[derive(Clone, Debug)]
pub struct Rhythm {
    every: Every,
    /// Frames since the last look, this one included; `None` before the first.
    since: Option<u64>,
}

impl Rhythm {
    /// A rhythm that begins with the first frame.
    pub fn new(every: Every) -> Self {
        Self { every, since: None }
    }

    /// The next frame: whether it is time to look. It is, from then on, until [`Self::looked`].
    pub(super) fn next(&mut self, took: Option<Duration>) -> bool {
        let since = self.since.map_or(u64::MAX, |since| since.saturating_add(1));
        self.since = Some(since);
        since >= self.pause(took)
    }

    /// The model looks at this frame.
    pub(super) fn looked(&mut self) {
        self.since = Some(0);
    }

    fn pause(&self, took: Option<Duration>) -> u64 {
        match (self.every, took) {
            (Every::Frames(frames), _) => frames.max(1),
            (Every::Affordable { .. }, None) => 1,
            (Every::Affordable { fps, workers }, Some(took)) => {
                let busy = took.as_secs_f64() * fps * RESERVE / workers.max(1) as f64;
                (busy.ceil() as u64).clamp(1, MAX_PAUSE)
            }
        }
    }
}
