//! What the output and its delivery thread share: rows that become batches, batches that wait, and
//! how long there is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::batch::Builder;
use super::rows::Row;
use super::spool::{Front, Known, Name, Other, Reached, Segment, Spool, SpoolError};
use super::stats::Stats;

/// The longest wait in one piece: news wakes earlier.
const NAP: Duration = Duration::from_secs(1);

/// What the output does when no more batches fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenSpoolFull {
    /// It waits so long at most, and then fails.
    Block(Duration),
    /// It lets the oldest batches go, and counts their rows.
    DropOldest,
}

/// Why rows could not be put where they are safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// The spool refuses.
    Spool(SpoolError),
    /// Nothing went out for so long.
    GaveUp(Duration),
    /// The delivery thread is no more.
    Gone,
}

/// The queue.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    pub(super) stats: Arc<Stats>,
}

struct State {
    spool: Spool,
    open: Builder,
    /// Complete, but not safe yet.
    sealed: Vec<Arc<Segment>>,
    key: Option<String>,
    /// The run's settings by name, with what stands for their values.
    said: Vec<(String, String)>,
    /// When the run's first frame was, where only the clock said so.
    first_frame: Option<SystemTime>,
    /// The last frame that is in `open`, and that in `sealed`.
    frame: Option<u64>,
    sealed_frame: Option<u64>,
    /// The batch that is being sent.
    busy: Option<Name>,
    /// Nothing more comes.
    finishing: bool,
    /// When delivery must end.
    end: Option<Instant>,
    /// There is nothing to wait for.
    over: bool,
    gone: bool,
    /// Whether it was said that nothing more fits.
    told_full: bool,
    error: Option<SpoolError>,
}

impl State {
    fn is_over(&self) -> bool {
        self.over || self.error.is_some() || self.end.is_some_and(|end| end <= Instant::now())
    }

    fn is_empty(&self) -> bool {
        self.sealed.is_empty() && self.open.rows() == 0
    }

    /// Makes safe what is complete.
    fn commit(&mut self) -> Result<(), SpoolError> {
        if self.sealed.is_empty() && self.open.rows() > 0 {
            let sealed = self.open.seal();
            let failed = |error: std::io::Error| SpoolError::Io {
                path: "gzip".into(),
                reason: crate::reason::io_reason(&error),
            };
            self.sealed = sealed.map_err(failed)?;
            self.sealed_frame = self.frame;
        }
        if !self.sealed.is_empty() {
            let key = self.key.as_deref().zip(self.sealed_frame);
            let (first_frame, said) = (self.first_frame, &*self.said);
            let reached = key.map(|(key, frame)| Reached { key, frame, first_frame, said });
            self.spool.commit(&self.sealed, reached)?;
            self.sealed.clear();
        }
        Ok(())
    }

    fn sealed_rows(&self) -> u64 {
        self.sealed.iter().map(|segment| segment.rows).sum()
    }
}

impl Queue {
    pub(super) fn new(spool: Spool, open: Builder) -> Self {
        let state = State {
            spool,
            open,
            sealed: Vec::new(),
            key: None,
            said: Vec::new(),
            first_frame: None,
            frame: None,
            sealed_frame: None,
            busy: None,
            finishing: false,
            end: None,
            over: false,
            gone: false,
            told_full: false,
            error: None,
        };
        let queue =
            Self { state: Mutex::new(state), changed: Condvar::new(), stats: Arc::default() };
        queue.count(&queue.lock());
        queue
    }

    /// Rows come from the run `key` from now on; `None` where it cannot be continued. Returns what
    /// an earlier process has left of it.
    pub(super) fn begin(&self, key: Option<String>) -> Option<Known> {
        let mut state = self.lock();
        (state.frame, state.first_frame) = (None, None);
        state.key = key;
        let key = state.key.as_deref()?;
        state.spool.known(key)
    }

    /// A run on the same input as that of `key` that was cut off, and is not gone on with.
    pub(super) fn other(&self, key: &str) -> Option<Other> {
        let state = self.lock();
        state.spool.other(key, &state.said)
    }

    /// The settings of the run that begins, by name with what stands for their values.
    pub(super) fn keep_said(&self, said: &[(String, String)]) {
        self.lock().said = said.to_vec();
    }

    /// Who continues the run goes by this time of its first frame.
    pub(super) fn keep_first_frame(&self, time: Option<SystemTime>) {
        self.lock().first_frame = time;
    }

