//! Who crosses a line, and which way.
//!
//! The rules are those of supervision's `LineZone` (`supervision/detection/line_zone.py`):
//!
//! * "In" is to the left hand of who walks from `from` to `to` in the picture: up, where the line
//!   is drawn from left to right. A point on the line is on the other side, "out".
//! * The line's reach ends where the perpendiculars through its ends stand. A box counts where all
//!   its anchors are within the reach, ends included, and all on one side; other boxes are passed
//!   over.
//! * A track crosses when it was on one side and is then on the other in `inertia` frames that
//!   count, one after the other. Where it is first seen is never a crossing.
//!
//! In two things this counts less, and right:
//!
//! * Who hops over the line and back in fewer than `inertia` frames never went over, and so does
//!   not come back either. There, a history of `inertia + 1` frames counts the way back alone.
//! * Who goes round an end of the line, and is seen beyond that end on the other side, did not
//!   cross it. It starts anew. There, it counts once it is within the reach again.
//!
//! Left to others: which tracks there are (`track`), making records (`Scene`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::inertia::Settled;
use super::plan::{Line, PlaceError};
use super::polygon::{between, cross, is_finite, outside, to_pixels};
use super::watch::{Happening, LineShape, What};
use crate::frame::Size;
use crate::geometry::{BBox, Point};
use crate::recorder::Who;

/// Which way a line is crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the left hand of who walks from its start to its end.
    In,
    /// To the right hand.
    Out,
}

impl Direction {
    /// Its word in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// How often a line was crossed since the start of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct LineCount {
    /// Name of the line.
    pub name: Arc<str>,
    /// Crossings in.
    pub count_in: u64,
    /// Crossings out.
    pub count_out: u64,
    /// In and out by index of the class at the crossing; classes with none are left out.
    pub classes: BTreeMap<u32, (u64, u64)>,
}

/// A line in a picture, and who is on which side of it.
pub(super) struct LineWatch {
    line: Line,
    from: Point,
    to: Point,
    classes: Option<BTreeSet<u32>>,
    /// By track, whether it is on the side "in".
    sides: BTreeMap<u64, Settled>,
    crossings: BTreeMap<u32, (u64, u64)>,
}

/// Where a box is; `bool` is whether it is on the side "in".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Within the reach of the line.
    Within(bool),
    /// Beyond one of its ends.
    Beyond(bool),
    /// Across the line or an end of its reach.
    Across,
}

impl LineWatch {
    /// A line in pictures of this size, which nobody crossed.
    pub(super) fn new(line: &Line, picture: Size) -> Result<Self, PlaceError> {
        let ends = to_pixels(&[line.from, line.to], picture);
        let [from, to] = [ends[0], ends[1]];
        if let Some(place) = ends.iter().position(|point| !is_finite(*point)) {
            return Err(PlaceError::NotANumber(place + 1));
        }
        if let Some(place) = outside(&ends, picture) {
            return Err(PlaceError::outside(place, ends[place], picture));
        }
        if from == to {
            return Err(PlaceError::NoLength { x: from.x, y: from.y });
        }
        Ok(Self {
            classes: line.classes.as_ref().map(|classes| classes.iter().copied().collect()),
            line: line.clone(),
            from,
            to,
            sides: BTreeMap::new(),
            crossings: BTreeMap::new(),
        })
    }

    /// Takes a track that is seen in this frame.
    pub(super) fn see(&mut self, who: Who, bbox: &BBox, out: &mut Vec<Happening>) {
        if self.classes.as_ref().is_some_and(|classes| !classes.contains(&who.class_id)) {
            return;
        }
        match self.position(bbox) {
            Position::Within(is_in) => {
                let side = self.sides.entry(who.tracker_id).or_insert(Settled::at(is_in));
                if side.see(is_in, self.line.inertia_frames) {
                    self.cross(who, is_in, out);
                }
            }
            Position::Beyond(is_in) => {
                let side = self.sides.get(&who.tracker_id);
                if side.is_some_and(|side| side.last_seen() != is_in) {
                    self.sides.remove(&who.tracker_id);
                }
            }
            Position::Across => {}
        }
    }

    fn cross(&mut self, who: Who, is_in: bool, out: &mut Vec<Happening>) {
        let (count_in, count_out) = self.crossings.entry(who.class_id).or_default();
        let (count, direction) =
            if is_in { (count_in, Direction::In) } else { (count_out, Direction::Out) };
        *count += 1;
        out.push(Happening::at(&self.line.name, who, What::LineCrossed { direction }));
    }

    /// Takes a track that the tracker ended.
    pub(super) fn end(&mut self, id: u64) {
        self.sides.remove(&id);
    }

    /// How often it was crossed.
    pub(super) fn count(&self) -> LineCount {
        let sum = |of: fn(&(u64, u64)) -> u64| self.crossings.values().map(of).sum();
        LineCount {
            name: self.line.name.clone(),
            count_in: sum(|counts| counts.0),
            count_out: sum(|counts| counts.1),
            classes: self.crossings.clone(),
        }
    }

    /// What drawing needs.
    pub(super) fn shape(&self) -> LineShape {
        LineShape { from: self.from, to: self.to, count: self.count() }
    }

    fn position(&self, bbox: &BBox) -> Position {
        let points = || self.line.anchors.iter().map(|anchor| anchor.of(bbox));
        let is_in = |point| cross(self.from, self.to, point) < 0.0;
        let mut sides = points().map(is_in);
        let Some(side) = sides.next().filter(|first| sides.all(|side| side == *first)) else {
            return Position::Across;
        };
        let along = |point| dot(between(self.from, self.to), between(self.from, point));
        let end = along(self.to);
        if points().map(along).all(|at| (0.0..=end).contains(&at)) {
            Position::Within(side)
        } else if points().map(along).all(|at| at < 0.0) || points().map(along).all(|at| at > end) {
            Position::Beyond(side)
        } else {
            Position::Across
        }
    }
}

fn dot(one: (f64, f64), other: (f64, f64)) -> f64 {
    one.0 * other.0 + one.1 * other.1
}
