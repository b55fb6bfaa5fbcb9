//! The output of one action of one rule: a queue and a thread that tries until it gives up.
//!
//! It has a queue of its own behind that of the engine, because every output is given every
//! frame: while a receiver is slow, frames would push alerts out of the engine's queue uncounted.
//! So [`Sink::write`] never waits, and the engine's policy for it can be `Block`.
//!
//! A failed delivery never ends the output. It is counted, and [`Sink::finish`] says how many.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::backoff::Backoff;
use super::ledger::Ledger;
use super::{Alert, Deliver, Patience, Refusal};
use crate::backoff::luck;
use crate::sink::{Ending, Flow, Item, Sink, SinkError};

/// How long [`Sink::finish`] waits for the thread once patience has ended: a command is killed
/// then, which takes a moment.
const GRACE: Duration = Duration::from_secs(1);

/// How long a courier tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From when an alert fires until no new attempt is made. Each has at least one.
    pub give_up: Duration,
    /// How long everything that waits has at the end of the run.
    pub drain: Duration,
    /// Alerts that may wait; the oldest make room. At least 1.
    pub capacity: usize,
    /// The most time between the first attempt and the second; it doubles from then on.
    pub first_wait: Duration,
    /// The most time between two attempts.
    pub longest_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            give_up: Duration::from_secs(60),
            drain: Duration::from_secs(5),
            capacity: 64,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// An alert and when it fired.
type Fired = (Instant, Alert);

/// What the thread has done so far, for both to see.
#[derive(Debug, Default)]
struct Tally {
    delivered: AtomicU64,
    lost: AtomicU64,
    /// Why the last one was lost.
    reason: Mutex<Option<String>>,
}

impl Tally {
    fn lose(&self, reason: &str) {
        self.lost.fetch_add(1, SeqCst);
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.into());
    }
}

/// An output that delivers the alerts of one rule.
pub struct Courier {
    kind: &'static str,
    target: String,
    rule: String,
    drain: Duration,
    fired: u64,
    tally: Arc<Tally>,
    pub(super) patience: Patience,
    /// `None` once the thread was told that nothing more comes.
    queue: Option<Sender<Fired>>,
    /// To take the oldest out.
    evict: Receiver<Fired>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Courier {
    /// Delivers the alerts of `rule` with `action`.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(
        rule: &str,
        action: Box<dyn Deliver>,
        settings: &Settings,
    ) -> Result<Self, SinkError> {
        let (kind, target) = (action.kind(), action.target());
        let (queue, alerts) = bounded(settings.capacity.max(1));
        let (end, ended) = bounded(0);
        let (evict, tally, patience) = (alerts.clone(), Arc::default(), Patience::default());
        let rounds = Rounds {
            action,
            give_up: settings.give_up,
            backoff: Backoff::new(settings.first_wait, settings.longest_wait, settings.give_up),
            ledger: Ledger::new(name(kind, &target, rule)),
            tally: Arc::clone(&tally),
            patience: patience.clone(),
        };

        let thread = Builder::new()
            .name("vp-alert".into())
            .spawn(move || rounds.go(&alerts, &end))
            .map_err(|error| SinkError::open(&target, &error))?;
        let (drain, queue, thread) = (settings.drain, Some(queue), Some(thread));
        let (rule, fired) = (rule.into(), 0);
        Ok(Self { kind, target, rule, drain, fired, tally, patience, queue, evict, ended, thread })
    }

    fn send(&mut self, alert: Alert) {
        let Some(queue) = &self.queue else { return };
        self.fired += 1;
        let mut next = (Instant::now(), alert);
        while let Err(TrySendError::Full(back)) = queue.try_send(next) {
            next = back;
            if self.evict.try_recv().is_ok() {
                self.tally.lose("too many alerts waited for it");
            }
        }
    }