    /// Takes all rows of some frames, the last of them `frame`.
    pub(super) fn push(&self, rows: &[Row], frame: u64) {
        let mut state = self.lock();
        let was_due = state.open.due();
        state.open.push(rows, Instant::now());
        state.frame = Some(frame);
        if state.open.due() != was_due {
            self.changed.notify_all();
        }
    }

    /// Makes rows safe if it is time to, or at once if `all`.
    pub(super) fn make_safe(&self, when_full: WhenSpoolFull, all: bool) -> Result<(), Stuck> {
        let began = Instant::now();
        let mut state = self.lock();
        let due = state.open.due().is_some_and(|due| due <= began);
        if !(all || due || !state.sealed.is_empty()) {
            return state.error.clone().map_or(Ok(()), |error| Err(Stuck::Spool(error)));
        }
        let mut waited = false;
        loop {
            if let Some(error) = &state.error {
                return Err(Stuck::Spool(error.clone()));
            }
            let committed = state.commit();
            self.count(&state);
            let error = match committed {
                Ok(()) => {
                    // Said again only when there was room in between.
                    state.told_full &= waited;
                    self.changed.notify_all();
                    return Ok(());
                }
                Err(error @ (SpoolError::Full | SpoolError::NoSpace { .. })) => error,
                Err(error) => return Err(Stuck::Spool(error)),
            };
            match when_full {
                WhenSpoolFull::DropOldest => self.make_room(&mut state)?,
                WhenSpoolFull::Block(time) => {
                    if !std::mem::replace(&mut state.told_full, true) {
                        log::warn!("{error}; waiting until rows have gone out");
                    }
                    waited = true;
                    state = self.wait_for_room(state, error, began, time)?;
                }
            }
        }
    }

    fn make_room(&self, state: &mut State) -> Result<(), Stuck> {
        let busy = state.busy.clone();
        let dropped = state.spool.drop_oldest(busy.as_ref()).map_err(Stuck::Spool)?;
        let rows = dropped.unwrap_or_else(|| {
            let rows = state.sealed_rows();
            state.sealed.clear();
            rows
        });
        Stats::add(&self.stats.rows_dropped, rows);
        Ok(())
    }

