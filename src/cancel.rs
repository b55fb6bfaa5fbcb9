//! A request to stop that every thread can see.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

/// Asks the source to stop; what is in flight still drains and every output is finished.
///
/// Cloning shares the request.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicI32>);

/// Marks a stop that no signal asked for.
const WITHOUT_SIGNAL: i32 = -1;

impl Cancel {
    /// Asks for a stop because signal number `signal` came. The first request stays.
    pub fn by_signal(&self, signal: i32) {
        self.set(signal);
    }

    /// Asks for a stop because nobody needs more frames.
    pub fn without_signal(&self) {
        self.set(WITHOUT_SIGNAL);
    }

    fn set(&self, value: i32) {
        // Whoever came first decides what the run reports.
        self.0.compare_exchange(0, value, SeqCst, SeqCst).ok();
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(SeqCst) != 0
    }

    /// The signal that asked for the stop, if one did.
    pub fn signal(&self) -> Option<i32> {
        Some(self.0.load(SeqCst)).filter(|&value| value > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_stays() {
        let cancel = Cancel::default();
        assert!(!cancel.is_cancelled());
        cancel.without_signal();
        cancel.by_signal(15);
        assert!(cancel.is_cancelled());
        assert_eq!(cancel.signal(), None);

        let cancel = Cancel::default();
        cancel.clone().by_signal(2);
        assert_eq!(cancel.signal(), Some(2));
    }
}
