//! Who is in a zone, since when, and what of that is told.
//!
//! * A track is inside in a frame when all anchors of its box are. Anchors beyond the picture's
//!   border count as on it: a box may reach over the border, a zone ends there.
//! * It enters when it is inside in `inertia` frames in a row, also when it appears inside; it
//!   leaves when it is outside in as many. Frames in which it is not seen count for neither: who
//!   is lost inside stays inside until the tracker ends the track.
//! * A stay runs from the first of the frames inside to the last one, in the frames' own time.
//! * A track of a class that the zone does not count is outside.
//! * Whoever is inside counts: at any time those that entered less those that left are inside.
//!
//! Left to others: which tracks there are (`track`), making records (`Scene`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::anchor::Anchor;
use super::inertia::Settled;
use super::plan::{PlaceError, Zone};
use super::polygon::{Polygon, area};
use super::watch::{Happening, What, ZoneShape};
use crate::frame::Size;
use crate::geometry::{BBox, Point};
use crate::record::round;
use crate::recorder::Who;

/// How many are in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneCount {
    /// Name of the zone.
    pub name: Arc<str>,
    /// Tracks inside.
    pub count: u64,
    /// The same by index of their class; classes with none are left out.
    pub classes: BTreeMap<u32, u64>,
}

/// A track that is in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Stay {
    /// Name of the zone.
    pub name: Arc<str>,
    /// Who.
    pub who: Who,
    /// For how long until it was last seen inside, in seconds, where frames have times.
    pub seconds: Option<f64>,
}

/// A zone in a picture, and who is in it.
pub(super) struct ZoneWatch {
    zone: Zone,
    polygon: Polygon,
    classes: Option<BTreeSet<u32>>,
    picture: Size,
    /// Tracks that are inside or about to be.
    visits: BTreeMap<u64, Visit>,
    is_crowded: bool,
}

/// A track that is, or may be, in a zone.
struct Visit {
    inside: Settled,
    /// Times of the first and the last frame inside.
    times_s: Option<(f64, f64)>,
    class_id: u32,
    has_loitered: bool,
}

impl Visit {
    fn new(class_id: u32) -> Self {
        Self { inside: Settled::at(false), times_s: None, class_id, has_loitered: false }
    }

    /// Seen inside; a first time or one more.
    fn stay(&mut self, time_s: Option<f64>, class_id: u32) {
        self.class_id = class_id;
        if let Some(now) = time_s {
            let since = self.times_s.map_or(now, |(since, _)| since);
            self.times_s = Some((since, now));
        }
    }

    /// Length of the stay to the millisecond: sums of frame intervals are not exact, and a stay of
    /// 2 s is 2 s.
    fn seconds(&self) -> Option<f64> {
        self.times_s.map(|(since, last)| round((last - since).max(0.0), 1e3))
    }
}

impl ZoneWatch {
    /// A zone in pictures of this size, with nobody in it.
    pub(super) fn new(zone: &Zone, picture: Size) -> Result<Self, PlaceError> {
        Ok(Self {
            polygon: area(&zone.polygon, picture)?,
            classes: zone.classes.as_ref().map(|classes| classes.iter().copied().collect()),
            zone: zone.clone(),
            picture,
            visits: BTreeMap::new(),
            is_crowded: false,
        })
    }

    /// Takes a track that is seen in this frame.
    pub(super) fn see(
        &mut self,
        who: Who,
        bbox: &BBox,
        time_s: Option<f64>,
        out: &mut Vec<Happening>,
    ) {
        let is_inside = self.counts(who.class_id) && self.holds(bbox);
        if !is_inside && !self.visits.contains_key(&who.tracker_id) {
            return;
        }
        let (id, inertia) = (who.tracker_id, self.zone.inertia_frames);
        let visit = self.visits.entry(id).or_insert_with(|| Visit::new(who.class_id));
        if is_inside {
            visit.stay(time_s, who.class_id);
        }
        let changes = visit.inside.see(is_inside, inertia);
        if changes && is_inside {
            out.push(Happening::at(&self.zone.name, who, What::ZoneEntered));
        }
        let long = visit.seconds().filter(|s| self.zone.min_stay_s.is_some_and(|min| *s >= min));
        if let Some(seconds) = long.filter(|_| visit.inside.now() && !visit.has_loitered) {
            visit.has_loitered = true;
            out.push(Happening::at(&self.zone.name, who, What::Loitering { seconds }));
        }
        if !visit.inside.now() && !visit.inside.last_seen() {
            self.forget(id, changes, out);
        }
    }

    /// Takes a track that the tracker ended.
    pub(super) fn end(&mut self, id: u64, out: &mut Vec<Happening>) {
        let was_inside = self.visits.get(&id).is_some_and(|visit| visit.inside.now());
        self.forget(id, was_inside, out);
    }

    /// Drops what is known of a track; tells that it left where it had entered.
    fn forget(&mut self, id: u64, has_left: bool, out: &mut Vec<Happening>) {
        let Some(visit) = self.visits.remove(&id).filter(|_| has_left) else { return };
        let who = Who { tracker_id: id, class_id: visit.class_id };
        let left = What::ZoneLeft { seconds: visit.seconds() };
        out.push(Happening::at(&self.zone.name, who, left));
    }

    /// Tells, when a frame is done, whether there are now more than may be: once, until there are
    /// no more than that again.
    pub(super) fn close(&mut self, out: &mut Vec<Happening>) {
        let count = self.inside().count() as u64;
        let is_crowded = self.zone.max_count.is_some_and(|max| count > u64::from(max));
        if is_crowded && !self.is_crowded {
            let name = self.zone.name.clone();
            out.push(Happening { name, who: None, what: What::Crowded { count } });
        }
        self.is_crowded = is_crowded;
    }

    /// How many are inside.
    pub(super) fn count(&self) -> ZoneCount {
        let mut classes = BTreeMap::new();
        for (_, visit) in self.inside() {
            *classes.entry(visit.class_id).or_default() += 1;
        }
        ZoneCount { name: self.zone.name.clone(), count: classes.values().sum(), classes }
    }

    /// Those that are inside.
    pub(super) fn stays(&self) -> impl Iterator<Item = Stay> {
        self.inside().map(|(id, visit)| Stay {
            name: self.zone.name.clone(),
            who: Who { tracker_id: *id, class_id: visit.class_id },
            seconds: visit.seconds(),
        })
    }

    /// What drawing needs.
    pub(super) fn shape(&self) -> ZoneShape {
        ZoneShape {
            polygon: self.polygon.points().to_vec(),
            count: self.count(),
            max_count: self.zone.max_count,
            is_crowded: self.is_crowded,
        }
    }

    fn inside(&self) -> impl Iterator<Item = (&u64, &Visit)> {
        self.visits.iter().filter(|(_, visit)| visit.inside.now())
    }

    fn counts(&self, class_id: u32) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(&class_id))
    }

    fn holds(&self, bbox: &BBox) -> bool {
        let anchor = |anchor: &Anchor| -> Point { anchor.of(bbox).clipped(self.picture) };
        self.zone.anchors.iter().map(anchor).all(|point| self.polygon.contains(point))
    }
}
