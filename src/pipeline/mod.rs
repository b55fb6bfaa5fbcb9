//! The engine: threads, queues, order, shutdown. It names no concrete part.
//!
//! ```text
//! reader -[2]-> dispatch -(place reserved in [window])-> collect: record, annotate -[n]-> a thread an output
//!                  '- pool of our own: preprocess, infer, decode the head, NMS -> slot
//! ```
//!
//! The rules that make a deadlock impossible:
//! 1. A stage owns its ends of the queues; returning, by value, error or panic, closes both.
//! 2. The end travels down by dropping senders, failure travels up by dropping receivers.
//! 3. A hang-up is never the answer: the first real cause is.
//! 4. A stop request stops only the source; what is in flight drains, and every output ends.
//! 5. Whoever is still busy when the drain time-out has passed is left behind and named.

mod collect;
mod dispatch;
mod queue;
mod stage;
mod stats;
#[cfg(test)]
mod tests;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use collect::{Collector, Command, Out, Wants};
use dispatch::{Dispatcher, Read};
use queue::{Inlet, Outlet, queue};
use stage::Report;
pub use stage::StageError;
pub use stats::Stats;
pub use workers::Workers;

use crate::analyze::Observer;
use crate::annotate::Annotator;
use crate::cancel::Cancel;
use crate::frame::Frame;
use crate::gate::Gate;
use crate::infer::Detector;
use crate::policy::{LivePolicy, Need, WhenFull};
use crate::record::{RunRecord, SummaryRecord};
use crate::sink::{Ending, Flow, Item, Sink, SinkError, SinkSpec};
use crate::source::{Gap, Source, SourceError};

/// How often stop requests are looked for.
const TICK: Duration = Duration::from_millis(100);

/// How long a reader that was asked to stop is waited for at the end.
const READER_PATIENCE: Duration = Duration::from_secs(1);

/// How long the outputs that take the summary have for it, at the least.
const SUMMARY_PATIENCE: Duration = Duration::from_secs(1);

/// Frames that may wait between the reader and the workers.
const READ_AHEAD: usize = 2;

/// Frames of a live source that may wait for as long as `--live-policy` allows.
const WAITING: usize = 64;

/// Breaks of a source that may wait to be told.
const GAPS: usize = 64;

/// Numbers that shape the engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How long outputs may take to finish once a stop was asked for.
    pub drain_timeout: Duration,
    /// What happens when frames come faster than they are processed; where `None`, the source
    /// waits.
    pub live: Option<LivePolicy>,
    /// Whether one picture that cannot be read ends a source that has others.
    pub fail_fast: bool,
}

/// Everything that a run needs.
pub struct Parts {
    /// Where frames come from.
    pub source: Box<dyn Source>,
    /// Decides which frames the detector looks at; all where there is none.
    pub gate: Option<Box<dyn Gate>>,
    /// Finds objects.
    pub detector: Arc<dyn Detector>,
    /// Who runs it.
    pub workers: Arc<Workers>,
    /// Makes records.
    pub observer: Box<dyn Observer>,
    /// Draws; used only where an output wants pixels.
    pub annotator: Option<Box<dyn Annotator>>,
    /// Where records and frames go.
    pub sinks: Vec<SinkSpec>,
    /// The first record.
    pub run: Arc<RunRecord>,
}

/// How a run ended, before its summary is written.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The first real cause, where something failed that the run could not do without.
    pub error: Option<StageError>,
    /// Outputs that failed though the run went on.
    pub failed_outputs: Vec<String>,
    /// What outputs left out because their disk was nearly full.
    pub left_out: u64,
    /// Stages that were still busy when the drain time-out had passed.
    pub unfinished: Vec<String>,
    /// From the start to the end of the last output.
    pub elapsed: Duration,
}

