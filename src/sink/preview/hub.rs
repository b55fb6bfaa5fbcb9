//! Where sources leave what viewers see. Sources write here from their own threads and never wait
//! for a viewer; the server's thread reads.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::Preview;
use super::journal::{Journal, Tells};
use super::picture::{Kind, Look, Picture};
use super::state::{Facts, Outline, Pace, State};
use crate::frame::Image;
use crate::record::{FrameRecord, Record};
use crate::sink::Appetite;

/// All sources of a process. Cloning it gives another handle on the same.
#[derive(Clone)]
pub struct Hub {
    pub(super) shared: Arc<Shared>,
}

impl Hub {
    /// A hub without sources, whose pictures look so.
    pub fn new(look: Look) -> Self {
        let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let boot = format!("{:x}.{:x}", since_1970.as_micros(), std::process::id());
        let shared = Shared {
            look,
            channels: Mutex::default(),
            journal: Mutex::new(Journal::new(boot)),
            frame_readers: AtomicUsize::new(0),
            serial: AtomicU64::new(0),
            encodes: AtomicU64::new(0),
            bell: Bell::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The output of the source with this name, which is made known where it is new.
    pub fn source(&self, name: &str) -> Preview {
        let mut channels = locked(&self.shared.channels);
        let known = channels.iter().find(|channel| &*channel.name == name).cloned();
        let channel = known.unwrap_or_else(|| {
            let channel = Arc::new(Channel::new(name, &self.shared.look));
            channels.push(channel.clone());
            channel
        });
        drop(channels);
        self.shared.bell.ring();
        Preview::new(self.clone(), channel)
    }

    /// Tells viewers how a source does; nothing for one that is not known.
    pub fn tell(&self, source: &str, state: State) {
        if let Some(channel) = self.shared.channel(source) {
            self.shared.tell(&channel, state);
        }
    }

    /// Gives the page the zones and lines of a source to draw.
    pub fn outline(&self, source: &str, outlines: Vec<Outline>) {
        if let Some(channel) = self.shared.channel(source) {
            locked(&channel.facts).outlines = outlines;
        }
    }

    /// Pictures encoded until now.
    pub fn encodes(&self) -> u64 {
        self.shared.encodes.load(Relaxed)
    }
}

/// The inside of a hub.
pub(super) struct Shared {
    pub(super) look: Look,
    channels: Mutex<Vec<Arc<Channel>>>,
    pub(super) journal: Mutex<Journal>,
    /// Readers of `/events` that want frame records.
    pub(super) frame_readers: AtomicUsize,
    serial: AtomicU64,
    pub(super) encodes: AtomicU64,
    pub(super) bell: Bell,
}

impl Shared {
    /// All sources in the order in which they were made known.
    pub(super) fn channels(&self) -> Vec<Arc<Channel>> {
        locked(&self.channels).clone()
    }

    /// The source with this name.
    pub(super) fn channel(&self, name: &str) -> Option<Arc<Channel>> {
        locked(&self.channels).iter().find(|channel| &*channel.name == name).cloned()
    }

    /// Changes the state of a source and tells of it.
    pub(super) fn tell(&self, channel: &Channel, state: State) {
        let mut facts = locked(&channel.facts);
        if facts.state == state {
            return;
        }
        let said = Said { source: &channel.name, state: &state };
        let json = serde_json::to_string(&said);
        facts.state = state.clone();
        drop(facts);
        if let Ok(json) = json {
            self.push(Tells::State, channel, &json);
        }
    }

    /// Puts an entry into the journal.
    pub(super) fn push(&self, tells: Tells, channel: &Channel, json: &str) {
        locked(&self.journal).push(tells, &channel.name, json);
        self.bell.ring();
    }

    /// Puts a record into the journal.
    pub(super) fn record(&self, tells: Tells, channel: &Channel, record: &Record<'_>) {
        if let Ok(json) = serde_json::to_string(record) {
            self.push(tells, channel, &json);
        }
    }

    /// Encodes a picture for those who watch.
    pub(super) fn show(
        &self,
        channel: &Channel,
        kind: Kind,
        record: &Arc<FrameRecord>,
        image: Option<&Image>,
    ) {
        let serial = self.serial.fetch_add(1, Relaxed) + 1;
        if image.is_some() {
            self.encodes.fetch_add(1, Relaxed);
        }
        let Some(picture) = Picture::new(serial, record, image, &self.look) else { return };
        *channel.picture(kind, &mut locked(&channel.facts)) = Some(Arc::new(picture));
        self.bell.ring();
    }
}

/// A state as `/events` says it.
#[derive(Serialize)]
pub(super) struct Said<'a> {
    pub(super) source: &'a str,
    #[serde(flatten)]
    pub(super) state: &'a State,
}

/// One source.
pub(super) struct Channel {
    pub(super) name: Arc<str>,
    pub(super) facts: Mutex<Facts>,
    pace: Mutex<Pace>,
    clean_viewers: AtomicUsize,
    drawn_viewers: AtomicUsize,
}

impl Channel {
    fn new(name: &str, look: &Look) -> Self {
        Self {
            name: name.into(),
            facts: Mutex::new(Facts::new()),
            pace: Mutex::new(Pace::new(look.fps)),
            clean_viewers: AtomicUsize::new(0),
            drawn_viewers: AtomicUsize::new(0),
        }
    }

