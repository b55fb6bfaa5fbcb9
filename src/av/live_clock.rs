//! Times of live frames: by the stream's stamps, which may begin late, or by the wall clock.

use std::time::Instant;

use super::clock::Clock;
use crate::record::{PtsSource, round};

/// Frames a second that are assumed where nothing is known.
const ASSUMED_FPS: f64 = 25.0;

/// Seconds since the first frame, increasing.
pub(super) struct LiveClock {
    /// When the first frame came, where the stream has no stamps of its own.
    wall: Option<Instant>,
    clock: Clock,
    /// Time of the first frame with a stamp; RTSP's first frames come without.
    lead_s: Option<f64>,
    last_s: Option<f64>,
    step_s: f64,
}

impl LiveClock {
    /// A clock of stamps in ticks of `tick_s`, or of the wall where those are `made_up`.
    pub(super) fn new(made_up: bool, tick_s: f64, fps: Option<f64>) -> Self {
        let clock = Clock::new(PtsSource::Container, tick_s, fps);
        let step_s = 1.0 / fps.unwrap_or(ASSUMED_FPS);
        let wall = made_up.then(Instant::now);
        Self { wall, clock, lead_s: None, last_s: None, step_s }
    }

    /// The time of frame `index`, which carries `stamp`.
    pub(super) fn time(&mut self, index: u64, stamp: Option<i64>) -> f64 {
        let next_s = self.last_s.map_or(0.0, |last| last + self.step_s);
        let time = match (self.wall, self.last_s) {
            (Some(_), None) => 0.0,
            // Frames that came in one burst are still one after the other.
            (Some(start), Some(last)) => start.elapsed().as_secs_f64().max(last + 1e-6),
            (None, _) if stamp.is_none() && self.lead_s.is_none() => next_s,
            (None, _) => *self.lead_s.get_or_insert(next_s) + self.clock.time(index, stamp),
        };
        let time = round(time, 1e6);
        self.last_s = Some(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(clock: &mut LiveClock, stamps: &[Option<i64>]) -> Vec<f64> {
        stamps.iter().enumerate().map(|(i, stamp)| clock.time(i as u64, *stamp)).collect()
    }

    #[test]
    fn stamps_may_begin_late() {
        let mut clock = LiveClock::new(false, 0.01, Some(10.0));
        let stamps = [None, None, Some(500), Some(512), None, Some(533), Some(900)];
        assert_eq!(times(&mut clock, &stamps), [0.0, 0.1, 0.2, 0.32, 0.44, 0.53, 4.2]);
        let mut clock = LiveClock::new(false, 0.01, None);
        assert_eq!(times(&mut clock, &[Some(7), Some(17)]), [0.0, 0.1]);
    }

    #[test]
    fn the_wall_clock_increases_in_a_burst() {
        let mut clock = LiveClock::new(true, 0.01, Some(10.0));
        let times = times(&mut clock, &[Some(0); 50]);
        assert_eq!(times[0], 0.0);
        assert!(times.is_sorted_by(|a, b| a < b));
    }
}