/// Runs until the source ends, `cancel` asks for a stop, something fails, or nobody listens.
///
/// `summarise` makes the last record when all outputs but those that take it are finished.
pub fn run(
    parts: Parts,
    settings: Settings,
    cancel: &Cancel,
    stats: &Arc<Stats>,
    summarise: impl FnOnce(&Outcome) -> SummaryRecord,
) -> Outcome {
    let start = Instant::now();
    let mut crew = Crew::new(parts.sinks.len(), settings.drain_timeout, cancel.clone());
    let outcome = match crew.start(parts, settings, stats) {
        Ok(collected) => {
            let left = crew.wait(collected);
            crew.outcome.elapsed = start.elapsed();
            crew.summarise(left, summarise);
            crew.leave()
        }
        Err(error) => Outcome { error: Some(error), ..Outcome::default() },
    };
    Outcome { elapsed: start.elapsed(), ..outcome }
}

/// What the collector leaves: the outputs that wait for the summary, and how to end them.
type Collected = (Vec<Out>, Ending);

/// The threads of a run and what they have reported.
struct Crew {
    stages: Vec<Member>,
    reports: Receiver<Report>,
    report: Sender<Report>,
    drain_timeout: Duration,
    /// Whether something failed that makes it pointless to wait long for the rest. A damaged
    /// source does not: what was read from it is worth finishing.
    failed: bool,
    /// Set once a stop was asked for or something failed.
    deadline: Option<Instant>,
    cancel: Cancel,
    outcome: Outcome,
}

/// A thread by its name.
struct Member {
    name: String,
    handle: Option<JoinHandle<()>>,
    kind: Kind,
    running: bool,
}

/// What a thread's end means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reader,
    Inner,
    Sink { need: Need, wants_summary: bool },
}

impl Crew {
    fn new(sinks: usize, drain_timeout: Duration, cancel: Cancel) -> Self {
        // Room for every report: a thread that ends never waits for us.
        let (report, reports) = bounded(sinks + 3);
        let outcome = Outcome::default();
        let stages = Vec::new();
        let (failed, deadline) = (false, None);
        Self { stages, reports, report, drain_timeout, failed, deadline, cancel, outcome }
    }

    fn spawn(
        &mut self,
        name: &str,
        kind: Kind,
        work: impl FnOnce() -> Result<(), StageError> + Send + 'static,
    ) -> Result<(), StageError> {
        let handle = stage::spawn(self.stages.len(), name, self.report.clone(), work)?;
        let handle = Some(handle);
        self.stages.push(Member { name: name.into(), handle, kind, running: true });
        Ok(())
    }

    /// Starts every thread and returns where the collector leaves its outputs.
    fn start(
        &mut self,
        parts: Parts,
        settings: Settings,
        stats: &Arc<Stats>,
    ) -> Result<Receiver<Collected>, StageError> {
        let live = settings.live;
        let wants = Wants::of(&parts.sinks);
        let outs = self.start_sinks(parts.sinks, stats)?;
        let mut collector = Collector {
            detector: parts.detector.clone(),
            observer: parts.observer,
            annotator: parts.annotator,
            wants,
            outs,
            gaps: None,
            run: parts.run.clone(),
            last_pts_s: None,
            failure: None,
            is_live: live.is_some(),
            stats: stats.clone(),
        };
        let (frames_in, frames_out) = match live {
            Some(LivePolicy::Latest) => queue(1, WhenFull::DropOldest),
            Some(LivePolicy::Bounded(_)) => queue(WAITING, WhenFull::DropOldest),
            Some(LivePolicy::All) | None => queue(READ_AHEAD, WhenFull::Block),
        };
        stats.watch_queue("infer", frames_in.depth());
        let threads = parts.workers.threads();
        let window = if live.is_some() { threads } else { threads + 2 };
        let (slots_in, slots_out) = dispatch::slots(window);
        let (cancel, stats_of_reader) = (self.cancel.clone(), stats.clone());
        let (gaps_in, gaps) = bounded(GAPS);
        let fail_fast = settings.fail_fast;
        self.spawn("reader", Kind::Reader, move || {
            read(parts.source, &frames_in, &gaps_in, &cancel, &stats_of_reader, fail_fast)
        })?;
        let dispatcher =
            Dispatcher::new(parts.workers, parts.detector, parts.gate, live, stats.clone());
        self.spawn("dispatch", Kind::Inner, move || dispatcher.run(frames_out, slots_in))?;
        collector.gaps = Some(gaps);
        let (leave, collected) = bounded(1);
        let (run, cancel) = (parts.run, self.cancel.clone());
        self.spawn("collect", Kind::Inner, move || {
            let result = collector.pass_on(&Item::Run(run)).and_then(|someone_listens| {
                if someone_listens { collector.run(slots_out) } else { Ok(()) }
            });
            // Nobody needs more frames, whatever the reason.
            cancel.without_signal();
            let panicked = matches!(result, Err(StageError::Panicked { .. }));
            let ending = if panicked { Ending::Broken } else { Ending::Whole };
            collector.end(ending);
            leave.send((collector.outs, ending)).ok();
            result
        })?;
        Ok(collected)
    }

