//! A stream that breaks and comes back: reconnecting, one time line over all breaks, and a
//! watchdog over readers that hang where no time-out reaches (name look-ups, drivers).
//!
//! How a connection is opened is the caller's; how it is read is `reader`'s.

use std::cell::Cell;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use super::reader::Connect;
use super::reader::{Heard, Reader};
use super::wait::sleep_until;
use super::{Gap, Source, SourceError, SourceInfo};
use crate::backoff::Backoff;
use crate::cancel::Cancel;
use crate::frame::{FrameMeta, Image, Size};
use crate::record::round;

/// How much longer than a read may take is waited before a thread is taken for stuck.
const GRACE: Duration = Duration::from_secs(2);

/// Threads that may hang at a time.
const MAX_STUCK: usize = 4;

/// When a broken stream is opened again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// Never: a break is the end.
    Never,
    /// After it was open once: a wrong address is an error at once.
    #[default]
    OnceOpen,
    /// Also where it was never open.
    Always,
}

/// How a stream is kept open.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveSettings {
    /// Whether to open it again.
    pub reconnect: Reconnect,
    /// Failed attempts in a row after which it is lost; none is too many where `None`.
    pub max_tries: Option<u32>,
    /// Longest first delay.
    pub first_delay: Duration,
    /// Longest delay of all.
    pub max_delay: Duration,
    /// How long a read may take; to open may take twice as long.
    pub read_timeout: Duration,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            reconnect: Reconnect::default(),
            max_tries: None,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            read_timeout: Duration::from_secs(10),
        }
    }
}

/// A stream over all its connections.
///
/// Where what was opened says that it is not live (a film over HTTP), its end is the end, and an
/// error is an error.
pub struct Live {
    link: Link,
    info: SourceInfo,
    line: Line,
    gap: Option<Gap>,
    verdict: Cell<Option<SourceError>>,
    ended: bool,
}

impl Live {
    /// Opens the first connection. `uri` is for messages, credentials masked.
    ///
    /// # Errors
    /// Those of `connect`; [`SourceError::Lost`] after too many attempts, [`SourceError::Stopped`]
    /// within a moment of a stop request.
    pub fn open(
        uri: &str,
        connect: Connect,
        settings: LiveSettings,
        cancel: &Cancel,
    ) -> Result<Self, SourceError> {
        let mut link = Link::new(uri, connect, settings, cancel);
        match link.next()? {
            News::Opened(info) => {
                let (line, gap, verdict) = (Line::default(), None, Cell::new(None));
                Ok(Self { link, info: *info, line, gap, verdict, ended: false })
            }
            _ => Err(SourceError::Stopped { uri: uri.into() }),
        }
    }

    /// The next frame on the one time line; nothing at the end.
    fn advance(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        loop {
            match self.link.next()? {
                News::Opened(info) => self.same_size(info.size)?,
                News::Frame(meta) => {
                    let broke = self.link.broke.take();
                    let (meta, gap) = self.line.place(meta, broke, self.info.fps);
                    self.gap = gap;
                    return Ok(Some(meta));
                }
                News::Ended(verdict) => {
                    self.verdict.set(verdict.err());
                    return Ok(None);
                }
                News::Stopped => return Ok(None),
            }
        }
    }

    fn same_size(&self, found: Size) -> Result<(), SourceError> {
        let expected = self.info.size;
        if found == expected {
            return Ok(());
        }
        let (uri, frame) = (self.link.uri.clone(), self.line.next);
        Err(SourceError::SizeChanged { uri, frame, found, expected })
    }
}

impl Source for Live {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError> {
        self.gap = None;
        if self.ended {
            return Ok(None);
        }
        let next = self.advance();
        if !matches!(next, Ok(Some(_))) {
            self.ended = true;
            self.link.reader = None;
        }
        next
    }

    fn retrieve(&mut self) -> Result<Image, SourceError> {
        self.link.pixels()
    }

