//! What every tracker keeps of a track, and how tracks get their numbers.
//!
//! Which detection belongs to which track is the trackers' matter.

use super::overlap::{Edges, bbox, edges};
use super::{Seen, Track, Update};
use crate::geometry::BBox;

/// A detection that a tracker works with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    /// Its place among the detections of the frame.
    pub(super) index: usize,
    /// Where.
    pub(super) edges: Edges,
    /// What and how sure.
    pub(super) seen: Seen,
    /// When, in seconds, where known.
    pub(super) time_s: Option<f64>,
}

impl Sighting {
    /// How sure the model is, 0 to 1.
    pub(super) fn confidence(&self) -> f64 {
        f64::from(self.seen.confidence)
    }
}

/// The detections of sound boxes whose confidence passes, in their order.
pub(super) fn sightings(
    seen: &[Seen],
    time_s: Option<f64>,
    passes: impl Fn(f32) -> bool,
) -> Vec<Sighting> {
    let usable = |seen: &Seen| seen.bbox.is_sound() && passes(seen.confidence);
    let usable = seen.iter().enumerate().filter(|(_, seen)| usable(seen));
    usable
        .map(|(index, &seen)| Sighting { index, edges: edges(&seen.bbox), seen, time_s })
        .collect()
}

/// Takes the detections at these places off a list.
pub(super) fn remove(from: &mut Vec<Sighting>, places: &[usize]) {
    let mut place = 0..;
    from.retain(|_| place.next().is_none_or(|place| !places.contains(&place)));
}

/// What is known of a track apart from its motion.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// Once confirmed.
    id: Option<u64>,
    last: Seen,
    first_s: Option<f64>,
    last_s: Option<f64>,
    hits: u64,
    /// The detection of the current frame that is this track, if any.
    index: Option<usize>,
}

impl Life {
    /// A track begins.
    pub(super) fn new(sighting: &Sighting) -> Self {
        let Sighting { index, seen, time_s, .. } = *sighting;
        Self { id: None, last: seen, first_s: time_s, last_s: time_s, hits: 1, index: Some(index) }
    }

    /// The track is found again.
    pub(super) fn found(&mut self, sighting: &Sighting) {
        self.last = sighting.seen;
        self.last_s = sighting.time_s;
        self.hits += 1;
        self.index = Some(sighting.index);
    }

    /// A new frame: not found yet.
    pub(super) fn next_frame(&mut self) {
        self.index = None;
    }

    /// Whether a detection may be this track.
    pub(super) fn may_be(&self, sighting: &Sighting, per_class: bool) -> bool {
        !per_class || self.last.class_id == sighting.seen.class_id
    }

    /// Class of the last detection.
    pub(super) fn class_id(&self) -> u32 {
        self.last.class_id
    }

    /// The track as others see it; `None` before it is confirmed.
    pub(super) fn track(&self, estimate: Edges) -> Option<Track> {
        Some(Track {
            id: self.id?,
            class_id: self.last.class_id,
            bbox: self.last.bbox,
            estimate: Some(bbox(estimate)).filter(BBox::is_sound).unwrap_or(self.last.bbox),
            confidence: self.last.confidence,
            first_s: self.first_s,
            last_s: self.last_s,
            hits: self.hits,
            lost: self.index.is_none(),
        })
    }
}

/// Gives numbers to confirmed tracks, from 1 without holes, and collects what a frame brings.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    last_id: u64,
    update: Update,
}

impl Ledger {
    /// A frame with `count` detections begins.
    pub(super) fn open(&mut self, count: usize) {
        self.update = Update { ids: vec![None; count], ended: Vec::new() };
    }

    /// A confirmed track has the detection that it was found in; its number is given now if it
    /// has none.
    pub(super) fn report(&mut self, life: &mut Life) {
        let id = *life.id.get_or_insert_with(|| {
            self.last_id += 1;
            self.last_id
        });
        if let Some(place) = life.index.and_then(|index| self.update.ids.get_mut(index)) {
            *place = Some(id);
        }
    }

    /// A track will not come back.
    pub(super) fn end(&mut self, life: &Life, estimate: Edges) {
        self.update.ended.extend(life.track(estimate).map(|track| Track { lost: true, ..track }));
    }

    /// What the frame brought, ended tracks in the order of their numbers.
    pub(super) fn close(&mut self) -> Update {
        let mut update = std::mem::take(&mut self.update);
        update.ended.sort_by_key(|track| track.id);
        update
    }
}

/// Confirmed tracks in the order of their numbers.
pub(super) fn sorted(tracks: impl Iterator<Item = Option<Track>>) -> Vec<Track> {
    let mut tracks: Vec<Track> = tracks.flatten().collect();
    tracks.sort_by_key(|track| track.id);
    tracks
}
