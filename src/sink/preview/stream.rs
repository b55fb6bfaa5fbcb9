//! Answers that go on: what a viewer is given next.
//!
//! Nothing is queued for a viewer but what it is being sent. When that is gone it gets the newest
//! picture, so one that is slow sees fewer of them, and none that is late.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::hub::{Channel, Shared, Watch, locked};
use super::journal::Ask;
use super::outgoing::{Chunk, Outgoing};
use super::picture::{BOUNDARY, Kind, Look};
use super::state::{Outline, State};
use crate::record::RunRecord;

/// A reader of events hears something at least this often.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How often a reader that asked for it hears how the sources do.
const HEALTH: Duration = Duration::from_secs(1);

/// What follows the head of an answer that goes on.
pub(super) enum Body {
    /// Pictures of one source, for `<img>`.
    Feed(Watch),
    /// Pictures with their records, for the page.
    Pictures(Pictures),
    /// Records and states.
    Events(Events),
}

impl Body {
    /// Whether it counts as one who watches pictures.
    pub(super) fn is_viewer(&self) -> bool {
        !matches!(self, Self::Events(_))
    }

    /// Adds what is new.
    pub(super) fn fill(&mut self, shared: &Shared, out: &mut Outgoing, now: Instant) {
        match self {
            Self::Feed(watch) => feed(watch, out, now),
            Self::Pictures(pictures) => pictures.fill(shared, out, now),
            Self::Events(events) => events.fill(shared, out, now),
        }
    }

    /// When it has something to say though nothing happened.
    pub(super) fn next(&self) -> Option<Instant> {
        match self {
            Self::Events(events) => Some(events.next),
            Self::Feed(_) | Self::Pictures(_) => None,
        }
    }
}

/// What `/video_feed` begins with.
pub(super) fn feed_start() -> Chunk {
    Chunk::Own(format!("--{BOUNDARY}\r\n").into())
}

fn feed(watch: &mut Watch, out: &mut Outgoing, now: Instant) {
    let Some(picture) = watch.next().filter(|picture| !picture.jpeg.is_empty()) else { return };
    out.push(Chunk::PartHead(picture.clone()), now);
    out.push(Chunk::Jpeg(picture), now);
    // Browsers show a part when they see the end of it, which must not wait for the next frame.
    out.push(Chunk::Own(format!("\r\n--{BOUNDARY}\r\n").into()), now);
}

/// Pictures of one source, or of all, over one connection.
pub(super) struct Pictures {
    watches: Vec<Watch>,
    kind: Kind,
    /// Whether sources that turn up later belong to it.
    all: bool,
}

impl Pictures {
    pub(super) fn new(only: Option<Arc<Channel>>, kind: Kind) -> Self {
        let all = only.is_none();
        Self { watches: only.into_iter().map(|c| Watch::new(c, kind)).collect(), kind, all }
    }

    fn fill(&mut self, shared: &Shared, out: &mut Outgoing, now: Instant) {
        if self.all {
            let channels = shared.channels();
            let new = channels.into_iter().skip(self.watches.len());
            self.watches.extend(new.map(|channel| Watch::new(channel, self.kind)));
        }
        for picture in self.watches.iter_mut().filter_map(Watch::next) {
            out.push(Chunk::PacketHead(picture.clone()), now);
            out.push(Chunk::Jpeg(picture), now);
        }
    }
}

/// Records and states as server-sent events.
pub(super) struct Events {
    shared: Arc<Shared>,
    ask: Ask,
    /// The serial of the last entry that this reader knows of.
    serial: u64,
    health: bool,
    next: Instant,
    /// Sources that it was told of.
    known: Option<usize>,
}

/// What a reader of `/events` asks for.
pub(super) struct Wish<'a> {
    pub(super) ask: Ask,
    /// Where it was when its connection broke.
    pub(super) last: Option<&'a str>,
    /// Events from before it came.
    pub(super) replay: usize,
    /// Whether it wants to hear regularly how the sources do.
    pub(super) health: bool,
}

