//! When the next attempt is due: exponential backoff with full jitter.
//!
//! Full jitter (a random part of the whole wait) keeps many programs that lost the same receiver
//! from coming back at the same moment:
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// More doublings than this make no difference to any wait.
const MAX_DOUBLINGS: u32 = 16;

/// The state of one receiver, kept from alert to alert: one that is down is not asked more often
/// because more happens.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    longest_asked: Duration,
    failures: u32,
    due: Option<Instant>,
}

impl Backoff {
    /// Waits from `first` to `longest`, but what a receiver asks for up to `longest_asked`.
    pub(super) fn new(first: Duration, longest: Duration, longest_asked: Duration) -> Self {
        Self { first, longest, longest_asked, failures: 0, due: None }
    }

    /// When the next attempt is due; `None` is at once.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The receiver answers.
    pub(super) fn reset(&mut self) {
        (self.failures, self.due) = (0, None);
    }

    /// An attempt failed at `now`; `after` is the wait that the receiver asked for, and `luck`,
    /// of 0 to 1, what part of our own is waited. Returns when the next attempt is due.
    pub(super) fn fail(&mut self, now: Instant, after: Option<Duration>, luck: f64) -> Instant {
        let wait = self.first.saturating_mul(1 << self.failures.min(MAX_DOUBLINGS));
        let wait = wait.min(self.longest).mul_f64(luck.clamp(0.0, 1.0));
        let asked = after.unwrap_or_default().min(self.longest_asked);
        self.failures = self.failures.saturating_add(1);
        let due = now + wait.max(asked);
        self.due = Some(due);
        due
    }
}

/// Bits that nobody can foresee well enough for jitter or a client's name; not for secrets.
pub(super) fn dice() -> u64 {
    // Every `RandomState` has keys of its own.
    RandomState::new().hash_one(0)
}

/// A number from 0 to 1.
pub(super) fn luck() -> f64 {
    f64::from((dice() >> 32) as u32) / f64::from(u32::MAX)
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

    #[test]
    fn luck_is_a_part() {
        let all: Vec<f64> = (0..100).map(|_| luck()).collect();
        assert!(all.iter().all(|luck| (0.0..=1.0).contains(luck)));
        assert!(all.iter().any(|luck| *luck != all[0]));
    }
}