    /// Why alerts were lost, once no more is delivered.
    fn reason(&self, in_time: bool, panicked: bool) -> String {
        let known = self.tally.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            _ if panicked => "a bug ended the delivery; please report it".into(),
            Some(reason) if in_time => reason,
            _ => format!("the run ended, and it was not done {} s later", self.drain.as_secs_f64()),
        }
    }
}

impl Sink for Courier {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn target(&self) -> String {
        self.target.clone()
    }

    /// With the rule: several may have the same receiver.
    fn name(&self) -> String {
        name(self.kind, &self.target, &self.rule)
    }

    fn write(&mut self, item: &Item) -> Result<Flow, SinkError> {
        if let Item::Event(event) = item {
            match Alert::of(event, &self.rule) {
                Ok(Some(alert)) => self.send(alert),
                Ok(None) => {}
                Err(error) => {
                    self.fired += 1;
                    self.tally.lose(&error.to_string());
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn finish(mut self: Box<Self>, _ending: Ending) -> Result<(), SinkError> {
        self.queue = None;
        self.patience.end_in(self.drain);
        let ended = self.ended.recv_timeout(self.drain + GRACE);
        // A thread that is stuck in the system is left behind, so that the run ends in bounds.
        let in_time = ended != Err(RecvTimeoutError::Timeout);
        let thread = self.thread.take().filter(|_| in_time);
        let panicked = thread.is_some_and(|thread| thread.join().is_err());
        let lost = self.fired.saturating_sub(self.tally.delivered.load(SeqCst));
        if lost == 0 {
            return Ok(());
        }
        let (name, fired) = (self.name(), self.fired);
        let reason = self.reason(in_time, panicked);
        Err(SinkError::Undelivered { name, lost, fired, reason })
    }
}

impl Drop for Courier {
    /// For a courier that was never finished: its thread must not try for another minute.
    fn drop(&mut self) {
        self.patience.end_in(Duration::ZERO);
    }
}

fn name(kind: &str, target: &str, rule: &str) -> String {
    format!("{kind} '{target}' of rule '{rule}'")
}

/// What the thread owns.
struct Rounds {
    action: Box<dyn Deliver>,
    give_up: Duration,
    backoff: Backoff,
    ledger: Ledger,
    tally: Arc<Tally>,
    patience: Patience,
}

impl Rounds {
    /// Delivers until nothing more comes. `_end` is dropped when this returns or panics.
    fn go(mut self, alerts: &Receiver<Fired>, _end: &Sender<()>) {
        for (fired, alert) in alerts {
            match self.carry(fired, &alert) {
                Ok(()) => {
                    self.tally.delivered.fetch_add(1, SeqCst);
                    let lost = self.tally.lost.load(SeqCst);
                    if let Some(words) = self.ledger.delivered(lost) {
                        log::warn!("{words}");
                    }
                }
                Err(reason) => self.tally.lose(&reason),
            }
        }
    }

    /// Tries until the alert is delivered, or returns why it is lost.
    fn carry(&mut self, fired: Instant, alert: &Alert) -> Result<(), String> {
        let give_up = fired + self.give_up;
        let mut last = None;
        // A wait that others have brought about counts for this alert too.
        while self.patience.wait_until(self.backoff.due().unwrap_or(fired)) {
            let (reason, again) = match self.action.deliver(alert, &self.patience) {
                Ok(()) => {
                    self.backoff.reset();
                    return Ok(());
                }
                Err(Refusal::Never { reason }) => {
                    self.backoff.reset();
                    (reason, false)
                }
                Err(Refusal::Again { reason, after }) => {
                    let due = self.backoff.fail(Instant::now(), after, luck());
                    (reason, due < give_up && self.patience.lasts_until(due))
                }
            };
            if let Some(words) = self.ledger.failed(&reason, again) {
                log::warn!("{words}");
            }
            if !again {
                return Err(reason);
            }
            last = Some(reason);
        }
        Err(last.unwrap_or_else(|| "the run ended before its turn".into()))
    }
}
