//! One source as a scene: detections become tracks, tracks appear and leave, and of some a picture
//! or a video is wanted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::memory::Memory;
use super::rule::{Raised, Rule, Rules};
use super::{Happening, Observer, Sighting, Told, Watch, What};
use crate::detection::Detection;
use crate::frame::{FrameMeta, Size};
use crate::geometry::{BBox, Region};
use crate::infer::{Basis, Found};
use crate::record::{
    ClassCount, ClassCrossings, Corners, EventKind, EventRecord, FrameRecord, LineRecord,
    ZoneRecord, round,
};
use crate::recorder::{Moment, Recorder, Who};
use crate::replay::Frames;
use crate::track::{Seen, Track, Tracker, Update};

/// Longest part of a file's name that comes from a name that the user gave, in bytes: two of them and
/// the rest stay below the 255 that file systems take.
const MAX_NAME: usize = 80;

/// What is kept of events and tracks, each in a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Takes {
    /// A video of each of these events.
    pub clips: Option<(PathBuf, Vec<EventKind>)>,
    /// The best picture of each track.
    pub snapshots: Option<PathBuf>,
}

/// Makes the records of a source.
pub struct Scene {
    recorder: Recorder,
    tracker: Option<Box<dyn Tracker>>,
    watch: Option<Watch>,
    rules: Rules,
    memory: Memory,
    /// Detections below this are tracked and not reported.
    min_confidence: f32,
    takes: Takes,
    /// The highest number of a track so far.
    highest: u64,
    /// The best picture of each track that lives.
    best: BTreeMap<u64, Best>,
}

/// What a frame changed.
#[derive(Default)]
struct Changes {
    /// Tracks that appeared, by their numbers.
    appeared: Vec<Who>,
    /// What happened at zones and lines.
    happened: Vec<Happening>,
    /// Tracks that ended.
    ended: Vec<Track>,
    /// What was found and is not reported.
    unreported: Vec<(BBox, u32)>,
}

/// The best picture of a track so far.
#[derive(Clone, Copy)]
struct Best {
    worth: f64,
    at: Moment,
    class_id: u32,
}

impl Scene {
    /// A scene without tracks: what is found with `min_confidence` and above, rounded to four
    /// places, is reported.
    pub fn new(recorder: Recorder, min_confidence: f32) -> Self {
        Self {
            recorder,
            tracker: None,
            watch: None,
            rules: Rules::default(),
            memory: Memory::default(),
            min_confidence,
            takes: Takes::default(),
            highest: 0,
            best: BTreeMap::new(),
        }
    }

    /// The same with tracks; the tracker takes also what is not reported.
    #[must_use]
    pub fn tracked(self, tracker: Box<dyn Tracker>, takes: Takes) -> Self {
        Self { tracker: Some(tracker), takes, ..self }
    }

    /// The same with the detections of an earlier run, of these classes where some are named.
    #[must_use]
    pub fn replaying(mut self, frames: Frames, classes: Option<Vec<u32>>) -> Self {
        self.memory.replay(frames, classes);
        self
    }

    /// The same with rules, which count tracks and what happens to them.
    #[must_use]
    pub fn alerting(self, rules: Vec<Rule>) -> Self {
        Self { rules: Rules::new(rules), ..self }
    }

