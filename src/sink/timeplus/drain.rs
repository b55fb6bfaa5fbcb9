//! Delivers what earlier runs left in a spool, and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::batch::Builder;
use super::deliver::Delivery;
use super::queue::Queue;
use super::server::Server;
use super::spool::Spool;
use super::{GRACE, Prepare, Settings, Snapshot, WhenSpoolFull, run, sink_error};
use crate::sink::SinkError;

/// How often it is asked whether to stop.
const TICK: Duration = Duration::from_millis(100);

/// What became of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Counters at the end; [`Snapshot::rows_waiting`] is what is still there.
    pub stats: Snapshot,
    /// Whether it ended before nothing was left.
    pub gave_up: bool,
}

/// Delivers the batches in `folder` to `server`. It ends when nothing is left, when
/// `settings.cancel` is set, or when nothing went out for the time that `settings.when_full` gives.
///
/// # Errors
/// When the spool cannot be used.
pub fn drain(
    folder: &Path,
    server: Server,
    prepare: Prepare,
    settings: &Settings,
) -> Result<Drained, SinkError> {
    let spool = Spool::open(folder, u64::MAX).map_err(sink_error)?;
    let queue = Arc::new(Queue::new(spool, Builder::new(Arc::new([]), settings.limits)));
    queue.close();
    let dead = settings.dead_letters(Some(folder));
    let target = server.shown();
    let delivery = Delivery::new(Arc::clone(&queue), server, prepare, settings.waits, dead);
    let (thread, ended) = run(delivery).map_err(|error| SinkError::open(&target, &error))?;
    let patience = match settings.when_full {
        WhenSpoolFull::Block(time) => time,
        WhenSpoolFull::DropOldest => Duration::ZERO,
    };
    let (mut progress, mut since) = (queue.left(), Instant::now());
    let mut gave_up = false;
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        if queue.left() != progress {
            (progress, since) = (queue.left(), Instant::now());
        }
        if settings.cancel.is_cancelled() || since.elapsed() > patience {
            gave_up = true;
            queue.finish(Duration::ZERO);
            break;
        }
    }
    let in_time = ended.recv_timeout(GRACE) != Err(RecvTimeoutError::Timeout);
    if in_time && thread.join().is_err() {
        let reason = "a bug ended the delivery; please report it".into();
        return Err(SinkError::Away { name: target, waited_s: 0, reason });
    }
    if let Some(error) = queue.error() {
        return Err(sink_error(error));
    }
    if !gave_up {
        queue.tidy().map_err(sink_error)?;
    }
    Ok(Drained { stats: queue.stats.snapshot(), gave_up })
}
