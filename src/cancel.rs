//! A request to stop that every thread can see.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

/// Asks the source to stop; what is in flight still drains and every output is finished.
///
/// Cloning shares the request.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    own: Arc<AtomicI32>,
    /// That of all, where this one is of one run among several.
    all: Option<Arc<AtomicI32>>,
}

/// Why a run stops before its source ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This signal came.
    Signal(i32),
    /// Its time is up.
    Limit,
    /// Something else failed that it must not go on without.
    Failure,
}

/// Marks a stop because nobody needs more.
const WITHOUT_SIGNAL: i32 = -1;

/// Marks a stop because time is up.
const BY_LIMIT: i32 = -2;

/// Marks a stop because something else failed.
const BY_FAILURE: i32 = -3;

impl Cancel {
    /// A request of its own for one run among several: it stops with all, and alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { own: Arc::default(), all: Some(self.all.as_ref().unwrap_or(&self.own).clone()) }
    }

    /// Asks for a stop because signal number `signal` came. The first request stays.
    pub fn by_signal(&self, signal: i32) {
        self.set(signal);
    }

    /// Asks for a stop because nobody needs more frames.
    pub fn without_signal(&self) {
        self.set(WITHOUT_SIGNAL);
    }

    /// Asks for a stop because time is up.
    pub fn by_limit(&self) {
        self.set(BY_LIMIT);
    }

    /// Asks for a stop because something else failed.
    pub fn by_failure(&self) {
        self.set(BY_FAILURE);
    }

    fn set(&self, value: i32) {
        // Whoever came first decides what the run reports.
        if self.is_cancelled() {
            return;
        }
        self.own.compare_exchange(0, value, SeqCst, SeqCst).ok();
    }

    /// The request that came, 0 where none did.
    fn asked(&self) -> i32 {
        match (self.own.load(SeqCst), &self.all) {
            (0, Some(all)) => all.load(SeqCst),
            (own, _) => own,
        }
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.asked() != 0
    }

    /// The signal that asked for the stop, if one did.
    pub fn signal(&self) -> Option<i32> {
        Some(self.asked()).filter(|&value| value > 0)
    }

    /// Why it is to stop before its end; `None` too where nobody needs more.
    pub fn stop(&self) -> Option<Stop> {
        match self.asked() {
            BY_LIMIT => Some(Stop::Limit),
            BY_FAILURE => Some(Stop::Failure),
            _ => self.signal().map(Stop::Signal),
        }
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
        assert_eq!((cancel.signal(), cancel.stop()), (Some(2), Some(Stop::Signal(2))));
    }

    #[test]
    fn one_run_stops_alone_and_with_all() {
        let all = Cancel::default();
        let (one, other) = (all.child(), all.child());
        one.without_signal();
        assert!(one.is_cancelled() && !other.is_cancelled() && !all.is_cancelled());
        all.by_signal(15);
        assert_eq!((one.signal(), other.signal()), (None, Some(15)));
        other.without_signal();
        assert_eq!(other.signal(), Some(15), "the first request stays");

        let all = Cancel::default();
        let ended = all.child();
        ended.without_signal();
        let runs = all.child();
        all.by_limit();
        runs.without_signal();
        assert_eq!((runs.signal(), runs.stop()), (None, Some(Stop::Limit)));
        assert_eq!(ended.stop(), None, "it needed no more");
    }
}