    fn verdict(&self) -> Result<(), SourceError> {
        self.verdict.take().map_or(Ok(()), Err)
    }

    fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }
}

/// What a [`Link`] has to say.
enum News {
    Opened(Box<SourceInfo>),
    Frame(FrameMeta),
    Ended(Result<(), SourceError>),
    Stopped,
}

/// One connection after the other.
struct Link {
    uri: Arc<str>,
    connect: Connect,
    settings: LiveSettings,
    cancel: Cancel,
    reader: Option<Reader>,
    /// Threads left behind.
    stuck: Vec<JoinHandle<()>>,
    backoff: Backoff,
    /// When the next attempt is due.
    due: Instant,
    /// Failed attempts since the last frame.
    tries: u32,
    /// When this connection gave its first frame.
    since: Option<Instant>,
    /// Whether this connection is open.
    open: bool,
    /// Whether the source, once open, said that it is live.
    live: Option<bool>,
    /// Why the flow of frames broke, until the next one comes.
    broke: Option<&'static str>,
}

impl Link {
    fn new(uri: &str, connect: Connect, settings: LiveSettings, cancel: &Cancel) -> Self {
        Self {
            uri: uri.into(),
            connect,
            cancel: cancel.clone(),
            reader: None,
            stuck: Vec::new(),
            backoff: Backoff::new(settings.first_delay, settings.max_delay),
            due: Instant::now(),
            tries: 0,
            since: None,
            open: false,
            live: None,
            broke: None,
            settings,
        }
    }

    /// Waits for news, over as many connections as it takes.
    fn next(&mut self) -> Result<News, SourceError> {
        while !self.cancel.is_cancelled() {
            let patience = self.patience();
            let Some(reader) = &mut self.reader else {
                if sleep_until(self.due, &self.cancel) {
                    self.start()?;
                }
                continue;
            };
            match reader.hear(patience, &self.cancel) {
                Heard::Opened(info) => {
                    (self.open, self.live) = (true, Some(info.live));
                    return Ok(News::Opened(info));
                }
                Heard::Frame(meta) => {
                    self.since.get_or_insert_with(Instant::now);
                    self.tries = 0;
                    return Ok(News::Frame(meta));
                }
                Heard::Ended(verdict) if !self.comes_back() => return Ok(News::Ended(verdict)),
                Heard::Ended(_) => {
                    let reason = "the stream ended".into();
                    let error = SourceError::Unreachable { uri: self.uri.clone(), reason };
                    self.lose("end_of_stream", error)?;
                }
                Heard::Failed(error) => self.fail(error)?,
                Heard::Nothing => {
                    self.stuck.extend(self.reader.take().and_then(Reader::leave));
                    let (uri, waited) = (self.uri.clone(), patience);
                    self.lose("timeout", SourceError::Silent { uri, waited })?;
                }
                Heard::Stopped => {}
            }
        }
        self.reader = None;
        Ok(News::Stopped)
    }

    fn patience(&self) -> Duration {
        let reads = if self.open { 1 } else { 2 };
        self.settings.read_timeout.saturating_mul(reads).saturating_add(GRACE)
    }

    /// Whether an end or a break is followed by another attempt.
    fn comes_back(&self) -> bool {
        match (self.settings.reconnect, self.live) {
            (Reconnect::Never, _) | (_, Some(false)) | (Reconnect::OnceOpen, None) => false,
            (Reconnect::OnceOpen, Some(true)) | (Reconnect::Always, _) => true,
        }
    }

    fn start(&mut self) -> Result<(), SourceError> {
        self.stuck.retain(|thread| !thread.is_finished());
        if self.stuck.len() >= MAX_STUCK {
            let reason = "its readers hang and cannot be stopped".into();
            return Err(SourceError::Lost { uri: self.uri.clone(), reason, tries: self.tries });
        }
        (self.open, self.since) = (false, None);
        let failed = |error: std::io::Error| SourceError::Unreachable {
            uri: self.uri.clone(),
            reason: format!("cannot start a thread: {error}"),
        };
        self.reader = Some(Reader::start(self.connect.clone()).map_err(failed)?);
        Ok(())
    }

