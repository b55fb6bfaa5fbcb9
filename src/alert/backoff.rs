//! When the next attempt is due: our own backoff, or the longer wait that a receiver asks for.

use std::time::{Duration, Instant};

use crate::backoff;

/// The state of one receiver, kept from alert to alert: one that is down is not asked more often
/// because more happens.
#[derive(Debug)]
pub(super) struct Backoff {
    waits: backoff::Backoff,
    longest_asked: Duration,
    due: Option<Instant>,
}

impl Backoff {
    /// Waits from `first` to `longest`, but what a receiver asks for up to `longest_asked`.
    pub(super) fn new(first: Duration, longest: Duration, longest_asked: Duration) -> Self {
        Self { waits: backoff::Backoff::new(first, longest), longest_asked, due: None }
    }

    /// When the next attempt is due; `None` is at once.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The receiver answers.
    pub(super) fn reset(&mut self) {
        self.waits.reset();
        self.due = None;
    }

    /// An attempt failed at `now`; `after` is the wait that the receiver asked for, and `luck`,
    /// of 0 to 1, what part of our own is waited. Returns when the next attempt is due.
    pub(super) fn fail(&mut self, now: Instant, after: Option<Duration>, luck: f64) -> Instant {
        let asked = after.unwrap_or_default().min(self.longest_asked);
        let due = now + self.waits.delay(luck).max(asked);
        self.due = Some(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(500), ms(3000), ms(60_000));
        assert_eq!(backoff.due(), None);
        for wait in [500, 1000, 2000, 3000, 3000] {
            backoff.fail(now, None, 1.0);
            assert_eq!(backoff.due(), Some(now + ms(wait)));
        }
        for _ in 0..100 {
            backoff.fail(now, None, 0.5);
        }
        assert_eq!(backoff.due(), Some(now + ms(1500)));
        backoff.reset();
        assert_eq!(backoff.due(), None);
        backoff.fail(now, None, 0.0);
        assert_eq!(backoff.due(), Some(now));
    }

    #[test]
    fn what_a_receiver_asks_for_is_honoured_and_bounded() {
        let now = Instant::now();
        let second = Duration::from_secs;
        let mut backoff = Backoff::new(second(1), second(10), second(60));
        backoff.fail(now, Some(second(7)), 1.0);
        assert_eq!(backoff.due(), Some(now + second(7)));
        backoff.fail(now, Some(second(u64::MAX)), 1.0);
        assert_eq!(backoff.due(), Some(now + second(60)));
    }
}