    fn start_sinks(
        &mut self,
        sinks: Vec<SinkSpec>,
        stats: &Arc<Stats>,
    ) -> Result<Vec<Out>, StageError> {
        let mut outs = Vec::new();
        for SinkSpec { sink, when_full, capacity, need } in sinks {
            let name = sink.name();
            let wants_summary = sink.wants_summary();
            let (inlet, commands) = queue(capacity.max(1), when_full);
            let failed = Arc::new(AtomicBool::new(false));
            stats.watch_queue(sink.kind(), inlet.depth());
            stats.watch_output(sink.kind(), failed.clone());
            outs.push(Out { inlet, need, wants_summary, failed: failed.clone() });
            let (stats, stage) = (stats.clone(), sink.kind());
            self.spawn(&name, Kind::Sink { need, wants_summary }, move || {
                let result = write(sink, commands, &stats, stage, &failed);
                failed.store(result.is_err(), SeqCst);
                result
            })?;
        }
        Ok(outs)
    }

    /// Waits for everything but the reader and the outputs that take the summary.
    fn wait(&mut self, collected: Receiver<Collected>) -> Collected {
        self.wait_until(None, |kind| match kind {
            Kind::Inner => true,
            Kind::Sink { wants_summary, .. } => !wants_summary,
            Kind::Reader => false,
        });
        // A reader that was asked to stop says at once what it found; a stuck one is left behind.
        let patience = Some(Instant::now() + READER_PATIENCE);
        self.wait_until(patience, |kind| kind == Kind::Reader);
        // A collector that panicked leaves nothing: its outputs were ended as broken.
        collected.try_recv().unwrap_or_else(|_| (Vec::new(), Ending::Broken))
    }

    fn summarise(
        &mut self,
        (outs, ending): Collected,
        summarise: impl FnOnce(&Outcome) -> SummaryRecord,
    ) {
        let busy = |kind| !matches!(kind, Kind::Reader);
        self.outcome.unfinished = self
            .names_of_running(busy, |m| !matches!(m.kind, Kind::Sink { wants_summary: true, .. }));
        let summary = Arc::new(summarise(&self.outcome));
        // An output that is stuck must not hold the summary of the others, nor us: its queue may
        // be full, so a helper thread waits there in our place.
        let hand_over = move || {
            for out in outs {
                out.inlet.send(Command::Item(Item::Summary(summary.clone()))).ok();
                out.inlet.send(Command::End(ending)).ok();
            }
            Ok(())
        };
        if let Err(error) = self.spawn("summary", Kind::Inner, hand_over) {
            self.outcome.error.get_or_insert(error);
        }
        // Whatever the others took, the summary gets a moment to be written.
        let moment = Instant::now() + SUMMARY_PATIENCE;
        self.deadline = self.deadline.map(|deadline| deadline.max(moment));
        self.wait_until(None, busy);
        self.outcome.unfinished = self.names_of_running(busy, |_| true);
    }

    fn names_of_running(
        &self,
        busy: impl Fn(Kind) -> bool,
        which: impl Fn(&Member) -> bool,
    ) -> Vec<String> {
        let running = |member: &&Member| member.running && busy(member.kind) && which(member);
        self.stages.iter().filter(running).map(|member| member.name.clone()).collect()
    }

