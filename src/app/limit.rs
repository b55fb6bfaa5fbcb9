//! `--max-time`: the end of all runs when their time is up, wherever they are.

use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::cancel::Cancel;
use crate::exit::Error;

/// Stops all when time is up, unless it is dropped before.
pub(super) struct Limit {
    _ends: Sender<()>,
}

impl Limit {
    /// Begins to count.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub(super) fn start(time: Duration, cancel: &Cancel) -> Result<Self, Error> {
        let (ends, ended) = bounded::<()>(0);
        let cancel = cancel.clone();
        let wait = move || {
            if ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                log::info!("--max-time is up: finishing what is in flight");
                cancel.by_limit();
            }
        };
        std::thread::Builder::new()
            .name("vp-limit".into())
            .spawn(wait)
            .map_err(|error| Error::System(format!("cannot start a thread: {error}")))?;
        Ok(Self { _ends: ends })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::cancel::Stop;

    #[test]
    fn all_stops_when_time_is_up() {
        let cancel = Cancel::default();
        let _limit = Limit::start(Duration::from_millis(20), &cancel).unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while !cancel.is_cancelled() && Instant::now() < patience {
            std::thread::yield_now();
        }
        assert_eq!(cancel.stop(), Some(Stop::Limit));
    }
}
