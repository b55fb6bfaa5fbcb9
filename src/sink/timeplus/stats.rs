//! What delivery has done so far, for whoever wants to know.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sink::rows::{CountsRows, Link, RowCounts};

/// How delivery does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// Rows go through.
    #[default]
    Fine,
    /// The server is away or busy.
    Retrying,
    /// The server refuses, until somebody mends the configuration.
    Parked,
}

/// Counters of one output.
#[derive(Debug, Default)]
pub struct Stats {
    pub(super) rows_sent: AtomicU64,
    pub(super) batches_sent: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) rows_dead: AtomicU64,
    pub(super) rows_dropped: AtomicU64,
    pub(super) rows_waiting: AtomicU64,
    pub(super) bytes_waiting: AtomicU64,
    trouble: Mutex<Trouble>,
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
struct Trouble {
    mood: Mood,
    /// The last exception code or status; 0 where there was no answer.
    code: Option<u32>,
    reason: Option<String>,
}

/// Counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Rows that the server has.
    pub rows_sent: u64,
    /// Batches that the server has.
    pub batches_sent: u64,
    /// Attempts that failed.
    pub retries: u64,
    /// Rows that the server refuses for good.
    pub rows_dead: u64,
    /// Rows that were given up.
    pub rows_dropped: u64,
    /// Rows in the queue or the spool.
    pub rows_waiting: u64,
    /// Bytes of those.
    pub bytes_waiting: u64,
    /// How it does.
    pub mood: Mood,
    /// The exception code or status of the last failure; 0 where there was no answer.
    pub last_code: Option<u32>,
    /// The last failure in words.
    pub last_reason: Option<String>,
}

impl CountsRows for Stats {
    fn counts(&self) -> RowCounts {
        let now = self.snapshot();
        RowCounts {
            delivered: now.rows_sent,
            waiting: now.rows_waiting,
            waiting_bytes: now.bytes_waiting,
            dropped: now.rows_dropped,
            refused: now.rows_dead,
            retries: now.retries,
            link: match now.mood {
                Mood::Fine => Link::Up,
                Mood::Retrying => Link::Down,
                Mood::Parked => Link::Parked,
            },
        }
    }
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        let trouble = self.trouble().clone();
        Snapshot {
            rows_sent: self.rows_sent.load(SeqCst),
            batches_sent: self.batches_sent.load(SeqCst),
            retries: self.retries.load(SeqCst),
            rows_dead: self.rows_dead.load(SeqCst),
            rows_dropped: self.rows_dropped.load(SeqCst),
            rows_waiting: self.rows_waiting.load(SeqCst),
            bytes_waiting: self.bytes_waiting.load(SeqCst),
            mood: trouble.mood,
            last_code: trouble.code,
            last_reason: trouble.reason,
        }
    }

    pub(super) fn add(counter: &AtomicU64, rows: u64) {
        counter.fetch_add(rows, SeqCst);
    }

    /// Notes what there is of the rows that waited when the run has ended: those that survive it,
    /// and those that do not.
    pub(super) fn ended(&self, kept: u64, lost: u64) {
        self.rows_waiting.store(kept, SeqCst);
        Self::add(&self.rows_dropped, lost);
    }

    /// Notes a failure; says whether it is news.
    pub(super) fn failed(&self, mood: Mood, code: u32, reason: &str) -> bool {
        Self::add(&self.retries, 1);
        let mut trouble = self.trouble();
        let news = trouble.mood != mood || trouble.code != Some(code);
        *trouble = Trouble { mood, code: Some(code), reason: Some(reason.into()) };
        news
    }

    /// Notes why rows are given up, which is no trouble for the others.
    pub(super) fn gave_up(&self, code: u32, reason: &str) {
        let mut trouble = self.trouble();
        (trouble.code, trouble.reason) = (Some(code), Some(reason.into()));
    }

    /// Notes that it goes through; says whether that is news.
    pub(super) fn works(&self) -> bool {
        std::mem::take(&mut self.trouble().mood) != Mood::Fine
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        // Never half written, whoever panicked.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
