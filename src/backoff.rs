//! How long to wait before the next attempt: exponential, with full jitter.
//!
//! Cameras that lose power together come back together, and programs that lost the same server
//! ask it again together; full jitter (a random part of the whole wait) keeps them apart:
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Delays that double from `first` up to `most`, each taken at random from zero to itself.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    /// Attempts since the last fresh start.
    step: u32,
}

impl Backoff {
    /// Starts with delays of up to `first`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, step: 0 }
    }

    /// The longest that the next delay can be.
    pub fn ceiling(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.step).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.most)
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        self.delay(luck())
    }

    /// The delay before the next attempt, where `luck`, from 0 to 1, says what part of the
    /// ceiling it is.
    pub fn delay(&mut self, luck: f64) -> Duration {
        let ceiling = self.ceiling();
        self.step = self.step.saturating_add(1);
        ceiling.mul_f64(luck.clamp(0.0, 1.0))
    }

    /// A fresh start.
    pub fn reset(&mut self) {
        self.step = 0;
    }

    /// Tells that a connection held for `held`. One that held longer than the longest wait that
    /// came before it earns a fresh start; one that breaks at once does not, or a camera that
    /// accepts and hangs up would be asked without pause.
    pub fn held(&mut self, held: Duration) {
        let before = Self { step: self.step.saturating_sub(1), ..*self };
        if held > before.ceiling() {
            self.step = 0;
        }
    }
}

/// Bits that nobody can foresee well enough for jitter or a client's name; not for secrets.
pub fn dice() -> u64 {
    // The standard library's hasher is seeded by the system, every one anew.
    RandomState::new().hash_one(0_u8)
}

/// A random number from 0 to below 1.
pub fn luck() -> f64 {
    (dice() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(30);

    #[test]
    fn delays_double_up_to_the_bound() {
        let mut backoff = Backoff::new(FIRST, MOST);
        let mut ceilings = Vec::new();
        for _ in 0..80 {
            let ceiling = backoff.ceiling();
            assert!(backoff.next_delay() <= ceiling);
            ceilings.push(ceiling.as_secs_f64());
        }
        assert_eq!(ceilings[..8], [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(ceilings[79], 30.0);
    }

    #[test]
    fn delays_are_spread_over_the_whole_range() {
        let delays: Vec<f64> =
            (0..400).map(|_| Backoff::new(FIRST, MOST).next_delay().as_secs_f64()).collect();
        for quarter in 0..4 {
            let from = 0.125 * f64::from(quarter);
            let inside = delays.iter().filter(|&&d| d >= from && d < from + 0.125).count();
            // 100 are expected; fewer than 40 has a probability below 1e-11.
            assert!(inside > 40, "{inside} of 400 from {from}");
        }
    }

    #[test]
    fn luck_is_the_part_that_is_waited() {
        let mut backoff = Backoff::new(FIRST, MOST);
        assert_eq!(backoff.delay(1.0), FIRST);
        assert_eq!(backoff.delay(0.5), FIRST);
        backoff.reset();
        assert_eq!(backoff.delay(0.0), Duration::ZERO);
        assert_eq!(backoff.delay(f64::INFINITY), 2 * FIRST);
    }

    #[test]
    fn only_a_connection_that_held_earns_a_fresh_start() {
        let mut backoff = Backoff::new(FIRST, MOST);
        for _ in 0..4 {
            backoff.next_delay();
        }
        backoff.held(Duration::from_secs(3));
        assert_eq!(backoff.ceiling(), Duration::from_secs(8));
        backoff.held(Duration::from_secs(5));
        assert_eq!(backoff.ceiling(), FIRST);
    }
}
