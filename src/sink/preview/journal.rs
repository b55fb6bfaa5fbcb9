//! What `/events` tells, as server-sent events in bounded memory.
//!
//! Records of frames soon give way to newer ones; what happened is kept longer. A reader that
//! falls behind misses old frames first.

use std::collections::VecDeque;
use std::sync::Arc;

/// Events and changes of state that are kept.
const MOST_HAPPENINGS: usize = 512;

/// Frame records that are kept.
const MOST_FRAMES: usize = 256;

/// Bytes of frame records that are kept, but for one.
const MOST_FRAME_BYTES: usize = 4 << 20;

/// Bytes that a reader is given at once, but for one entry.
const MOUTHFUL: usize = 128 << 10;

/// What an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// A run record.
    Run,
    /// A frame record.
    Frame,
    /// An event record.
    Event,
    /// A gap record.
    Gap,
    /// A summary record.
    Summary,
    /// How a source does.
    State,
}

impl Tells {
    fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Frame => "frame",
            Self::Event => "event",
            Self::Gap => "gap",
            Self::Summary => "summary",
            Self::State => "state",
        }
    }
}

/// One server-sent event.
struct Entry {
    serial: u64,
    source: Arc<str>,
    tells: Tells,
    text: Arc<str>,
}

/// What a reader wants to hear.
pub(super) struct Ask {
    /// The only source, or all.
    pub(super) source: Option<Arc<str>>,
    /// Whether frame records are wanted.
    pub(super) frames: bool,
}

impl Ask {
    fn takes(&self, entry: &Entry) -> bool {
        self.source.as_ref().is_none_or(|source| *source == entry.source)
    }
}

/// The newest entries.
pub(super) struct Journal {
    /// Tells this process from an earlier one, so that a reader that comes back after a restart
    /// does not take new entries for old ones.
    boot: String,
    serial: u64,
    frames: VecDeque<Entry>,
    frame_bytes: usize,
    happenings: VecDeque<Entry>,
}

impl Journal {
    pub(super) fn new(boot: String) -> Self {
        let (frames, happenings) = (VecDeque::new(), VecDeque::new());
        Self { boot, serial: 0, frames, frame_bytes: 0, happenings }
    }

    /// Adds an entry whose `json` is one line.
    pub(super) fn push(&mut self, tells: Tells, source: &Arc<str>, json: &str) {
        self.serial += 1;
        let (boot, serial, word) = (&self.boot, self.serial, tells.word());
        let text = format!("id: {boot}-{serial}\nevent: {word}\ndata: {json}\n\n").into();
        let entry = Entry { serial, source: source.clone(), tells, text };
        if tells == Tells::Frame {
            self.frame_bytes += entry.text.len();
            self.frames.push_back(entry);
            while self.frames.len() > MOST_FRAMES
                || (self.frame_bytes > MOST_FRAME_BYTES && self.frames.len() > 1)
            {
                let oldest = self.frames.pop_front();
                self.frame_bytes -= oldest.map_or(0, |entry| entry.text.len());
            }
        } else {
            self.happenings.push_back(entry);
            if self.happenings.len() > MOST_HAPPENINGS {
                self.happenings.pop_front();
            }
        }
    }

    /// The next entries behind `serial` for a reader, and the serial up to which it then knows
    /// all.
    pub(super) fn after(&self, serial: u64, ask: &Ask) -> (Vec<Arc<str>>, u64) {
        let behind = |entries: &VecDeque<Entry>| entries.partition_point(|e| e.serial <= serial);
        let mut frames = self.frames.range(behind(&self.frames)..).peekable();
        let mut happenings = self.happenings.range(behind(&self.happenings)..).peekable();
        let (mut texts, mut bytes) = (Vec::new(), 0);
        loop {
            let frame = frames.peek().filter(|_| ask.frames).map_or(u64::MAX, |e| e.serial);
            let happening = happenings.peek().map_or(u64::MAX, |e| e.serial);
            let next = if frame < happening { frames.next() } else { happenings.next() };
            let Some(entry) = next else { return (texts, self.serial) };
            if ask.takes(entry) {
                bytes += entry.text.len();
                texts.push(entry.text.clone());
            }
            if bytes > MOUTHFUL {
                return (texts, entry.serial);
            }
        }
    }

    /// Where to start for a reader that wants the last `count` events that it would be told.
    pub(super) fn before_last(&self, count: usize, ask: &Ask) -> u64 {
        if count == 0 {
            return self.serial;
        }
        let events = self.happenings.iter().rev();
        let mut events = events.filter(|e| e.tells == Tells::Event && ask.takes(e));
        let first = events.by_ref().take(count).last();
        first.map_or(self.serial, |entry| entry.serial - 1)
    }

    /// The serial in a `Last-Event-ID`, where it is one of this process.
    pub(super) fn serial_of(&self, id: &str) -> Option<u64> {
        let (boot, serial) = id.rsplit_once('-')?;
        let serial = serial.parse().ok()?;
        (boot == self.boot && serial <= self.serial).then_some(serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Ask = Ask { source: None, frames: true };

    fn journal() -> (Journal, Arc<str>, Arc<str>) {
        (Journal::new("boot".into()), "a".into(), "b".into())
    }

    #[test]
    fn entries_come_in_order_and_once() {
        let (mut journal, a, b) = journal();
        journal.push(Tells::Frame, &a, "1");
        journal.push(Tells::Event, &b, "2");
        journal.push(Tells::Frame, &a, "3");
        let (texts, serial) = journal.after(0, &ALL);
        assert_eq!(&*texts[0], "id: boot-1\nevent: frame\ndata: 1\n\n");
        assert_eq!(&*texts[1], "id: boot-2\nevent: event\ndata: 2\n\n");
        assert_eq!((texts.len(), serial), (3, 3));
        assert!(journal.after(serial, &ALL).0.is_empty());
        let only = Ask { source: Some(b), frames: false };
        assert_eq!(journal.after(0, &only).0.len(), 1);
        assert_eq!((journal.serial_of("boot-2"), journal.serial_of("boot-4")), (Some(2), None));
        assert_eq!((journal.serial_of("other-2"), journal.serial_of("-")), (None, None));
    }

    #[test]
    fn frames_give_way_and_events_stay() {
        let (mut journal, a, _) = journal();
        journal.push(Tells::Event, &a, "first");
        let long = "x".repeat(MOST_FRAME_BYTES / 100);
        for _ in 0..1000 {
            journal.push(Tells::Frame, &a, &long);
        }
        assert!(journal.frames.len() <= 100 && journal.frame_bytes <= MOST_FRAME_BYTES);
        let (texts, mut serial) = journal.after(0, &ALL);
        assert!(texts[0].contains("first") && texts.len() < 10, "a mouthful");
        let mut told = texts.len();
        while serial < journal.serial {
            let (texts, next) = journal.after(serial, &ALL);
            (told, serial) = (told + texts.len(), next);
        }
        assert_eq!(told, 1 + journal.frames.len());
    }

    #[test]
    fn a_newcomer_may_ask_for_what_happened_before() {
        let (mut journal, a, _) = journal();
        for number in 0..10 {
            journal.push(Tells::Event, &a, &number.to_string());
            journal.push(Tells::State, &a, "{}");
        }
        let ask = Ask { source: None, frames: false };
        let from = journal.before_last(3, &ask);
        let texts = journal.after(from, &ask).0;
        assert!(texts[0].contains("data: 7"), "{}", texts[0]);
        assert_eq!(journal.before_last(0, &ask), 20);
        assert_eq!(journal.before_last(99, &ask), 0);
    }
}
