//! Inference threads, shared by all runs of a program.

use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::ThreadPool;

use super::stage::StageError;

/// A pool of inference threads with so many places for frames in flight. A source waits for a
/// place, not behind frames of others: what it gives then is its newest.
pub struct Workers {
    pool: ThreadPool,
    threads: usize,
    give_back: Sender<()>,
    free: Receiver<()>,
}

impl Workers {
    /// `threads` of our own, with `places`; at least one of each.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn new(threads: usize, places: usize) -> Result<Self, StageError> {
        let (threads, places) = (threads.max(1), places.max(1));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("vp-infer-{i}"))
            .build()
            .map_err(|error| StageError::Spawn(error.to_string()))?;
        let (give_back, free) = bounded(places);
        (0..places).for_each(|_| {
            // There is room for each.
            give_back.try_send(()).ok();
        });
        Ok(Self { pool, threads, give_back, free })
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Waits for a place.
    pub(super) fn place(&self) -> Place {
        // Both ends are ours: it cannot fail.
        self.free.recv().ok();
        Place(self.give_back.clone())
    }

    /// Has a thread do `job`, after those that were given before.
    pub(super) fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.pool.spawn_fifo(job);
    }
}

/// The place of a frame in flight, free again when dropped.
pub(super) struct Place(Sender<()>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.try_send(()).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_are_as_many_as_said_and_come_back() {
        let workers = Workers::new(1, 2).unwrap();
        let (one, two) = (workers.place(), workers.place());
        assert!(workers.free.try_recv().is_err());
        drop(one);
        assert!(workers.free.recv_timeout(Duration::from_secs(5)).is_ok());
        drop(two);
    }
}
