//! Rows in Timeplus and ClickHouse: every detection arrives, once, whatever happens.
//!
//! The output makes rows of what it is given, groups them into batches that are safe in a spool,
//! and leaves sending to a thread of its own: nothing here waits for the network but for room in
//! the spool. Rows of a frame become safe together with the frame's number, so that the same
//! command started again goes on behind it.

pub mod alert_sql;
mod answer;
mod batch;
pub mod columns;
mod compact;
pub mod console;
pub mod dashboard;
mod dead;
mod deliver;
mod drain;
pub mod fit;
pub mod grafana;
mod gzip;
pub mod panels;
mod parts;
mod queue;
pub mod quote;
pub mod raw;
pub mod rows;
pub mod server;
mod spool;
mod stats;
mod stream;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod views;
#[cfg(test)]
mod words_tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{Builder as ThreadBuilder, JoinHandle};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use batch::Builder;
pub use batch::Limits;
use dead::DeadLetters;
use deliver::Delivery;
pub use deliver::{Prepare, Waits};
pub use drain::{Drained, Lying, drain, look, spools};
pub use queue::WhenSpoolFull;
use queue::{Queue, Stuck};
use rows::Row;
use server::Server;
use spool::Other;
pub use spool::{Spool, SpoolError};
pub use stats::{Mood, Snapshot, Stats};
pub use stream::Stream;

use super::rows::CountsRows;
use super::{Ending, Flow, Item, Sink, SinkError};
use crate::cancel::Cancel;
use crate::record::RunRecord;

/// How often [`Sink::finish`] looks whether batches arrive.
const LOOK: Duration = Duration::from_millis(200);

/// How long [`Sink::finish`] waits for the thread once time is up: a request ends then.
const GRACE: Duration = Duration::from_secs(1);

/// Who makes rows.
pub trait MakeRows: Send {
    /// A run begins. `known` is the time of its first frame that an earlier process went by, where
    /// only the clock said so; returned is what the next one must go by for the same reason.
    fn begin(&mut self, run: &RunRecord, known: Option<SystemTime>) -> Option<SystemTime>;

    /// Puts the rows of an item behind those that are there.
    fn write(&mut self, item: &Item, rows: &mut Vec<Row>);
}

/// How an output behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that batches wait in; memory where there is none.
    pub spool: Option<PathBuf>,
    /// The most bytes that wait.
    pub max_bytes: u64,
    /// When batches are complete.
    pub limits: Limits,
    /// What happens when no more fit.
    pub when_full: WhenSpoolFull,
    /// How long everything that waits has at the end of the run.
    pub drain: Duration,
    /// The same once a signal came.
    pub drain_stopped: Duration,
    /// How long delivery waits between attempts.
    pub waits: Waits,
    /// Where rows go that the server refuses for good; else to `dead-letter.ndjson` in the spool,
    /// and without one only to the log.
    pub dead_letters: Option<PathBuf>,
    /// Set by a signal: then the run is not at its end, and the next one goes on behind it.
    pub cancel: Cancel,
    /// Whether a run that was cut off is gone on with: not where its frames come again and again.
    pub resumes: bool,
    /// The settings that make other rows of the same frames, by name with what stands for their
    /// values: a run that was cut off and had others is not gone on with, and they are named.
    pub said: Vec<(String, String)>,
    /// Whether the run ends where nothing goes out for too long; otherwise rows are let go from then
    /// on, and counted.
    pub required: bool,
}

impl Settings {
    fn dead_letters(&self, spool: Option<&Path>) -> DeadLetters {
        let beside = || spool.map(|folder| folder.join("dead-letter.ndjson"));
        DeadLetters::new(self.dead_letters.clone().or_else(beside))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            spool: None,
            max_bytes: 64 * 1024 * 1024,
            limits: Limits::default(),
            when_full: WhenSpoolFull::Block(Duration::from_secs(600)),
            drain: Duration::from_secs(8),
            drain_stopped: Duration::from_secs(6),
            waits: Waits::default(),
            dead_letters: None,
            cancel: Cancel::default(),
            resumes: true,
            said: Vec::new(),
            required: false,
        }
    }
}

