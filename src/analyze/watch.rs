//! Everything that is watched in a source: its zones, its lines and how fast objects move.
//!
//! Give it every processed frame in order, with the detections and the tracks that ended. What
//! happened comes back in an order that depends on nothing else: zones, then lines, as they were
//! given; within each, tracks by number.
//!
//! Left to others: names of classes and records (`Scene`), drawing (`annotate`).

use std::sync::Arc;

use super::line::{Direction, LineCount, LineWatch};
use super::motion::{Motion, Motions};
use super::plan::{Line, Plan, PlanError, Zone};
use super::zone::{Stay, ZoneCount, ZoneWatch};
use crate::frame::Size;
use crate::geometry::{BBox, Point};
use crate::recorder::{Moment, Who};

/// A detection of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// Its track; detections without one never count.
    pub tracker_id: Option<u64>,
    /// Index of its class.
    pub class_id: u32,
    /// Where, in pixels of the source.
    pub bbox: BBox,
}

/// Something that happened at a zone or line.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Name of the zone or line.
    pub name: Arc<str>,
    /// Whom it is about; nobody where it is about all that are there.
    pub who: Option<Who>,
    /// What.
    pub what: What,
}

impl Happening {
    /// About a track.
    pub(super) fn at(name: &Arc<str>, who: Who, what: What) -> Self {
        Self { name: name.clone(), who: Some(who), what }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// A track is in a zone.
    ZoneEntered,
    /// A track is no longer in a zone: it went out or ended.
    ZoneLeft {
        /// How long it was seen inside, where frames have times.
        seconds: Option<f64>,
    },
    /// A track is in a zone for as long as its minimum stay; once a stay.
    Loitering {
        /// How long it is inside until now.
        seconds: f64,
    },
    /// More are in a zone than may be; once until there are no more than that.
    Crowded {
        /// How many.
        count: u64,
    },
    /// A track crossed a line.
    LineCrossed {
        /// Which way.
        direction: Direction,
    },
}

/// What drawing needs of all that is watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlay {
    /// Zones in the order of the plan.
    pub zones: Vec<ZoneShape>,
    /// Lines in the order of the plan.
    pub lines: Vec<LineShape>,
}

/// A zone to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneShape {
    /// Its corners in pixels; the last is joined to the first.
    pub polygon: Vec<Point>,
    /// Its name and who is inside.
    pub count: ZoneCount,
    /// How many may be inside.
    pub max_count: Option<u32>,
    /// Whether there are more.
    pub is_crowded: bool,
}

/// A line to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct LineShape {
    /// Where it starts, in pixels.
    pub from: Point,
    /// Where it ends; "in" is on the left hand of who goes there.
    pub to: Point,
    /// Its name and how often it was crossed.
    pub count: LineCount,
}

/// Watches one source.
pub struct Watch {
    zones: Vec<ZoneWatch>,
    lines: Vec<LineWatch>,
    motions: Option<Motions>,
}

impl Watch {
    /// Watches pictures of this size; nobody was seen yet.
    ///
    /// # Errors
    /// When the plan does not fit such pictures.
    pub fn new(plan: &Plan, picture: Size) -> Result<Self, PlanError> {
        plan.check()?;
        let zone = |zone: &Zone| {
            let fault = |fault| PlanError::place("zone", &zone.name, fault);
            ZoneWatch::new(zone, picture).map_err(fault)
        };
        let line = |line: &Line| {
            let fault = |fault| PlanError::place("line", &line.name, fault);
            LineWatch::new(line, picture).map_err(fault)
        };
        let ground = plan.ground.as_ref().map(|given| given.ground(picture)).transpose();
        Ok(Self {
            zones: plan.zones.iter().map(zone).collect::<Result<_, _>>()?,
            lines: plan.lines.iter().map(line).collect::<Result<_, _>>()?,
            motions: ground.map_err(PlanError::Ground)?.map(Motions::new),
        })
    }

    /// Takes a frame: all its detections, and the tracks that ended with it. Returns what happened.
    ///
    /// Boxes with a coordinate that is no number are not seen, nor is a track a second time in a
    /// frame; a time that is no number is none.
    pub fn frame(&mut self, at: Moment, seen: &[Sighting], ended: &[u64]) -> Vec<Happening> {
        let time_s = at.pts_s.filter(|time| time.is_finite());
        let tracks = tracks(seen);
        let mut ended = ended.to_vec();
        ended.sort_unstable();
        let mut out = Vec::new();
        for zone in &mut self.zones {
            tracks.iter().for_each(|(who, bbox)| zone.see(*who, bbox, time_s, &mut out));
            ended.iter().for_each(|id| zone.end(*id, &mut out));
            zone.close(&mut out);
        }
        for line in &mut self.lines {
            tracks.iter().for_each(|(who, bbox)| line.see(*who, bbox, &mut out));
            ended.iter().for_each(|id| line.end(*id));
        }
        if let Some(motions) = &mut self.motions {
            tracks.iter().for_each(|(who, bbox)| motions.see(who.tracker_id, bbox, time_s));
            ended.iter().for_each(|id| motions.end(*id));
        }
        out
    }

    /// How many are in each zone now, in the order of the plan.
    pub fn zone_counts(&self) -> impl Iterator<Item = ZoneCount> {
        self.zones.iter().map(ZoneWatch::count)
    }

    /// How often each line was crossed until now, in the order of the plan.
    pub fn line_counts(&self) -> impl Iterator<Item = LineCount> {
        self.lines.iter().map(LineWatch::count)
    }

    /// Who is in each zone now; those who are still there at the end have not left.
    pub fn stays(&self) -> impl Iterator<Item = Stay> {
        self.zones.iter().flat_map(ZoneWatch::stays)
    }

    /// How a track moves over the ground, where the ground and enough of the track are known.
    pub fn motion(&self, tracker_id: u64) -> Option<Motion> {
        self.motions.as_ref()?.of(tracker_id)
    }

    /// What drawing needs, with the counts of now.
    pub fn overlay(&self) -> Overlay {
        Overlay {
            zones: self.zones.iter().map(ZoneWatch::shape).collect(),
            lines: self.lines.iter().map(LineWatch::shape).collect(),
        }
    }
}

/// The confirmed tracks of a frame, by number.
fn tracks(seen: &[Sighting]) -> Vec<(Who, BBox)> {
    let track = |sighting: &Sighting| {
        let Sighting { tracker_id, class_id, bbox } = *sighting;
        let is_finite = [bbox.x1, bbox.y1, bbox.x2, bbox.y2].iter().all(|v| v.is_finite());
        let who = Who { tracker_id: tracker_id?, class_id };
        is_finite.then_some((who, bbox))
    };
    let mut tracks: Vec<_> = seen.iter().filter_map(track).collect();
    tracks.sort_by_key(|(who, _)| who.tracker_id);
    tracks.dedup_by_key(|(who, _)| who.tracker_id);
    tracks
}
