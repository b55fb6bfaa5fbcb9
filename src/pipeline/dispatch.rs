//! Frames to workers and back into order.
//!
//! Order by construction: each frame has a slot, a channel for one item, and the slots are queued
//! in the order of the frames. The place in the queue is reserved **before** the frame is taken,
//! so that at most `window` frames are in flight and a live source's frame never waits behind
//! another. A job that vanishes is a closed slot, not a gap that nobody sees.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::queue::Outlet;
use super::stage::StageError;
use super::stats::Stats;
use super::workers::{Place, Workers};
use crate::frame::Frame;
use crate::gate::Gate;
use crate::infer::{Basis, Detector, Found};
use crate::policy::LivePolicy;

/// How much of the time that a frame may wait it may spend before the model.
const WAIT_SHARE: f64 = 0.95;

/// A frame as the reader sends it.
pub(super) struct Read {
    pub(super) frame: Frame,
    /// Time spent decoding it.
    pub(super) decode: Duration,
    /// When it was read.
    pub(super) at: Instant,
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

/// Gives frames to workers.
pub(super) struct Dispatcher {
    workers: Arc<Workers>,
    detector: Arc<dyn Detector>,
    gate: Option<Box<dyn Gate>>,
    /// Which frames of a live source are worth a look.
    live: Option<LivePolicy>,
    stats: Arc<Stats>,
    in_flight: Arc<AtomicU64>,
    took: Arc<Took>,
}

impl Dispatcher {
    /// Every frame goes to `detector` where there is no gate.
    pub(super) fn new(
        workers: Arc<Workers>,
        detector: Arc<dyn Detector>,
        gate: Option<Box<dyn Gate>>,
        live: Option<LivePolicy>,
        stats: Arc<Stats>,
    ) -> Self {
        let (in_flight, took) = (Arc::default(), Arc::default());
        Self { workers, detector, gate, live, stats, in_flight, took }
    }

    /// Works until the frames end or the collector leaves, and returns when no worker is busy any
    /// more: a library must not be taken down under a running model.
    pub(super) fn run(
        mut self,
        frames: Outlet<Read>,
        slots: Sender<Slot>,
    ) -> Result<(), StageError> {
        // Every job holds a sender: the last one that ends disconnects the channel.
        let (busy, all_idle) = bounded::<()>(0);
        let result = self.give_out(frames, slots, &busy);
        drop(busy);
        // Nothing is ever sent.
        all_idle.recv().ok();
        result
    }

    fn give_out(
        &mut self,
        mut frames: Outlet<Read>,
        slots: Sender<Slot>,
        busy: &Sender<()>,
    ) -> Result<(), StageError> {
        loop {
            let (fill, slot) = bounded(1);
            slots.send(slot).map_err(|_| StageError::Hangup)?;
            let Some((read, place)) = self.next(&mut frames) else { return Ok(()) };
            match self.basis(&read) {
                Basis::Model => self.infer(read, fill, busy.clone(), place),
                basis => {
                    let known = u64::from(basis == Basis::Known);
                    self.stats.recalled.fetch_add(known, Relaxed);
                    let found = Ok(Found { basis, ..Found::default() });
                    // The collector may have left.
                    fill.send(Inferred { read, found }).ok();
                }
            }
        }
    }

    /// The next frame that is worth a look, with a place among the workers. What was the newest
    /// when the wait for the place began need not be so at its end.
    fn next(&self, frames: &mut Outlet<Read>) -> Option<(Read, Place)> {
        loop {
            let read = frames.next()?;
            let place = self.workers.place();
            let (read, passed) = match self.live {
                Some(LivePolicy::Latest) => frames.newest(read),
                _ => (read, 0),
            };
            self.stats.dropped_live.fetch_add(passed, Relaxed);
            if self.is_fresh(&read) {
                return Some((read, place));
            }
        }
    }

    /// Whether a frame has not waited for too long; counts it where it has.
    fn is_fresh(&self, read: &Read) -> bool {
        let is_stale = match self.live {
            // What follows the model takes its moment too.
            Some(LivePolicy::Bounded(longest)) => read.at.elapsed() > longest.mul_f64(WAIT_SHARE),
            _ => false,
        };
        self.stats.dropped_stale.fetch_add(u64::from(is_stale), Relaxed);
        !is_stale
    }

    /// Whether the model looks at a frame.
    fn basis(&mut self, read: &Read) -> Basis {
        let Some(gate) = &mut self.gate else { return Basis::Model };
        let start = Instant::now();
        let basis = gate.look(&read.frame.meta, &read.frame.image, self.took.lately());
        self.stats.note("gate", start.elapsed());
        basis
    }

    /// Has a worker look at a frame and fill its slot.
    fn infer(&self, read: Read, fill: Sender<Inferred>, busy: Sender<()>, place: Place) {
        let flying = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.stats.max_in_flight.fetch_max(flying, Relaxed);
        let (detector, in_flight) = (self.detector.clone(), self.in_flight.clone());
        let took = self.took.clone();
        self.workers.spawn(move || {
            let start = Instant::now();
            // A panic in a rayon job would abort the process.
            let found = catch_unwind(AssertUnwindSafe(|| detector.detect(&read.frame.image)))
                .map_err(|panic| StageError::panicked("inference", &*panic))
                .and_then(|found| {
                    let frame = read.frame.meta.index;
                    found.map_err(|error| StageError::Infer { frame, error })
                });
            took.note(start.elapsed());
            in_flight.fetch_sub(1, Relaxed);
            drop(place);
            // The collector may have left.
            fill.send(Inferred { read, found }).ok();
            drop(busy);
        });
    }
}

/// How long workers lately took a frame: a running mean in nanoseconds, 0 before the first.
#[derive(Debug, Default)]
struct Took(AtomicU64);

impl Took {
    /// How many frames the mean is over, about.
    const MEMORY: u64 = 8;

    fn note(&self, time: Duration) {
        let now = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / Self::MEMORY);
        let before = self.0.load(Relaxed);
        let mean = match before {
            0 => now,
            before => before - before / Self::MEMORY + now / Self::MEMORY,
        };
        // Two workers at once may cost a sample; the next one is near.
        self.0.store(mean.max(1), Relaxed);
    }

    fn lately(&self) -> Option<Duration> {
        Some(self.0.load(Relaxed)).filter(|mean| *mean > 0).map(Duration::from_nanos)
    }
}