    fn wait_for_room<'a>(
        &self,
        state: MutexGuard<'a, State>,
        error: SpoolError,
        began: Instant,
        time: Duration,
    ) -> Result<MutexGuard<'a, State>, Stuck> {
        // Nothing that could go out would make room.
        if state.spool.batches() == 0 {
            return Err(Stuck::Spool(error));
        }
        if state.gone {
            return Err(Stuck::Gone);
        }
        let now = Instant::now();
        let give_up = began + time;
        let give_up = state.end.map_or(give_up, |end| end.min(give_up));
        if give_up <= now {
            return Err(match error {
                SpoolError::Full => Stuck::GaveUp(time),
                error => Stuck::Spool(error),
            });
        }
        Ok(self.wait(state, (give_up - now).min(NAP)))
    }

    /// Nothing more comes, and delivery ends when `time` has passed; the first call counts, and a
    /// later one with less time.
    pub(super) fn finish(&self, time: Duration) {
        let mut state = self.lock();
        let end = Instant::now() + time;
        state.finishing = true;
        state.end = Some(state.end.map_or(end, |known| known.min(end)));
        self.changed.notify_all();
    }

    /// The server refuses until somebody mends the configuration. At the end of a run nobody is
    /// waited for where all rows are safe.
    pub(super) fn refused(&self) {
        let mut state = self.lock();
        if state.end.is_none() || !state.spool.is_on_disk() {
            return;
        }
        self.try_commit(&mut state);
        if state.is_empty() {
            state.over = true;
            self.changed.notify_all();
        }
    }

    /// A batch has arrived: the next one has `time` too, where there is an end.
    pub(super) fn extend(&self, time: Duration) {
        let mut state = self.lock();
        let end = Instant::now() + time;
        state.end = state.end.map(|known| known.max(end));
    }

    /// What waits may go, but nothing more comes.
    pub(super) fn close(&self) {
        self.lock().finishing = true;
        self.changed.notify_all();
    }

    /// A run has come to its end.
    pub(super) fn end_run(&self) -> Result<(), SpoolError> {
        let mut state = self.lock();
        let Some(key) = state.key.clone() else { return Ok(()) };
        let frame = state.spool.known(&key).map(|known| known.frame).unwrap_or_default();
        let (first_frame, said) = (state.first_frame, state.said.clone());
        state.spool.end_run(Reached { key: &key, frame, first_frame, said: &said })
    }

    /// Forgets what is done with.
    pub(super) fn tidy(&self) -> Result<(), SpoolError> {
        self.lock().spool.tidy()
    }

    /// Rows that are not delivered, and whether they survive the process.
    pub(super) fn left(&self) -> (u64, u64) {
        let state = self.lock();
        let unsafe_rows = state.sealed_rows() + state.open.rows();
        match state.spool.is_on_disk() {
            true => (state.spool.rows(), unsafe_rows),
            false => (0, state.spool.rows() + unsafe_rows),
        }
    }

    /// Rows that were damaged on the disk.
    pub(super) fn damaged(&self) -> u64 {
        self.lock().spool.damaged()
    }

    /// The next batch to send; waits for one, and ends with `None`.
    pub(super) fn next(&self) -> Option<Front> {
        let mut state = self.lock();
        state.busy = None;
        loop {
            if state.is_over() {
                return None;
            }
            let now = Instant::now();
            if state.finishing || state.open.due().is_some_and(|due| due <= now) {
                self.try_commit(&mut state);
            }
            match state.spool.front() {
                Ok(Some(front)) => {
                    state.busy = Some(front.name.clone());
                    return Some(front);
                }
                Ok(None) if state.finishing && state.is_empty() => return None,
                Ok(None) => {}
                Err(error) => state.error = Some(error),
            }
            let due = state.open.due().map(|due| due.saturating_duration_since(now));
            state = self.wait(state, due.unwrap_or(NAP).clamp(Duration::from_millis(1), NAP));
        }
    }

    /// Changes the spool; the first error ends the output.
    pub(super) fn spool<T>(
        &self,
        change: impl FnOnce(&mut Spool) -> Result<T, SpoolError>,
    ) -> Result<T, SpoolError> {
        let mut state = self.lock();
        let done = change(&mut state.spool)?;
        self.count(&state);
        self.changed.notify_all();
        Ok(done)
    }

    /// Delivery cannot go on.
    pub(super) fn fail(&self, error: SpoolError) {
        self.lock().error.get_or_insert(error);
        self.changed.notify_all();
    }

    /// The delivery thread ends.
    pub(super) fn leave(&self) {
        self.lock().gone = true;
        self.changed.notify_all();
    }

    /// Why delivery could not go on.
    pub(super) fn error(&self) -> Option<SpoolError> {
        self.lock().error.clone()
    }

    /// How much time there is; `None` while rows come.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.lock().end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// How long ago time was up.
    pub(super) fn overdue(&self) -> Duration {
        self.lock().end.map(|end| end.elapsed()).unwrap_or_default()
    }

    /// Waits, and says whether there is time left then.
    pub(super) fn sleep(&self, time: Duration) -> bool {
        self.sleep_until(Instant::now() + time, |_| false)
    }

    /// As [`Queue::sleep`], but it notes the end of the run and wakes when that is news.
    pub(super) fn doze(&self, time: Duration, knows_end: &mut bool) -> bool {
        let knew = *knows_end;
        let woken = |state: &State| {
            *knows_end = state.finishing;
            state.finishing && !knew
        };
        self.sleep_until(Instant::now() + time, woken)
    }

    fn sleep_until(&self, until: Instant, mut woken: impl FnMut(&State) -> bool) -> bool {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.is_over() {
                return false;
            }
            if until <= now || woken(&state) {
                return true;
            }
            let stop = state.end.map_or(until, |end| end.min(until));
            // Rows still become safe while the server is away.
            if state.open.due().is_some_and(|due| due <= now) {
                self.try_commit(&mut state);
            }
            state = self.wait(state, stop.saturating_duration_since(now).min(NAP));
        }
    }

    /// Makes safe what is complete; where there is no room, later.
    fn try_commit(&self, state: &mut State) {
        match state.commit() {
            Ok(()) | Err(SpoolError::Full | SpoolError::NoSpace { .. }) => {}
            Err(error) => state.error = Some(error),
        }
        self.count(state);
    }

    fn count(&self, state: &State) {
        use std::sync::atomic::Ordering::SeqCst;
        let rows = state.spool.rows() + state.sealed_rows() + state.open.rows();
        self.stats.rows_waiting.store(rows, SeqCst);
        self.stats.bytes_waiting.store(state.spool.bytes(), SeqCst);
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let woken = self.changed.wait_timeout(state, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The spool's file operations are whole or not at all, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
