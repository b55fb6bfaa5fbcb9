//! What earlier runs left in spools: where it is, what it is, and its delivery alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::batch::Builder;
use super::deliver::Delivery;
use super::queue::Queue;
use super::server::Server;
use super::spool::Spool;
use super::tables::Table;
use super::{GRACE, Prepare, Settings, Snapshot, WhenSpoolFull, run, sink_error};
use crate::sink::SinkError;

/// How often it is asked whether to stop.
const TICK: Duration = Duration::from_millis(100);

/// What lies in a spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lying {
    /// The streams that it is for.
    pub tables: Vec<Table>,
    /// Batches.
    pub batches: usize,
    /// Their rows.
    pub rows: u64,
    /// Their bytes on the disk.
    pub bytes: u64,
    /// Rows that were damaged, at the least.
    pub damaged: u64,
}

/// The spools in a folder: it is one, or each input of a run has one there.
///
/// # Errors
/// When it cannot be read.
pub fn spools(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder)? {
        found.push(entry?.path());
    }
    // Whoever uses a spool takes its lock first.
    found.retain(|folder| folder.join("lock").is_file());
    found.sort();
    Ok(found)
}

/// Looks into a spool that is there.
///
/// # Errors
/// When another run uses it, or it cannot be used.
pub fn look(folder: &Path) -> Result<Lying, SinkError> {
    let spool = Spool::open(folder, u64::MAX).map_err(sink_error)?;
    let streams = spool.streams().map_err(sink_error)?;
    let mut tables: Vec<Table> = Vec::new();
    for table in streams.iter().filter_map(Table::of) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    let (batches, rows, bytes) = (spool.batches(), spool.rows(), spool.bytes());
    Ok(Lying { tables, batches, rows, bytes, damaged: spool.damaged() })
}

/// What became of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Counters at the end; [`Snapshot::rows_waiting`] is what is still there.
    pub stats: Snapshot,
    /// Rows that were damaged on the disk.
    pub damaged: u64,
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
    Ok(Drained { stats: queue.stats.snapshot(), damaged: queue.damaged(), gave_up })
}