/// An output to Timeplus or ClickHouse.
pub struct Timeplus {
    target: String,
    /// Of the streams: rows that another one has are to be sent.
    names: String,
    make: Box<dyn MakeRows>,
    settings: Settings,
    queue: Arc<Queue>,
    /// Rows of the frame that may still get events.
    pending: Vec<Row>,
    frame: Option<u64>,
    /// Frames up to this one are safe since an earlier run.
    safe: Option<u64>,
    /// Whether the run can be continued.
    resumes: bool,
    /// Set when nothing went out for so long that rows are let go.
    gave_up: Option<Duration>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Timeplus {
    /// Delivers the rows that `make` makes to `streams` of `server`; `prepare` is called before
    /// the first batch and whenever a stream is missing. Batches that an earlier run left in the
    /// spool go first.
    ///
    /// # Errors
    /// When the spool cannot be used, or the system gives no more threads.
    pub fn start(
        server: Server,
        prepare: Prepare,
        streams: Vec<Stream>,
        make: Box<dyn MakeRows>,
        settings: Settings,
    ) -> Result<Self, SinkError> {
        let spool = match &settings.spool {
            Some(folder) => Spool::open(folder, settings.max_bytes).map_err(sink_error)?,
            None => Spool::in_memory(settings.max_bytes),
        };
        let target = server.shown();
        let names: Vec<_> = streams.iter().map(|stream| &*stream.sql_name).collect();
        let names = names.join(",");
        let queue = Arc::new(Queue::new(spool, Builder::new(streams.into(), settings.limits)));
        let dead = settings.dead_letters(settings.spool.as_deref());
        let delivery = Delivery::new(Arc::clone(&queue), server, prepare, settings.waits, dead);
        let (thread, ended) = run(delivery).map_err(|error| SinkError::open(&target, &error))?;
        let (pending, thread) = (Vec::new(), Some(thread));
        let (frame, safe, resumes, gave_up) = (None, None, false, None);
        Ok(Self {
            target,
            names,
            make,
            settings,
            queue,
            pending,
            frame,
            safe,
            resumes,
            gave_up,
            ended,
            thread,
        })
    }

    /// The counters, which stay when the output has ended.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.queue.stats)
    }

    fn take(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Run(run) => {
                self.hand_over();
                self.make_safe(true)?;
                // Other frames, zones or lines make other rows of the same detections.
                let settings = run.settings_id.as_deref().unwrap_or_default();
                let key = format!("{}/{}/{settings}/{}", run.source_id, run.config_id, self.names);
                let Settings { resumes, spool, .. } = &self.settings;
                self.resumes = *resumes && !run.input.live && spool.is_some();
                self.queue.keep_said(&self.settings.said);
                let known = self.queue.begin(self.resumes.then(|| key.clone()));
                self.tell_other(&key, known.is_some());
                let kept = self.make.begin(run, known.and_then(|known| known.first_frame));
                self.queue.keep_first_frame(kept);
                (self.safe, self.frame) = (known.map(|known| known.frame), None);
                if let Some(frame) = self.safe {
                    log::info!("{}: going on behind frame {frame}", self.name());
                }
            }
            Item::Frame { record, .. } => {
                self.hand_over();
                self.frame = Some(record.frame_id);
            }
            Item::Event(_) | Item::Gap(_) | Item::Summary(_) | Item::Total(_) => {}
        }
        let is_safe = self.frame.zip(self.safe).is_some_and(|(frame, safe)| frame <= safe);
        self.make.write(item, &mut self.pending);
        if is_safe {
            self.pending.clear();
        }
        if !self.resumes {
            // Nobody goes on behind a frame: its rows need not wait for each other.
            self.hand_over();
        }
        Ok(())
    }

    /// Says that a run on this input was cut off, and that this one does not go on with it.
    fn tell_other(&self, key: &str, goes_on: bool) {
        let Some(other) = self.queue.other(key).filter(|_| !goes_on) else { return };
        let Other { frame, differs } = other;
        log::warn!(
            "{}: a run on this input was cut off behind frame {frame}; this one differs in \
             {differs}, so it is another run and sends all of its rows; with the settings of before \
             it would go on there",
            self.name()
        );
    }

    /// Hands the rows of a whole frame over.
    fn hand_over(&mut self) {
        if self.gave_up.is_some() {
            Stats::add(&self.queue.stats.rows_dropped, self.pending.len() as u64);
        } else if let Some(frame) = self.frame.filter(|_| !self.pending.is_empty()) {
            self.queue.push(&self.pending, frame);
        }
        self.pending.clear();
    }

    /// Makes rows safe, where that is still tried.
    fn make_safe(&mut self, all: bool) -> Result<(), SinkError> {
        if self.gave_up.is_some() {
            return Ok(());
        }
        let when_full = match self.settings.when_full {
            WhenSpoolFull::Block(time) if self.settings.cancel.is_cancelled() => {
                WhenSpoolFull::Block(time.min(self.settings.drain_stopped))
            }
            other => other,
        };
        match self.queue.make_safe(when_full, all) {
            Err(Stuck::GaveUp(time)) if !self.settings.required => {
                let waited_s = time.as_secs();
                log::warn!("{} took nothing for {waited_s} s: rows are let go", self.name());
                self.gave_up = Some(time);
                Ok(())
            }
            result => result.map_err(|stuck| self.stuck(stuck)),
        }
    }

    fn stuck(&self, stuck: Stuck) -> SinkError {
        let reason = self.queue.stats.snapshot().last_reason;
        let reason = reason.unwrap_or_else(|| "it does not answer".into());
        match stuck {
            Stuck::Spool(error) => sink_error(error),
            Stuck::GaveUp(time) => {
                SinkError::Away { name: self.name(), waited_s: time.as_secs(), reason }
            }
            Stuck::Gone => {
                let reason = "a bug ended the delivery; please report it".into();
                SinkError::Away { name: self.name(), waited_s: 0, reason }
            }
        }
    }

    /// How long everything that waits has.
    fn drain(&self) -> Duration {
        let Settings { drain, drain_stopped, cancel, .. } = &self.settings;
        if cancel.stop().is_some() { *drain_stopped.min(drain) } else { *drain }
    }

    /// Waits while batches arrive, and says whether delivery came to its end: a thread that is stuck
    /// in the system is left behind, so that the run ends in bounds.
    fn wait_for_delivery(&self) -> bool {
        let mut waiting = self.queue.left();
        let stopped = |cancel: &Cancel| cancel.stop().is_some();
        let mut told = stopped(&self.settings.cancel);
        loop {
            let left = self.queue.time_left().unwrap_or_default();
            match self.ended.recv_timeout((left + GRACE).min(LOOK)) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return true,
            }
            if !told && stopped(&self.settings.cancel) {
                told = true;
                self.queue.finish(self.drain());
            }
            let now = self.queue.left();
            if now != waiting && !told {
                self.queue.extend(self.drain());
            } else if left.is_zero() && self.queue.overdue() > GRACE {
                return false;
            }
            waiting = now;
        }
    }

    /// What did not arrive, if anything.
    fn leftover(&self) -> Result<(), SinkError> {
        let (kept, lost) = self.queue.left();
        let stats = &self.queue.stats;
        stats.ended(kept, lost + self.queue.damaged());
        let lost = stats.rows_dropped.load(SeqCst);
        let refused = stats.rows_dead.load(SeqCst);
        if kept + lost + refused == 0 {
            return Ok(());
        }
        let snapshot = stats.snapshot();
        let reason = match snapshot.last_reason {
            reason if self.gave_up.is_some() => {
                let waited_s = self.gave_up.unwrap_or_default().as_secs();
                let reason = reason.unwrap_or_else(|| "it does not answer".into());
                format!("it took nothing for {waited_s} s: {reason}")
            }
            Some(reason) if snapshot.mood != Mood::Fine || refused > 0 => reason,
            _ => format!("the run ended, and {} s were not enough", self.drain().as_secs()),
        };
        let spool = self.settings.spool.as_ref().map(|folder| folder.display().to_string());
        Err(SinkError::LeftBehind { name: self.name(), kept, lost, refused, spool, reason })
    }
}

