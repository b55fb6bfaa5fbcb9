//! How long the run still waits for an alert: for ever while it goes on, then a moment.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A time that all who wait look at; it is set when the run ends. Cloning shares it.
///
/// The project's `Cancel` does not serve: it is set as soon as no more frames are read, when
/// alerts of those in flight are still to come, and nobody can sleep on it.
#[derive(Clone, Debug, Default)]
pub struct Patience(Arc<(Mutex<Option<Instant>>, Condvar)>);

impl Patience {
    /// Lets it end in `time`, and wakes who waits. The first call counts.
    pub fn end_in(&self, time: Duration) {
        self.lock().get_or_insert_with(|| Instant::now() + time);
        self.0.1.notify_all();
    }

    /// How long it lasts; `None` while the run goes on.
    pub fn left(&self) -> Option<Duration> {
        self.lock().map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Whether it lasts until `time`, as far as is known now.
    pub fn lasts_until(&self, time: Instant) -> bool {
        self.lock().is_none_or(|end| time < end)
    }

    /// Waits until `time` and returns whether patience lasts; if it is known not to, at once.
    ///
    /// When the run ends meanwhile, only half of what is left is waited for, so that there is time
    /// for one more attempt.
    pub fn wait_until(&self, time: Instant) -> bool {
        let time = time.max(Instant::now());
        let end = *self.lock();
        end.is_none_or(|end| time < end) && self.wait(time, end.is_none())
    }

    /// Waits until `until`, or shorter where that may be `cut`.
    fn wait(&self, mut until: Instant, mut cut: bool) -> bool {
        let mut end = self.lock();
        loop {
            let now = Instant::now();
            if let Some(end) = *end {
                if end <= now {
                    return false;
                }
                if std::mem::take(&mut cut) {
                    until = until.min(now + (end - now) / 2);
                }
            }
            if until <= now {
                return true;
            }
            // Never past the end, whatever the caller knew of it.
            let stop = end.map_or(until, |end| end.min(until));
            let woken = self.0.1.wait_timeout(end, stop - now);
            end = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        // A time is never half written, whoever panicked.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test runs.
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn it_lasts_while_the_run_goes_on() {
        let patience = Patience::default();
        assert_eq!(patience.left(), None);
        assert!(patience.lasts_until(Instant::now() + LONG));
        assert!(patience.wait_until(Instant::now()));
    }

    #[test]
    fn a_wait_that_is_in_vain_is_not_begun() {
        let patience = Patience::default();
        patience.end_in(LONG);
        // The first call counts.
        patience.end_in(3 * LONG);
        assert!(!patience.wait_until(Instant::now() + 2 * LONG));
        assert!(patience.wait_until(Instant::now()));
        assert!(!patience.is_over());
        let patience = Patience::default();
        patience.end_in(Duration::ZERO);
        assert!(patience.is_over());
        assert!(!patience.wait_until(Instant::now()));
    }

    #[test]
    fn a_wait_in_which_the_run_ends_leaves_time_for_an_attempt() {
        let patience = Patience::default();
        patience.end_in(Duration::from_secs(1));
        assert!(patience.wait(Instant::now() + LONG, true));
        assert!(!patience.wait(Instant::now() + LONG, false));
    }
}
