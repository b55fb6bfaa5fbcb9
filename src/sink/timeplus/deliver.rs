//! Sends batches in order until each is stored, refused for good, or time is up.
//!
//! A batch of unknown fate (a time-out, a broken connection, a restart of either side) may be
//! stored, now or in a moment: a suspended server goes on with what it was sent. So it is sent
//! again only when the server answers, a while has passed, and no row of its id is there. Which
//! refusal means what is `verdict`'s.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::compact::compact;
use super::dead::DeadLetters;
use super::gzip;
use super::queue::Queue;
use super::server::{Server, ServerError};
use super::spool::{Front, Segment, SpoolError};
use super::stats::{Mood, Stats};
use super::stream::Stream;
use super::verdict::Verdict;
use crate::backoff::Backoff;
use crate::reason::io_reason;

/// What is done before the first batch and whenever a stream is not there: make the streams.
pub type Prepare = Box<dyn FnMut(&Server) -> Result<(), ServerError> + Send>;

/// Rows refused one after the other from which on it is not the rows that are wrong.
const MAX_DEAD_IN_A_ROW: u32 = 20;

/// How often a batch that is there in part is looked at before the rest is sent.
const MAX_LOOKS: u32 = 5;

/// A stream of Timeplus is read from a store that is written about 2 s behind its log.
const BEHIND: Duration = Duration::from_secs(3);

/// The code for a column that is not there.
const UNKNOWN_COLUMN: u32 = 47;

/// The longest that a server may ask to be left alone.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// How long delivery waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The most between the first attempt and the second; it doubles from then on.
    pub first: Duration,
    /// The most between two attempts.
    pub longest: Duration,
    /// Between an answer of a server and the question what it has of a batch.
    pub settle: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            settle: Duration::from_secs(2),
        }
    }
}

/// What the thread owns.
pub(super) struct Delivery {
    queue: Arc<Queue>,
    server: Server,
    prepare: Prepare,
    prepared: bool,
    waits: Waits,
    backoff: Backoff,
    dead: DeadLetters,
    /// Of each stream.
    dead_in_a_row: HashMap<String, u32>,
    /// Whether it is known that the run has come to its end.
    knows_end: bool,
    name: String,
}

/// What became of an attempt.
enum Sent {
    /// All rows are there.
    Stored,
    /// Some are; these are not.
    Lacks(Vec<String>),
}

/// Why an attempt failed.
enum Trouble {
    /// Before the rows were sent.
    Before(ServerError),
    /// When they were.
    Rows(ServerError),
    /// The spool refuses.
    Spool(SpoolError),
    /// There is no time left.
    Over,
}

impl From<SpoolError> for Trouble {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error)
    }
}

impl From<io::Error> for Trouble {
    /// Of packing and unpacking what is checked already.
    fn from(error: io::Error) -> Self {
        Self::Spool(SpoolError::Io { path: "a batch".into(), reason: io_reason(&error) })
    }
}

/// What comes next for a batch.
enum Step {
    /// It is dealt with.
    Done,
    /// It is tried again after this.
    Again(Duration),
}

/// What is known of a batch on its way.
#[derive(Default)]
struct Way {
    /// Its rows may be there.
    unsure: bool,
    /// How often only some of them were.
    looks: u32,
}

impl Delivery {
    pub(super) fn new(
        queue: Arc<Queue>,
        server: Server,
        prepare: Prepare,
        waits: Waits,
        dead: DeadLetters,
    ) -> Self {
        let name = format!("timeplus '{}'", server.shown());
        let backoff = Backoff::new(waits.first, waits.longest);
        Self {
            queue,
            server,
            prepare,
            prepared: false,
            waits,
            backoff,
            dead,
            dead_in_a_row: HashMap::new(),
            knows_end: false,
            name,
        }
    }

    /// Delivers until nothing more comes or time is up.
    pub(super) fn go(mut self) {
        while let Some(front) = self.queue.next() {
            if let Err(error) = self.carry(&front) {
                self.queue.fail(error);
            }
        }
    }