    /// The same where the model does not look at every frame.
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.memory.keep();
        self
    }

    /// The same with zones, lines and speed. Without tracks nothing is watched.
    #[must_use]
    pub fn watched(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Gives what was found its tracks and leaves out what is not reported.
    fn track(&mut self, found: &mut Found, at: Moment, image: Size) -> Changes {
        // Everybody goes by the numbers that the records hold, so that a replay gives the same.
        for found in &mut found.detections {
            found.confidence = round(f64::from(found.confidence), 1e4) as f32;
        }
        let mut changes = match found.basis {
            Basis::Skipped => self.carry(found, at, image),
            _ => {
                let changes = self.changes(found, at);
                self.memory.keep_loose(&found.detections);
                changes
            }
        };
        let unsure =
            found.detections.extract_if(.., |found| found.confidence < self.min_confidence);
        changes.unreported =
            unsure.filter_map(|found| Some((found.bbox?, found.class_id))).collect();
        changes
    }

    /// Gives what was found its tracks.
    fn changes(&mut self, found: &mut Found, at: Moment) -> Changes {
        let Some(tracker) = &mut self.tracker else { return Changes::default() };
        let seen = |(index, found): (usize, &Detection)| {
            let bbox = Corners::rounded(&found.bbox?).bbox();
            Some((index, Seen { bbox, confidence: found.confidence, class_id: found.class_id }))
        };
        let (places, seen): (Vec<usize>, Vec<Seen>) =
            found.detections.iter().enumerate().filter_map(seen).unzip();
        let Update { ids, ended } = tracker.update(&seen, at.pts_s);
        let mut appeared = Vec::new();
        for (place, id) in places.iter().zip(&ids) {
            let found = &mut found.detections[*place];
            found.tracker_id = *id;
            if let Some(tracker_id) = id.filter(|id| *id > self.highest) {
                appeared.push(Who { tracker_id, class_id: found.class_id });
            }
        }
        appeared.sort_by_key(|who| who.tracker_id);
        self.highest = appeared.last().map_or(self.highest, |who| who.tracker_id);
        let sighting = |(seen, id): (&Seen, &Option<u64>)| Sighting {
            tracker_id: *id,
            class_id: seen.class_id,
            bbox: seen.bbox,
        };
        let gone: Vec<u64> = ended.iter().map(|track| track.id).collect();
        let happened = self.watch.as_mut().map(|watch| {
            let seen: Vec<_> = seen.iter().zip(&ids).map(sighting).collect();
            watch.frame(at, &seen, &gone)
        });
        Changes { appeared, happened: happened.unwrap_or_default(), ended, unreported: Vec::new() }
    }

    /// Puts the boxes of tracks where they should be, in a frame that nobody looked at; what has no
    /// track stays where it was.
    fn carry(&mut self, found: &mut Found, at: Moment, image: Size) -> Changes {
        let Some(tracker) = &mut self.tracker else { return Changes::default() };
        let carried = |track: Track| {
            let bbox = track.estimate.clipped(Region::whole(image));
            bbox.is_sound().then(|| Detection {
                tracker_id: Some(track.id),
                predicted: true,
                ..Detection::of_box(bbox, track.confidence, track.class_id)
            })
        };
        found.detections = tracker.coast(at.pts_s).into_iter().filter_map(carried).collect();
        found.detections.extend(self.memory.loose());
        found.detections.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let sighting = |found: &Detection| {
            Some(Sighting {
                tracker_id: found.tracker_id,
                class_id: found.class_id,
                bbox: found.bbox?,
            })
        };
        let seen: Vec<_> = found.detections.iter().filter_map(sighting).collect();
        let happened = self.watch.as_mut().map(|watch| watch.frame(at, &seen, &[]));
        Changes { happened: happened.unwrap_or_default(), ..Changes::default() }
    }

    /// Adds to a record what is watched.
    fn state(&self, record: &mut FrameRecord) {
        let Some(watch) = &self.watch else { return };
        let class = |id: u32| self.recorder.labels.name(id);
        let counts = watch.zone_counts().map(|zone| ZoneRecord {
            name: zone.name,
            count: zone.count,
            classes: zone
                .classes
                .into_iter()
                .map(|(class_id, count)| ClassCount { class: class(class_id), class_id, count })
                .collect(),
        });
        record.zones = counts.collect();
        let crossings = watch.line_counts().map(|line| LineRecord {
            name: line.name,
            count_in: line.count_in,
            count_out: line.count_out,
            classes: line
                .classes
                .into_iter()
                .map(|(class_id, (count_in, count_out))| ClassCrossings {
                    class: class(class_id),
                    class_id,
                    count_in,
                    count_out,
                })
                .collect(),
        });
        record.lines = crossings.collect();
        for found in &mut record.predictions {
            let motion = found.tracker_id.and_then(|track| watch.motion(track));
            found.speed_m_s = motion.map(|motion| motion.speed_m_s);
            found.heading_deg = motion.and_then(|motion| motion.heading_deg);
        }
    }

    /// Remembers the best picture of each track.
    fn look(&mut self, record: &FrameRecord, at: Moment) {
        for found in &record.predictions {
            let Some((track, worth)) = found.tracker_id.zip(found.portrait(record.image)) else {
                continue;
            };
            if self.best.get(&track).is_none_or(|best| worth > best.worth) {
                self.best.insert(track, Best { worth, at, class_id: found.class_id });
            }
        }
    }

    /// What happened in a frame.
    fn events(&mut self, at: Moment, changes: &Changes) -> Vec<EventRecord> {
        let Changes { appeared, happened, ended, .. } = changes;
        let event = |kind, who: &Who| self.recorder.event(kind, &at, Some(who), None);
        let appeared = appeared.iter().map(|who| event(EventKind::Appeared, who));
        let happened = happened.iter().map(|happening| self.happening(&at, happening));
        let left = ended.iter().map(|track| {
            let who = Who { tracker_id: track.id, class_id: track.class_id };
            EventRecord { seconds: presence(track), ..event(EventKind::Left, &who) }
        });
        let mut events: Vec<_> = appeared.chain(happened).chain(left).collect();
        let mut clips: Vec<_> = events.iter().filter_map(|event| self.clip(event)).collect();
        apart(&mut clips);
        events.extend(clips);
        events.extend(ended.iter().filter_map(|track| self.snapshot(track.id)));
        events
    }

    /// The alerts of a frame, each followed by what is made of it.
    fn alerts(
        &mut self,
        at: Moment,
        record: &FrameRecord,
        events: &[EventRecord],
    ) -> Vec<EventRecord> {
        let mut rules = std::mem::take(&mut self.rules);
        let mut told = Vec::new();
        for Raised { rule, cause, count } in rules.raise(record, events) {
            let alert = self.recorder.alert(&rule.name, &at, cause);
            let alert = EventRecord { count, ..alert };
            let what = format!("alert-{}", plain(&rule.name));
            let made = |kind, folder: &Path, ending: &str| EventRecord {
                file: Some(self.file(folder, &at, &what, ending)),
                ..self.recorder.follow(kind, &alert)
            };
            let clip = rule.clip.as_deref().map(|folder| made(EventKind::Clip, folder, "mp4"));
            let picture = rule.snapshot.as_deref();
            let picture = picture.map(|folder| made(EventKind::Snapshot, folder, "jpg"));
            told.push(alert);
            told.extend(clip.into_iter().chain(picture));
        }
        self.rules = rules;
        apart(&mut told);
        told
    }

    /// The record of what happened at a zone or line.
    fn happening(&self, at: &Moment, happening: &Happening) -> EventRecord {
        let Happening { name, who, what } = happening;
        let event = |kind| self.recorder.event(kind, at, who.as_ref(), Some(name));
        match *what {
            What::ZoneEntered => event(EventKind::ZoneEntered),
            What::ZoneLeft { seconds } => EventRecord { seconds, ..event(EventKind::ZoneLeft) },
            What::Loitering { seconds } => {
                EventRecord { seconds: Some(seconds), ..event(EventKind::Loitering) }
            }
            What::Crowded { count } => {
                EventRecord { count: Some(count), ..event(EventKind::Crowded) }
            }
            What::LineCrossed { direction } => {
                EventRecord { direction: Some(direction.word()), ..event(EventKind::LineCrossed) }
            }
        }
    }

    /// The video of an event, where one is wanted.
    fn clip(&self, of: &EventRecord) -> Option<EventRecord> {
        let (folder, kinds) = self.takes.clips.as_ref()?;
        let wanted = kinds.contains(&of.event);
        let place = of.name.iter().map(|name| format!("-{}", plain(name)));
        let track = of.tracker_id.map(|track| format!("-{track}"));
        let what: String =
            [of.event.word().to_owned()].into_iter().chain(place).chain(track).collect();
        let at = Moment { frame_id: of.frame_id, pts_s: of.pts_s };
        wanted.then(|| EventRecord {
            file: Some(self.file(folder, &at, &what, "mp4")),
            ..self.recorder.follow(EventKind::Clip, of)
        })
    }

    /// The best picture of a track that ended, where one is wanted.
    fn snapshot(&mut self, track: u64) -> Option<EventRecord> {
        let Best { at, class_id, .. } = self.best.remove(&track)?;
        let folder = self.takes.snapshots.as_ref()?;
        let who = Who { tracker_id: track, class_id };
        Some(EventRecord {
            file: Some(self.file(folder, &at, &track.to_string(), "jpg")),
            ..self.recorder.event(EventKind::Snapshot, &at, Some(&who), None)
        })
    }

    /// `FOLDER/SOURCE-TIME-WHAT.ENDING`.
    fn file(&self, folder: &Path, at: &Moment, what: &str, ending: &str) -> std::sync::Arc<str> {
        let stem = file_stem(&self.recorder.source);
        let name = format!("{stem}-{}-{what}.{ending}", time_of(at));
        folder.join(name).to_string_lossy().into()
    }
}