    fn fail(&mut self, error: SourceError) -> Result<(), SourceError> {
        match error {
            // No other attempt would change it.
            SourceError::SizeChanged { .. } => Err(error),
            SourceError::Silent { .. } => self.lose("timeout", error),
            _ => self.lose("error", error),
        }
    }

    /// Gives this connection up, for good or until the next attempt.
    fn lose(&mut self, why: &'static str, error: SourceError) -> Result<(), SourceError> {
        self.reader = None;
        if self.cancel.is_cancelled() {
            return Ok(());
        }
        if !self.comes_back() {
            return Err(error);
        }
        match self.since.take() {
            Some(since) => self.backoff.held(since.elapsed()),
            None => self.tries += 1,
        }
        if self.live.is_some() {
            self.broke.get_or_insert(why);
        }
        let reason = words(&error);
        if self.settings.max_tries.is_some_and(|most| self.tries >= most) {
            return Err(SourceError::Lost { uri: self.uri.clone(), reason, tries: self.tries });
        }
        let delay = self.backoff.next_delay();
        self.due = Instant::now() + delay;
        log::warn!("'{}': {reason}; trying again in {:.1} s", self.uri, delay.as_secs_f64());
        Ok(())
    }

    fn pixels(&mut self) -> Result<Image, SourceError> {
        let patience = self.settings.read_timeout.saturating_add(GRACE);
        let pixels = self.reader.as_mut().and_then(|reader| reader.pixels(patience));
        pixels.unwrap_or_else(|| {
            let (uri, reason) = (self.uri.clone(), "a frame came without its pixels".into());
            Err(SourceError::Unreadable { uri, reason, hint: None })
        })
    }
}

/// The reason alone, without the input's name.
fn words(error: &SourceError) -> String {
    match error {
        SourceError::Unreachable { reason, .. }
        | SourceError::BrokenOff { reason, .. }
        | SourceError::Unreadable { reason, .. }
        | SourceError::Missing { reason, .. }
        | SourceError::Denied { reason, .. } => reason.clone(),
        SourceError::Silent { waited, .. } => {
            format!("nothing came for {} s", waited.as_secs_f64())
        }
        other => other.to_string(),
    }
}

/// The one time line of all connections.
#[derive(Debug, Default)]
struct Line {
    /// Index of the next frame.
    next: u64,
    /// When the first frame came.
    first: Option<Instant>,
    last_s: Option<f64>,
    /// From a connection's own times to those of the line.
    offset_s: f64,
}

impl Line {
    /// Places a frame, the first after a break where `broke` says why.
    fn place(
        &mut self,
        meta: FrameMeta,
        broke: Option<&'static str>,
        fps: Option<f64>,
    ) -> (FrameMeta, Option<Gap>) {
        /// Shortest step, where no rate is known.
        const STEP_S: f64 = 0.001;
        let first = *self.first.get_or_insert_with(Instant::now);
        let own_s = meta.pts_s.unwrap_or_default();
        if let (Some(_), Some(last_s)) = (broke, self.last_s) {
            let step_s = fps.map_or(STEP_S, |fps| 1.0 / fps);
            let now_s = first.elapsed().as_secs_f64().max(last_s + step_s);
            self.offset_s = now_s - own_s;
        }
        let pts_s = round(self.offset_s + own_s, 1e6);
        let gap = broke.map(|reason| {
            let seconds = round(pts_s - self.last_s.unwrap_or(pts_s), 1e6);
            let frames_lost = fps.map(|fps| (seconds * fps).round() as u64);
            Gap { reason, from_pts_s: self.last_s, seconds, frames_lost }
        });
        self.last_s = Some(pts_s);
        let index = self.next;
        self.next += 1;
        (FrameMeta { index, pts_s: Some(pts_s), ..meta }, gap)
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