    fn carry(&mut self, front: &Front) -> Result<(), SpoolError> {
        let mut way = Way { unsure: front.tried, looks: 0 };
        loop {
            let wait = match self.attempt(front, &mut way) {
                Ok(Sent::Stored) => Ok(self.stored(front)?),
                Ok(Sent::Lacks(lines)) => self.lacks(front, &lines),
                Err(Trouble::Before(error)) => Ok(self.judge_before(&error)),
                Err(Trouble::Rows(error)) => self.refused(front, &mut way, &error),
                Err(Trouble::Spool(error)) => Err(error),
                Err(Trouble::Over) => return Ok(()),
            };
            let wait = match wait {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Again(wait)) => wait,
                // What it is divided into, or what is said about it, has no room now.
                Err(SpoolError::NoSpace { path }) => {
                    log::warn!("{}: no space left on the disk of '{path}'", self.name);
                    self.backoff.next_delay().max(self.waits.first)
                }
                Err(error) => return Err(error),
            };
            if !self.pause(wait) {
                return Ok(());
            }
        }
    }

    /// Waits between two attempts, and says whether there is time left. At the end of the run it is
    /// tried at once, and then often.
    fn pause(&mut self, wait: Duration) -> bool {
        let knew = self.knows_end;
        let goes_on = self.queue.doze(wait, &mut self.knows_end);
        if self.knows_end && !knew {
            self.backoff.reset();
        }
        goes_on
    }

    fn attempt(&mut self, front: &Front, way: &mut Way) -> Result<Sent, Trouble> {
        let limit = self.limit()?;
        self.server.about(limit).map_err(Trouble::Before)?;
        if !self.prepared {
            (self.prepare)(&self.server).map_err(Trouble::Before)?;
            self.prepared = true;
        }
        if way.unsure
            && let Some(sent) = self.settle(&front.segment, way)?
        {
            return Ok(sent);
        }
        let name = front.name.clone();
        self.queue.spool(|spool| spool.mark(&name))?;
        way.looks = 0;
        self.send(&front.segment)?;
        Ok(Sent::Stored)
    }

    /// Finds out what the server has of a batch; `None` when it is to be sent.
    fn settle(&mut self, segment: &Segment, way: &mut Way) -> Result<Option<Sent>, Trouble> {
        let is_timeplus = self.server.is_timeplus();
        if !segment.stream.batch_id {
            return Ok(self.unknowable(&segment.stream, way));
        }
        self.ask("SELECT 1")?;
        let behind = if is_timeplus { BEHIND } else { Duration::ZERO };
        if !self.queue.sleep(self.waits.settle + behind) {
            return Err(Trouble::Over);
        }
        let count = match self.ask(&segment.stream.count(is_timeplus, &segment.id)) {
            // A table of texts, seen only now, that somebody else made.
            Err(Trouble::Before(error))
                if error.number() == UNKNOWN_COLUMN && segment.stream.key.is_none() =>
            {
                return Ok(self.unknowable(&segment.stream, way));
            }
            answer => answer?,
        };
        let count: u64 = count.trim().parse().map_err(|_| Trouble::Before(nonsense(&count)))?;
        if count == 0 {
            way.unsure = false;
            return Ok(None);
        }
        if count >= segment.rows {
            return Ok(Some(Sent::Stored));
        }
        way.looks += 1;
        if way.looks < MAX_LOOKS {
            return Err(Trouble::Before(partly(count, segment.rows)));
        }
        self.missing(segment).map(|lines| Some(Sent::Lacks(lines)))
    }

    /// Nobody can say whether a batch is there: it is sent again, because twice is better than
    /// never.
    fn unknowable(&self, stream: &Stream, way: &mut Way) -> Option<Sent> {
        let counts_once = stream.rest_name.is_some() && self.server.has_rest();
        if !counts_once {
            log::warn!("{}: a batch for {} may be there twice", self.name, stream.sql_name);
        }
        way.unsure = false;
        None
    }

    /// The rows of a batch that the server does not have; all where they cannot be told apart,
    /// because twice is better than never.
    fn missing(&mut self, segment: &Segment) -> Result<Vec<String>, Trouble> {
        let lines = segment.lines()?;
        let keys = segment.stream.keys(self.server.is_timeplus(), &segment.id);
        let (Some(sql), Some(key)) = (keys, &segment.stream.key) else {
            log::warn!("{}: a batch that was there in part is sent again", self.name);
            return Ok(lines);
        };
        let there = self.ask(&sql)?;
        let there: std::collections::HashSet<&str> = there.lines().collect();
        let is_missing = |line: &String| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            match row.get(key) {
                Some(serde_json::Value::String(key)) => !there.contains(&**key),
                Some(key) => !there.contains(&*key.to_string()),
                None => true,
            }
        };
        Ok(lines.into_iter().filter(is_missing).collect())
    }

    fn ask(&self, sql: &str) -> Result<String, Trouble> {
        self.server.query_within(self.limit()?, sql).map_err(Trouble::Before)
    }

    fn send(&self, segment: &Segment) -> Result<(), Trouble> {
        let limit = self.limit()?;
        let rest = segment.stream.rest_name.as_deref().filter(|_| self.server.has_rest());
        if let Some(name) = rest
            && let Some(body) = compact(&segment.unpacked()?)
        {
            let body = if self.server.is_plain() { body } else { gzip::pack(&body)? };
            return self.server.ingest(limit, name, &segment.id, &body).map_err(Trouble::Rows);
        }
        let plain = self.server.is_plain().then(|| segment.unpacked()).transpose()?;
        let body = plain.as_deref().unwrap_or(&segment.packed);
        self.server.insert(limit, &segment.stream, &segment.id, body).map_err(Trouble::Rows)
    }

    /// The time for one request.
    fn limit(&self) -> Result<Duration, Trouble> {
        match self.queue.time_left() {
            Some(left) if left.is_zero() => Err(Trouble::Over),
            left => Ok(left.unwrap_or(Duration::MAX)),
        }
    }

    fn stored(&mut self, front: &Front) -> Result<Step, SpoolError> {
        self.queue.spool(|spool| spool.remove(&front.name))?;
        let stats = &self.queue.stats;
        Stats::add(&stats.rows_sent, front.segment.rows);
        Stats::add(&stats.batches_sent, 1);
        if stats.works() {
            log::warn!("{} works again; {} rows wait", self.name, stats.snapshot().rows_waiting);
        }
        self.backoff.reset();
        self.dead_in_a_row.remove(&front.segment.stream.sql_name);
        Ok(Step::Done)
    }

    fn lacks(&mut self, front: &Front, lines: &[String]) -> Result<Step, SpoolError> {
        if lines.is_empty() {
            return self.stored(front);
        }
        let there = front.segment.rows.saturating_sub(lines.len() as u64);
        let step = self.divide(front, &[lines])?;
        Stats::add(&self.queue.stats.rows_sent, there);
        Ok(step)
    }

    /// What to do when the server refuses to answer a question of ours.
    fn judge_before(&mut self, error: &ServerError) -> Step {
        match error.verdict() {
            Verdict::Retry { .. } => self.again(Mood::Retrying, error),
            Verdict::SchemaNotReady => {
                self.prepared = false;
                self.again(Mood::Retrying, error)
            }
            _ => self.again(Mood::Parked, error),
        }
    }

    /// What to do when the server refuses rows. A table of ClickHouse is written before the views
    /// that hang on it, so that rows may be there though a view refused them: how many are is
    /// asked at once, because the answer to an insert comes when that is over.
    fn refused(
        &mut self,
        front: &Front,
        way: &mut Way,
        error: &ServerError,
    ) -> Result<Step, SpoolError> {
        let segment = &front.segment;
        let may_be_there = error.follows_writing() && segment.stream.batch_id;
        // What is of unknown fate is asked for later.
        let is_unsure = error.verdict() == Verdict::Retry { maybe_stored: true };
        if !may_be_there || is_unsure || self.server.is_timeplus() {
            return self.judge(front, way, error);
        }
        let count = self.ask(&segment.stream.count(false, &segment.id));
        match count.map(|count| count.trim().parse::<u64>()) {
            Ok(Ok(0)) => self.judge(front, way, error),
            Ok(Ok(count)) if count >= segment.rows => {
                let what =
                    "the rows are there all the same; does a view of the stream refuse them?";
                log::warn!("{}: {error}; {what}", self.name);
                self.stored(front)
            }
            Err(Trouble::Before(unknown))
                if unknown.number() == UNKNOWN_COLUMN && segment.stream.key.is_none() =>
            {
                self.judge(front, way, error)
            }
            _ => {
                way.unsure = true;
                Ok(self.again(Mood::Retrying, error))
            }
        }
    }

    fn judge(
        &mut self,
        front: &Front,
        way: &mut Way,
        error: &ServerError,
    ) -> Result<Step, SpoolError> {
        let at_once = Ok(Step::Again(Duration::ZERO));
        match error.verdict() {
            Verdict::Retry { maybe_stored } => {
                way.unsure = maybe_stored;
                Ok(self.again(Mood::Retrying, error))
            }
            Verdict::SchemaNotReady => {
                self.prepared = false;
                Ok(self.again(Mood::Retrying, error))
            }
            Verdict::Park => Ok(self.again(Mood::Parked, error)),
            Verdict::Poison => self.find(front, error),
            Verdict::TooLarge => self.halve(front, error),
            Verdict::Uncompressed if self.server.is_plain() => self.find(front, error),
            Verdict::Uncompressed => {
                log::warn!("{}: {error}; rows go out unpacked now", self.name);
                self.server.be_plain();
                at_once
            }
            Verdict::DropSetting(setting) => {
                log::warn!("{} does not take setting {setting}; it is left out", self.name);
                self.server.drop_setting(setting);
                at_once
            }
            Verdict::NoRest if self.server.has_rest() => {
                self.server.drop_rest();
                at_once
            }
            Verdict::NoRest => Ok(self.again(Mood::Parked, error)),
        }
    }

    /// Looks for the row that is refused, if it is not all of them.
    fn find(&mut self, front: &Front, error: &ServerError) -> Result<Step, SpoolError> {
        let dead = self.dead_in_a_row.get(&front.segment.stream.sql_name);
        if dead.is_some_and(|dead| *dead >= MAX_DEAD_IN_A_ROW) {
            return Ok(self.again(Mood::Parked, error));
        }
        self.halve(front, error)
    }

    fn halve(&mut self, front: &Front, error: &ServerError) -> Result<Step, SpoolError> {
        let lines = front.segment.lines().map_err(|error| spoilt(&error))?;
        if let [] | [_] = &*lines {
            return self.bury(front, &lines, error);
        }
        let (first, second) = lines.split_at(lines.len() / 2);
        self.divide(front, &[first, second])
    }

    fn divide(&mut self, front: &Front, parts: &[&[String]]) -> Result<Step, SpoolError> {
        let stream = &front.segment.stream;
        let parts = parts.iter().map(|lines| Segment::of_lines(stream, lines));
        let parts = parts.collect::<io::Result<Vec<_>>>().map_err(|error| spoilt(&error))?;
        if self.queue.spool(|spool| spool.divide(&front.name, &parts))? {
            return Ok(Step::Done);
        }
        let path = front.name.to_string();
        Err(SpoolError::Io { path, reason: "it was divided too often".into() })
    }

    fn bury(
        &mut self,
        front: &Front,
        lines: &[String],
        error: &ServerError,
    ) -> Result<Step, SpoolError> {
        for line in lines {
            if let Err(failed) = self.dead.bury(&front.segment.stream.sql_name, line, error) {
                log::warn!("{}: a refused row cannot be written: {failed}", self.name);
                return Ok(Step::Again(self.waits.longest));
            }
        }
        self.queue.spool(|spool| spool.remove(&front.name))?;
        self.queue.stats.gave_up(error.number(), &error.to_string());
        Stats::add(&self.queue.stats.rows_dead, front.segment.rows);
        *self.dead_in_a_row.entry(front.segment.stream.sql_name.clone()).or_default() += 1;
        Ok(Step::Done)
    }

    fn again(&mut self, mood: Mood, error: &ServerError) -> Step {
        let stats = &self.queue.stats;
        if stats.failed(mood, error.number(), &error.to_string()) {
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            let rows = stats.snapshot().rows_waiting;
            log::warn!("{}: {error}{hint}; trying again, {rows} rows wait", self.name);
        }
        if mood == Mood::Parked {
            self.queue.refused();
        }
        let wait =
            self.backoff.next_delay().max(error.after().unwrap_or_default().min(LONGEST_ASKED));
        let least = if mood == Mood::Parked { self.waits.first * 4 } else { Duration::ZERO };
        Step::Again(wait.max(least.min(self.waits.longest)))
    }
}

impl Drop for Delivery {
    /// Also after a panic: nobody may wait for room that is never made.
    fn drop(&mut self) {
        self.queue.leave();
    }
}

fn spoilt(error: &io::Error) -> SpoolError {
    SpoolError::Io { path: "a batch".into(), reason: io_reason(error) }
}

fn partly(count: u64, rows: u64) -> ServerError {
    let message = format!("it has {count} of the {rows} rows of a batch so far");
    ServerError::Refused { status: 200, code: None, message, after: None }
}

fn nonsense(answer: &str) -> ServerError {
    let message = format!("it counts '{}' rows", crate::reason::one_line(answer, 40));
    ServerError::Refused { status: 200, code: None, message, after: None }
}