impl Events {
    pub(super) fn new(shared: &Arc<Shared>, wish: Wish<'_>, now: Instant) -> Self {
        let Wish { ask, last, replay, health } = wish;
        let journal = locked(&shared.journal);
        let known = last.and_then(|id| journal.serial_of(id));
        let serial = known.unwrap_or_else(|| journal.before_last(replay, &ask));
        drop(journal);
        if ask.frames {
            shared.frame_readers.fetch_add(1, SeqCst);
        }
        Self { shared: shared.clone(), ask, serial, health, next: now, known: None }
    }

    fn fill(&mut self, shared: &Shared, out: &mut Outgoing, now: Instant) {
        let channels: Vec<_> = shared.channels().into_iter().filter(|c| self.is_asked(c)).collect();
        if self.known != Some(channels.len()) {
            self.known = Some(channels.len());
            say(out, now, "hello", &Hello::new(&channels, shared.look));
        }
        let (texts, serial) = locked(&shared.journal).after(self.serial, &self.ask);
        self.serial = serial;
        let is_quiet = texts.is_empty();
        for text in texts {
            out.push(Chunk::Text(text), now);
        }
        if now < self.next {
            return;
        }
        if self.health {
            self.next = now + HEALTH;
            let healths: Vec<_> =
                channels.iter().map(|channel| Health::new(channel, now)).collect();
            say(out, now, "health", &healths);
        } else {
            self.next = now + HEARTBEAT;
            if is_quiet {
                out.push(Chunk::Fixed(b":\n\n"), now);
            }
        }
    }

    fn is_asked(&self, channel: &Channel) -> bool {
        self.ask.source.as_ref().is_none_or(|source| *source == channel.name)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if self.ask.frames {
            self.shared.frame_readers.fetch_sub(1, SeqCst);
        }
    }
}

/// Says something that no later reader needs to hear, and so has no id.
fn say(out: &mut Outgoing, now: Instant, event: &str, data: &impl Serialize) {
    if let Ok(json) = serde_json::to_string(data) {
        out.push(Chunk::Own(format!("event: {event}\ndata: {json}\n\n").into()), now);
    }
}

/// The first thing that a reader hears.
#[derive(Serialize)]
struct Hello {
    version: &'static str,
    width: u32,
    fps: f64,
    sources: Vec<Introduced>,
}

#[derive(Serialize)]
struct Introduced {
    source: Arc<str>,
    #[serde(flatten)]
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Arc<RunRecord>>,
    outlines: Vec<Outline>,
}

impl Hello {
    fn new(channels: &[Arc<Channel>], look: Look) -> Self {
        let introduced = |channel: &Arc<Channel>| {
            let facts = locked(&channel.facts);
            let (state, run) = (facts.state.clone(), facts.run.clone());
            let (source, outlines) = (channel.name.clone(), facts.outlines.clone());
            Introduced { source, state, run, outlines }
        };
        let sources = channels.iter().map(introduced).collect();
        Self { version: env!("CARGO_PKG_VERSION"), width: look.width, fps: look.fps, sources }
    }
}

/// How a source does.
#[derive(Serialize)]
struct Health {
    source: Arc<str>,
    #[serde(flatten)]
    state: State,
    /// Frames processed.
    frames: u64,
    /// Frames processed a second.
    fps: f64,
    /// Seconds since the last frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_s: Option<f64>,
    viewers: usize,
}

impl Health {
    fn new(channel: &Channel, now: Instant) -> Self {
        let facts = locked(&channel.facts);
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        Self {
            source: channel.name.clone(),
            state: facts.state.clone(),
            frames: facts.frames,
            fps: tenths(facts.fps(now)),
            age_s: facts.age_s(now).map(tenths),
            viewers: channel.viewers(Kind::Clean) + channel.viewers(Kind::Drawn),
        }
    }
}