fn run(delivery: Delivery) -> std::io::Result<(JoinHandle<()>, Receiver<()>)> {
    let (end, ended) = bounded::<()>(0);
    let work = move || {
        let _end = end;
        delivery.go();
    };
    let thread = ThreadBuilder::new().name("vp-timeplus".into()).spawn(work)?;
    Ok((thread, ended))
}

fn sink_error(error: SpoolError) -> SinkError {
    match error {
        SpoolError::Locked { folder } => SinkError::Locked { target: folder },
        SpoolError::NoSpace { path } => {
            SinkError::Write { target: path, reason: "no space left on device".into(), part: None }
        }
        SpoolError::Io { path, reason } => SinkError::Write { target: path, reason, part: None },
        SpoolError::Full | SpoolError::Foreign { .. } => {
            SinkError::Open { target: "the spool".into(), reason: error.to_string() }
        }
    }
}

impl Sink for Timeplus {
    fn kind(&self) -> &'static str {
        "timeplus"
    }

    fn target(&self) -> String {
        self.target.clone()
    }

    fn rows(&self) -> Option<Arc<dyn CountsRows>> {
        Some(self.stats())
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        self.take(item)?;
        self.make_safe(false)?;
        Ok(Flow::Continue)
    }

    fn finish(mut self: Box<Self>, ending: Ending) -> Result<(), SinkError> {
        if ending == Ending::Whole {
            self.hand_over();
        }
        let drain = if self.gave_up.is_some() { Duration::ZERO } else { self.drain() };
        self.queue.finish(drain);
        let safe = self.make_safe(true);
        let in_time = self.wait_for_delivery();
        let panicked =
            self.thread.take().filter(|_| in_time).is_some_and(|thread| thread.join().is_err());
        if panicked {
            return Err(self.stuck(Stuck::Gone));
        }
        // An output that could not keep its rows says so first.
        safe?;
        if let Some(error) = self.queue.error() {
            return Err(sink_error(error));
        }
        if ending == Ending::Whole && self.settings.cancel.stop().is_none() {
            self.queue.end_run().map_err(sink_error)?;
        }
        self.leftover()
    }
}

impl Drop for Timeplus {
    /// For an output that was never finished: its thread must not try for ever.
    fn drop(&mut self) {
        self.queue.finish(Duration::ZERO);
    }
}