    fn counter(&self, kind: Kind) -> &AtomicUsize {
        match kind {
            Kind::Clean => &self.clean_viewers,
            Kind::Drawn => &self.drawn_viewers,
        }
    }

    /// Who watches pictures of this kind.
    pub(super) fn viewers(&self, kind: Kind) -> usize {
        self.counter(kind).load(SeqCst)
    }

    /// Whether it gives no more frames.
    pub(super) fn is_over(&self) -> bool {
        matches!(locked(&self.facts).state, State::Ended { .. })
    }

    /// Whether somebody waits for a picture of this kind now.
    fn wants(&self, kind: Kind) -> bool {
        self.viewers(kind) > 0 && locked(&self.pace).is_due(Instant::now())
    }

    /// Whether a picture is due, which is noted.
    pub(super) fn take_turn(&self, now: Instant) -> bool {
        let mut pace = locked(&self.pace);
        let due = pace.is_due(now);
        if due {
            pace.take(now);
        }
        due
    }

    fn picture<'a>(&self, kind: Kind, facts: &'a mut Facts) -> &'a mut Option<Arc<Picture>> {
        match kind {
            Kind::Clean => &mut facts.clean,
            Kind::Drawn => &mut facts.drawn,
        }
    }

    /// The newest picture after the one with this serial.
    pub(super) fn newer(&self, kind: Kind, seen: u64) -> Option<Arc<Picture>> {
        let mut facts = locked(&self.facts);
        self.picture(kind, &mut facts).as_ref().filter(|picture| picture.serial > seen).cloned()
    }

    /// What a newcomer counts as seen: a picture from when somebody last watched is old, unless
    /// no newer one will come.
    pub(super) fn stale(&self, kind: Kind) -> u64 {
        let mut facts = locked(&self.facts);
        let newest = facts.record.as_ref().map(|record| record.frame_id);
        let goes_on = facts.state == State::Live;
        let picture = self.picture(kind, &mut facts);
        let old = picture.as_ref().filter(|picture| goes_on && Some(picture.frame_id) != newest);
        old.map_or(0, |picture| picture.serial)
    }
}

impl Appetite for Channel {
    fn wants_pixels(&self) -> bool {
        self.wants(Kind::Drawn)
    }

    fn wants_clean_pixels(&self) -> bool {
        self.wants(Kind::Clean)
    }
}

/// Somebody who watches a source, for as long as this lives.
pub(super) struct Watch {
    pub(super) channel: Arc<Channel>,
    pub(super) kind: Kind,
    /// The serial of the newest picture that this viewer was given.
    pub(super) seen: u64,
}

impl Watch {
    pub(super) fn new(channel: Arc<Channel>, kind: Kind) -> Self {
        channel.counter(kind).fetch_add(1, SeqCst);
        let seen = channel.stale(kind);
        Self { channel, kind, seen }
    }

    /// The newest picture, where it was not given yet.
    pub(super) fn next(&mut self) -> Option<Arc<Picture>> {
        let picture = self.channel.newer(self.kind, self.seen)?;
        self.seen = picture.serial;
        Some(picture)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.channel.counter(self.kind).fetch_sub(1, SeqCst);
    }
}

/// Wakes the server's thread.
#[derive(Default)]
pub(super) struct Bell {
    rung: AtomicBool,
    wire: Mutex<Option<UnixStream>>,
}

impl Bell {
    /// Hangs the bell on a wire that does not block.
    pub(super) fn hang(&self, wire: UnixStream) {
        *locked(&self.wire) = Some(wire);
    }

    /// Wakes the server unless it is about to look anyway.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, SeqCst)
            && let Some(mut wire) = locked(&self.wire).as_ref()
        {
            // A full wire wakes as well, and without a server there is nobody to wake.
            wire.write_all(&[0]).ok();
        }
    }

    /// Noted by the server before it looks.
    pub(super) fn heard(&self) {
        self.rung.store(false, SeqCst);
    }
}

/// A lock that a panic elsewhere does not take away: what it holds is always whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
