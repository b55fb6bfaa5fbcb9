//! What is known of a source while it runs: its state, its newest record, its pace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::picture::Picture;
use crate::record::{Exit, FrameRecord, RunRecord, SummaryRecord};

/// Frames over which the pace is measured.
const METERED: usize = 64;

/// A source that gave no frame for so long has no pace.
const SILENCE: Duration = Duration::from_secs(3);

/// How a source does, as the page says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// No frame came yet.
    Waiting,
    /// Frames come.
    Live,
    /// It was lost, and is tried again.
    Lost {
        /// Why, in words without credentials.
        reason: String,
    },
    /// It gives no more frames.
    Ended {
        /// Why, in words without credentials.
        reason: String,
    },
}

impl State {
    /// The end of a source by the summary of its run.
    pub(super) fn ended(summary: &SummaryRecord) -> Self {
        let reason = match (summary.exit, &summary.error) {
            (_, Some(error)) => error.clone(),
            (Exit::EndOfInput, _) => "the end of the file was reached".into(),
            (Exit::Interrupted, _) => "it was stopped".into(),
            (Exit::Limit, _) => "a limit that was set is reached".into(),
            (Exit::Error, _) => "it failed".into(),
        };
        Self::Ended { reason }
    }

    /// Its word in metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Live => "live",
            Self::Lost { .. } => "lost",
            Self::Ended { .. } => "ended",
        }
    }

    /// All words.
    pub(super) const WORDS: [&'static str; 4] = ["waiting", "live", "lost", "ended"];
}

/// A zone or line of a source, for the page to draw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outline {
    /// Its name, as in the records.
    pub name: Arc<str>,
    /// Its points, pixels of the source.
    pub points: Vec<[f32; 2]>,
    /// Whether the last point is joined to the first.
    pub closed: bool,
}

/// What is known of a source.
pub(super) struct Facts {
    pub(super) state: State,
    pub(super) run: Option<Arc<RunRecord>>,
    pub(super) outlines: Vec<Outline>,
    pub(super) record: Option<Arc<FrameRecord>>,
    pub(super) frames: u64,
    pub(super) clean: Option<Arc<Picture>>,
    pub(super) drawn: Option<Arc<Picture>>,
    meter: VecDeque<Instant>,
}

impl Facts {
    pub(super) fn new() -> Self {
        Self {
            state: State::Waiting,
            run: None,
            outlines: Vec::new(),
            record: None,
            frames: 0,
            clean: None,
            drawn: None,
            meter: VecDeque::with_capacity(METERED),
        }
    }

    /// Notes a frame.
    pub(super) fn frame(&mut self, record: &Arc<FrameRecord>, now: Instant) {
        self.record = Some(record.clone());
        self.frames += 1;
        if self.meter.len() == METERED {
            self.meter.pop_front();
        }
        self.meter.push_back(now);
    }

    /// Frames a second of late.
    pub(super) fn fps(&self, now: Instant) -> f64 {
        let (Some(first), Some(last)) = (self.meter.front(), self.meter.back()) else { return 0.0 };
        let span = last.duration_since(*first).as_secs_f64();
        if now.duration_since(*last) > SILENCE || span <= 0.0 {
            return 0.0;
        }
        (self.meter.len() - 1) as f64 / span
    }

    /// Seconds since the last frame.
    pub(super) fn age_s(&self, now: Instant) -> Option<f64> {
        self.meter.back().map(|last| now.duration_since(*last).as_secs_f64())
    }
}

/// Holds pictures to a rate.
pub(super) struct Pace {
    interval: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// At most `fps` a second; as many as there are where that is no rate.
    pub(super) fn new(fps: f64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / fps).unwrap_or(Duration::ZERO);
        Self { interval, next: None }
    }

    /// Whether a picture is due. A source that jitters around the rate must not lose every other
    /// frame, so a quarter early is on time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now + self.interval / 4 >= next)
    }

    /// Notes a picture.
    pub(super) fn take(&mut self, now: Instant) {
        let next =
            self.next.map_or(now, |next| next.max(now.checked_sub(self.interval).unwrap_or(now)));
        self.next = Some(next + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures that a source of `fps` gives in ten seconds at 15 a second.
    fn pictures(fps: u64) -> usize {
        let (start, mut pace) = (Instant::now(), Pace::new(15.0));
        let frames = (0..fps * 10).filter(|frame| {
            let jitter_ms = frame % 3 * 4;
            let now = start + Duration::from_millis(frame * 1000 / fps + jitter_ms);
            let due = pace.is_due(now);
            if due {
                pace.take(now);
            }
            due
        });
        frames.count()
    }

    #[test]
    fn a_fast_source_is_slowed_and_a_slow_one_is_not() {
        assert_eq!(pictures(10), 100);
        assert_eq!(pictures(15), 150);
        assert!((149..=152).contains(&pictures(60)), "{}", pictures(60));
        assert!((145..=152).contains(&pictures(25)), "{}", pictures(25));
    }

    #[test]
    fn a_state_is_said_in_one_object() {
        let lost = State::Lost { reason: "timed out".into() };
        let json = serde_json::to_string(&lost).unwrap();
        assert_eq!(json, r#"{"state":"lost","reason":"timed out"}"#);
        assert_eq!(serde_json::to_string(&State::Live).unwrap(), r#"{"state":"live"}"#);
    }
}
