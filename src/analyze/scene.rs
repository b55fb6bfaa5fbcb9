//! One source as a scene: detections become tracks, tracks appear and leave, and of some a picture
//! or a video is wanted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Observer, Told};
use crate::frame::{FrameMeta, Size};
use crate::infer::Found;
use crate::record::{Corners, EventKind, EventRecord, FrameRecord, round};
use crate::recorder::{Moment, Recorder, Who};
use crate::track::{Seen, Track, Tracker, Update};

/// Longest part of a file's name that comes from the source's name, in characters.
const MAX_NAME: usize = 60;

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
    /// Detections below this are tracked and not reported.
    min_confidence: f32,
    takes: Takes,
    /// The highest number of a track so far.
    highest: u64,
    /// The best picture of each track that lives.
    best: BTreeMap<u64, Best>,
}

/// The best picture of a track so far.
#[derive(Clone, Copy)]
struct Best {
    worth: f64,
    at: Moment,
    class_id: u32,
}

impl Scene {
    /// A scene without tracks: what is found is reported.
    pub fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            tracker: None,
            min_confidence: 0.0,
            takes: Takes::default(),
            highest: 0,
            best: BTreeMap::new(),
        }
    }

    /// The same with tracks. Of what is found only that of `min_confidence` and above is reported;
    /// the tracker takes the rest as well.
    #[must_use]
    pub fn tracked(self, tracker: Box<dyn Tracker>, min_confidence: f32, takes: Takes) -> Self {
        Self { tracker: Some(tracker), min_confidence, takes, ..self }
    }

    /// Gives what was found its tracks and leaves out what is not reported. Returns the tracks that
    /// appeared, by their numbers, and those that ended.
    fn track(&mut self, found: &mut Found, time_s: Option<f64>) -> (Vec<Who>, Vec<Track>) {
        let Some(tracker) = &mut self.tracker else { return Default::default() };
        // The tracker sees the numbers that the records hold, so that a replay gives the same.
        let seen = |(index, found): (usize, &crate::detection::Detection)| {
            let bbox = Corners::rounded(&found.bbox?).bbox();
            let confidence = round(f64::from(found.confidence), 1e4) as f32;
            Some((index, Seen { bbox, confidence, class_id: found.class_id }))
        };
        let (places, seen): (Vec<usize>, Vec<Seen>) =
            found.detections.iter().enumerate().filter_map(seen).unzip();
        let Update { ids, ended } = tracker.update(&seen, time_s);
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
        found.detections.retain(|found| found.confidence >= self.min_confidence);
        (appeared, ended)
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
    fn events(&mut self, at: Moment, appeared: &[Who], ended: &[Track]) -> Vec<EventRecord> {
        let appeared =
            appeared.iter().map(|who| self.recorder.event(EventKind::Appeared, &at, Some(who)));
        let left = ended.iter().map(|track| {
            let who = Who { tracker_id: track.id, class_id: track.class_id };
            let left = self.recorder.event(EventKind::Left, &at, Some(&who));
            EventRecord { seconds: presence(track), ..left }
        });
        let mut events: Vec<_> = appeared.chain(left).collect();
        let clips: Vec<_> = events.iter().filter_map(|event| self.clip(event)).collect();
        events.extend(clips);
        events.extend(ended.iter().filter_map(|track| self.snapshot(track.id)));
        events
    }

    /// The video of an event, where one is wanted.
    fn clip(&self, of: &EventRecord) -> Option<EventRecord> {
        let (folder, kinds) = self.takes.clips.as_ref()?;
        let wanted = kinds.contains(&of.event);
        let what = format!("{}-{}", of.event.word(), of.tracker_id.unwrap_or(0));
        let at = Moment { frame_id: of.frame_id, pts_s: of.pts_s };
        let who = of.tracker_id.zip(of.class_id);
        let who = who.map(|(tracker_id, class_id)| Who { tracker_id, class_id });
        wanted.then(|| EventRecord {
            file: Some(self.file(folder, &at, &what, "mp4")),
            ..self.recorder.event(EventKind::Clip, &at, who.as_ref())
        })
    }

    /// The best picture of a track that ended, where one is wanted.
    fn snapshot(&mut self, track: u64) -> Option<EventRecord> {
        let Best { at, class_id, .. } = self.best.remove(&track)?;
        let folder = self.takes.snapshots.as_ref()?;
        let who = Who { tracker_id: track, class_id };
        Some(EventRecord {
            file: Some(self.file(folder, &at, &track.to_string(), "jpg")),
            ..self.recorder.event(EventKind::Snapshot, &at, Some(&who))
        })
    }

    /// `FOLDER/SOURCE-TIME-WHAT.ENDING`.
    fn file(&self, folder: &Path, at: &Moment, what: &str, ending: &str) -> std::sync::Arc<str> {
        let stem = Path::new(&*self.recorder.source).file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy();
        let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let stem: String = stem.chars().take(MAX_NAME).map(plain).collect();
        let name = format!("{stem}-{}-{what}.{ending}", time_of(at));
        folder.join(name).to_string_lossy().into()
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
    fn frame(&mut self, meta: &FrameMeta, image: Size, mut found: Found, decode: Duration) -> Told {
        let (appeared, ended) = self.track(&mut found, meta.pts_s);
        let record = self.recorder.record(meta, image, &found, decode);
        let at = Moment { frame_id: meta.index, pts_s: meta.pts_s };
        if self.takes.snapshots.is_some() {
            self.look(&record, at);
        }
        let events = self.events(at, &appeared, &ended);
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