/// How the names of files about a source begin.
pub fn file_stem(source: &str) -> String {
    let path = Path::new(source);
    // `cam.1` is a name, `in.mp4` a file.
    let is_ending = |ending: &std::ffi::OsStr| {
        ending.to_string_lossy().chars().any(|c| c.is_ascii_alphabetic())
    };
    match path.extension().is_some_and(is_ending) {
        true => plain(&path.with_extension("").to_string_lossy()),
        false => plain(source),
    }
}

/// A name without what a file's name should not have.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let mut short = String::new();
    for c in name.chars().map(plain) {
        if short.len() + c.len_utf8() > MAX_NAME {
            break;
        }
        short.push(c);
    }
    short
}

/// Gives files of one name in a frame names of their own: two places may look alike in them.
fn apart(events: &mut [EventRecord]) {
    let mut seen: BTreeMap<std::sync::Arc<str>, u32> = BTreeMap::new();
    for event in events {
        let Some(file) = event.file.clone() else { continue };
        let times = seen.entry(file.clone()).or_default();
        *times += 1;
        if *times > 1 {
            let (stem, ending) = file.rsplit_once('.').unwrap_or((&file, ""));
            event.file = Some(format!("{stem}~{times}.{ending}").into());
        }
    }
}

/// A time that sorts as a word: `00h01m02.300s`; the frame's number where it has no time.
fn time_of(at: &Moment) -> String {
    let Some(seconds) = at.pts_s else { return format!("frame{:06}", at.frame_id) };
    let ms = (seconds * 1e3).round() as u64;
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    format!("{hours:02}h{minutes:02}m{:02}.{:03}s", ms / 1000 % 60, ms % 1000)
}

/// How long an object was there, in seconds.
fn presence(track: &Track) -> Option<f64> {
    let (first, last) = track.first_s.zip(track.last_s)?;
    Some(round((last - first).max(0.0), 1e3))
}

impl Observer for Scene {
    fn frame(&mut self, meta: &FrameMeta, image: Size, found: Found, decode: Duration) -> Told {
        let at = Moment { frame_id: meta.index, pts_s: meta.pts_s };
        let (image, mut found) = self.memory.complete(meta.index, image, found);
        let mut changes = self.track(&mut found, at, image);
        let mut record = self.recorder.record(meta, image, &found, decode);
        record.unreported = std::mem::take(&mut changes.unreported);
        self.state(&mut record);
        if self.takes.snapshots.is_some() {
            self.look(&record, at);
        }
        let mut events = self.events(at, &changes);
        let alerts = self.alerts(at, &record, &events);
        events.extend(alerts);
        (record, events)
    }

    fn end(&mut self) -> Vec<EventRecord> {
        // Who is still there has not left, but its best picture is known now.
        let living: Vec<u64> = self.best.keys().copied().collect();
        living.into_iter().filter_map(|track| self.snapshot(track)).collect()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
