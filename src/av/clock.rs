//! Presentation times that always increase.

use crate::record::{PtsSource, round};

/// Turns a decoder's time stamps into seconds from the first frame.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Seconds a tick.
    tick_s: f64,
    /// Seconds from frame to frame by the nominal rate.
    nominal_s: f64,
    source: PtsSource,
    first: Option<i64>,
    last_s: Option<f64>,
    /// The last good distance between two frames.
    step_s: f64,
}

/// Frames a second that are assumed where the container says nothing.
const ASSUMED_FPS: f64 = 25.0;

impl Clock {
    /// A clock for ticks of `tick_s` and a nominal rate.
    pub(super) fn new(source: PtsSource, tick_s: f64, fps: Option<f64>) -> Self {
        let nominal_s = 1.0 / fps.unwrap_or(ASSUMED_FPS);
        Self { tick_s, nominal_s, source, first: None, last_s: None, step_s: nominal_s }
    }

    /// Where the times come from.
    pub(super) fn source(&self) -> PtsSource {
        self.source
    }

    /// Counts times from `stamp`, that of a first frame which is not given.
    pub(super) fn begins_at(&mut self, stamp: Option<i64>) {
        self.first = stamp;
    }

    /// The time of frame `index`, which carries `stamp`.
    ///
    /// A stamp that is missing or does not increase becomes the previous time plus the last good
    /// distance.
    pub(super) fn time(&mut self, index: u64, stamp: Option<i64>) -> f64 {
        if self.source == PtsSource::Index {
            return round(index as f64 * self.nominal_s, 1e6);
        }
        let stamped = stamp.map(|stamp| {
            let first = *self.first.get_or_insert(stamp);
            // In `f64` first: the difference of two hostile stamps may not fit an `i64`.
            round((stamp as f64 - first as f64) * self.tick_s, 1e6)
        });
        let time = match (stamped, self.last_s) {
            (Some(time), Some(last)) if time > last => {
                self.step_s = time - last;
                time
            }
            (Some(time), None) => time,
            (_, Some(last)) => round(last + self.step_s, 1e6),
            (None, None) => 0.0,
        };
        self.last_s = Some(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(stamps: &[Option<i64>]) -> Vec<f64> {
        let mut clock = Clock::new(PtsSource::Container, 0.001, Some(25.0));
        stamps.iter().enumerate().map(|(i, stamp)| clock.time(i as u64, *stamp)).collect()
    }

    #[test]
    fn times_count_from_the_first_stamp() {
        assert_eq!(times(&[Some(500), Some(540), Some(600)]), [0.0, 0.04, 0.1]);
    }

    #[test]
    fn a_stamp_that_does_not_increase_is_repaired() {
        let repaired = times(&[Some(0), Some(50), Some(0), None, Some(50), Some(300)]);
        assert_eq!(repaired, [0.0, 0.05, 0.1, 0.15, 0.2, 0.3]);
    }

    #[test]
    fn without_stamps_the_index_counts() {
        let mut clock = Clock::new(PtsSource::Index, 0.001, Some(10.0));
        assert_eq!(clock.time(3, Some(999)), 0.3);
    }

    proptest! {
        #[test]
        fn times_always_increase(stamps in prop::collection::vec(any::<Option<i64>>(), 1..60)) {
            let times = times(&stamps);
            prop_assert!(times.windows(2).all(|pair| pair[1] >= pair[0]));
            prop_assert!(times.iter().all(|time| time.is_finite()));
        }
    }
}
