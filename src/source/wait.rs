//! Waiting that a stop request cuts short.

use std::time::{Duration, Instant};

use crate::cancel::Cancel;

/// How long a stop request goes unseen at most.
pub(super) const GLANCE: Duration = Duration::from_millis(20);

/// Sleeps until `until`; `false` where a stop was asked for before.
pub(super) fn sleep_until(until: Instant, cancel: &Cancel) -> bool {
    while !cancel.is_cancelled() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(GLANCE));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_cuts_a_sleep_short() {
        let start = Instant::now();
        assert!(sleep_until(start + Duration::from_millis(30), &Cancel::default()));
        assert!(start.elapsed() >= Duration::from_millis(30));
        let cancel = Cancel::default();
        cancel.without_signal();
        assert!(!sleep_until(start + Duration::from_secs(60), &cancel));
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