    /// Takes reports while a stage of a kind that `matters` runs, and neither `until` nor the
    /// deadline has passed.
    fn wait_until(&mut self, until: Option<Instant>, matters: impl Fn(Kind) -> bool) {
        while self.stages.iter().any(|member| member.running && matters(member.kind)) {
            match self.reports.recv_timeout(TICK) {
                Ok(report) => self.take(report),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.cancel.stop().is_some() || self.failed {
                self.deadline.get_or_insert_with(|| Instant::now() + self.drain_timeout);
            }
            let now = Instant::now();
            if [until, self.deadline].into_iter().flatten().any(|limit| now >= limit) {
                return;
            }
        }
    }

    fn take(&mut self, Report { id, result }: Report) {
        let member = &mut self.stages[id];
        member.running = false;
        if let Some(handle) = member.handle.take() {
            // It has reported as its last act; a panic was caught before.
            handle.join().ok();
        }
        let Err(error) = result else { return };
        if !error.is_cause() {
            return;
        }
        if let StageError::Sink(SinkError::LeftOut { lost, .. }) = &error {
            log::warn!("{error}");
            self.outcome.left_out += lost;
            self.outcome.failed_outputs.push(member.name.clone());
            return;
        }
        if matches!(member.kind, Kind::Sink { need: Need::Optional, .. }) {
            let hint = match &error {
                StageError::Sink(error) => error.hint(),
                _ => None,
            };
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            log::warn!("{error}{hint}; the run goes on without it");
            self.outcome.failed_outputs.push(member.name.clone());
            return;
        }
        if member.kind != Kind::Reader {
            self.failed = true;
            self.cancel.without_signal();
        }
        match &self.outcome.error {
            // The first says how the run ended; the others are heard of.
            Some(_) => log::error!("{error}"),
            None => self.outcome.error = Some(error),
        }
    }

    fn leave(self) -> Outcome {
        self.outcome
    }
}

/// The reader's thread. What could be read goes on even where the source fails at its end.
fn read(
    mut source: Box<dyn Source>,
    frames: &Inlet<Read>,
    gaps: &Sender<Gap>,
    cancel: &Cancel,
    stats: &Stats,
    fail_fast: bool,
) -> Result<(), StageError> {
    let mut unread: Option<SourceError> = None;
    let mut sent = 0_u64;
    while !cancel.is_cancelled() {
        let start = Instant::now();
        let Some(meta) = source.grab()? else {
            return match unread.filter(|_| sent == 0) {
                Some(error) => Err(error.into()),
                None => Ok(source.verdict()?),
            };
        };
        let image = match source.retrieve() {
            Err(SourceError::Picture(error)) if !fail_fast => {
                log::error!("{error}");
                stats.unreadable.fetch_add(1, Relaxed);
                unread = unread.or(Some(*error));
                continue;
            }
            image => Arc::new(image?),
        };
        let frame = Frame { meta, image };
        sent += 1;
        let read = Read { frame, decode: start.elapsed(), at: Instant::now() };
        while let Some(gap) = source.take_gap() {
            // So many at once that nobody tells them: the source is as good as gone.
            gaps.try_send(gap).ok();
        }
        let dropped = frames.send(read).map_err(|_| StageError::Hangup)?;
        stats.dropped_live.fetch_add(dropped, Relaxed);
    }
    Ok(())
}

/// An output's thread.
fn write(
    mut sink: Box<dyn Sink>,
    commands: Outlet<Command>,
    stats: &Stats,
    stage: &str,
    failed: &AtomicBool,
) -> Result<(), StageError> {
    for command in commands {
        let start = Instant::now();
        match command {
            Command::Item(item) => {
                let flow = sink.write(&item).inspect_err(|_| failed.store(true, SeqCst))?;
                if flow == Flow::Done {
                    return Ok(());
                }
                if matches!(item, Item::Frame { .. }) {
                    stats.note(stage, start.elapsed());
                }
            }
            Command::End(ending) => return Ok(sink.finish(ending)?),
        }
    }
    // The collector left without a word: it panicked.
    Ok(sink.finish(Ending::Broken)?)
}
