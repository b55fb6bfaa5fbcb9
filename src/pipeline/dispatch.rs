//! Frames to workers and back into order.
//!
//! Order by construction: each frame has a slot, a channel for one item, and the slots are queued
//! in the order of the frames. The place in the queue is reserved **before** the frame is taken,
//! so that at most `window` frames are in flight and a live source's frame never waits behind
//! another. A job that vanishes is a closed slot, not a gap that nobody sees.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::ThreadPool;

use super::queue::Outlet;
use super::stage::StageError;
use super::stats::Stats;
use crate::frame::Frame;
use crate::infer::{Detector, Found};

/// A frame as the reader sends it.
pub(super) struct Read {
    pub(super) frame: Frame,
    /// Time spent decoding it.
    pub(super) decode: Duration,
}

/// A frame as it comes back.
pub(super) struct Inferred {
    pub(super) read: Read,
    pub(super) found: Result<Found, StageError>,
}

/// A place in line.
pub(super) type Slot = Receiver<Inferred>;

/// The queue of slots for a window of `window` frames, at least 1.
pub(super) fn slots(window: usize) -> (Sender<Slot>, Receiver<Slot>) {
    // The collector holds one more slot while it waits on it.
    bounded(window.saturating_sub(1))
}

/// A pool of `workers` threads of our own.
pub(super) fn pool(workers: usize) -> Result<ThreadPool, StageError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|i| format!("vp-infer-{i}"))
        .build()
        .map_err(|error| StageError::Spawn(error.to_string()))
}

/// Gives every frame to a worker until the frames end or the collector leaves, and returns when no
/// worker is busy any more: a library must not be taken down under a running model.
pub(super) fn dispatch(
    frames: Outlet<Read>,
    slots: Sender<Slot>,
    pool: &ThreadPool,
    detector: &Arc<dyn Detector>,
    stats: &Arc<Stats>,
) -> Result<(), StageError> {
    // Every job holds a sender: the last one that ends disconnects the channel.
    let (busy, all_idle) = bounded::<()>(0);
    let result = give_out(frames, slots, pool, detector, stats, &busy);
    drop(busy);
    // Nothing is ever sent.
    all_idle.recv().ok();
    result
}

fn give_out(
    mut frames: Outlet<Read>,
    slots: Sender<Slot>,
    pool: &ThreadPool,
    detector: &Arc<dyn Detector>,
    stats: &Arc<Stats>,
    busy: &Sender<()>,
) -> Result<(), StageError> {
    let in_flight = Arc::new(AtomicU64::new(0));
    loop {
        let (fill, slot) = bounded(1);
        slots.send(slot).map_err(|_| StageError::Hangup)?;
        let Some(read) = frames.next() else { return Ok(()) };
        let flying = in_flight.fetch_add(1, Relaxed) + 1;
        stats.max_in_flight.fetch_max(flying, Relaxed);
        let (detector, in_flight, busy) = (detector.clone(), in_flight.clone(), busy.clone());
        pool.spawn_fifo(move || {
            // A panic in a rayon job would abort the process.
            let found = catch_unwind(AssertUnwindSafe(|| detector.detect(&read.frame.image)))
                .map_err(|panic| StageError::panicked("inference", &*panic))
                .and_then(|found| {
                    let frame = read.frame.meta.index;
                    found.map_err(|error| StageError::Infer { frame, error })
                });
            in_flight.fetch_sub(1, Relaxed);
            // The collector may have left.
            fill.send(Inferred { read, found }).ok();
            drop(busy);
        });
    }
}
