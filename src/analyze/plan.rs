//! What is watched in a picture, as the user gives it, and why that may be refused.
//!
//! Positions are pixels of the source, or fractions of its width and height where no coordinate of
//! a zone or line is above 1. [`Watch::new`](super::Watch::new) brings them to a picture's size.
//! Left to others: reading a plan from a file, class names, which source it is for (`config`).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::anchor::Anchor;
use super::ground::{Calibration, GroundError};
use super::polygon::{self, Polygon, PolygonError};
use crate::frame::Size;
use crate::geometry::Point;

/// Most zones, and most lines, of a source.
pub const MAX_PLACES: usize = 64;

/// Longest name, in characters.
pub const MAX_NAME: usize = 64;

/// Highest inertia, in frames.
pub const MAX_INERTIA: u32 = 1000;

/// Most classes in a filter.
pub const MAX_CLASSES: usize = 4096;

/// Everything that is watched in a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Areas.
    pub zones: Vec<Zone>,
    /// Lines.
    pub lines: Vec<Line>,
    /// Where the ground is, for speed and heading.
    pub ground: Option<Calibration>,
}

/// An area in which motion does not count: trees, a road behind, a clock in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// Its name, for messages.
    pub name: Arc<str>,
    /// Its corners in their order around it, 3 to 256.
    pub polygon: Vec<Point>,
}

impl Mask {
    /// The area in a picture, in pixels.
    ///
    /// # Errors
    /// When it is none or not in such a picture.
    pub fn area(&self, picture: Size) -> Result<Polygon, PlanError> {
        polygon::area(&self.polygon, picture)
            .map_err(|fault| PlanError::place("mask", &self.name, fault))
    }
}

/// An area in which objects are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Its name, of 1 to [`MAX_NAME`] characters; no other zone or line has it.
    pub name: Arc<str>,
    /// Its corners in their order around it, 3 to 256.
    pub polygon: Vec<Point>,
    /// The points of a box that must be inside, at least one.
    pub anchors: Vec<Anchor>,
    /// Indices of the classes that count; all where `None`.
    pub classes: Option<Vec<u32>>,
    /// Frames in a row that make an object enter or leave, 1 to [`MAX_INERTIA`].
    pub inertia_frames: u32,
    /// A stay of so many seconds is loitering; more than 0.
    pub min_stay_s: Option<f64>,
    /// More objects than this make a crowd; 0 where nobody may be.
    pub max_count: Option<u32>,
}

impl Zone {
    /// A zone for all classes that bottom centres enter at once, without limits.
    pub fn new(name: &str, polygon: Vec<Point>) -> Self {
        Self {
            name: name.into(),
            polygon,
            anchors: vec![Anchor::default()],
            classes: None,
            inertia_frames: 1,
            min_stay_s: None,
            max_count: None,
        }
    }
}

/// A line whose crossings are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name, of 1 to [`MAX_NAME`] characters; no other zone or line has it.
    pub name: Arc<str>,
    /// Where it starts.
    pub from: Point,
    /// Where it ends. Seen from `from`, "in" is on the left hand.
    pub to: Point,
    /// The points of a box that must all be on one side, at least one.
    pub anchors: Vec<Anchor>,
    /// Indices of the classes that count; all where `None`.
    pub classes: Option<Vec<u32>>,
    /// Frames in a row on the other side that make a crossing, 1 to [`MAX_INERTIA`].
    pub inertia_frames: u32,
}

impl Line {
    /// A line for all classes that bottom centres cross at once.
    pub fn new(name: &str, from: Point, to: Point) -> Self {
        let anchors = vec![Anchor::default()];
        Self { name: name.into(), from, to, anchors, classes: None, inertia_frames: 1 }
    }
}

/// A plan that cannot be used on a picture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Too many of a kind.
    #[error("{count} {what}s are given: at most {MAX_PLACES} are possible")]
    TooMany {
        /// `zone` or `line`.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// A name that cannot be told or drawn.
    #[error("{what} {number} needs a name of 1 to {MAX_NAME} characters that can be printed")]
    Name {
        /// `zone` or `line`.
        what: &'static str,
        /// Which, from 1.
        number: usize,
    },
    /// A name that says two things.
    #[error("the name '{0}' is given twice: every zone and line needs one of its own")]
    Duplicate(Arc<str>),
    /// A zone or line is wrong.
    #[error("{what} '{name}': {fault}")]
    Place {
        /// `zone` or `line`.
        what: &'static str,
        /// Which.
        name: Arc<str>,
        /// What is wrong.
        fault: PlaceError,
    },
    /// The ground is wrong.
    #[error("ground calibration: {0}")]
    Ground(GroundError),
}

/// What is wrong with a zone or line. Points are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The corners make no polygon.
    #[error(transparent)]
    Polygon(#[from] PolygonError),
    /// A coordinate is NaN or infinite.
    #[error("point {0} has a coordinate that is no number")]
    NotANumber(usize),
    /// A point is not in the picture.
    #[error(
        "point {number} ({x}, {y}) is outside the picture of {picture}: give pixels in it, or \
         fractions of it, all from 0 to 1"
    )]
    Outside {
        /// Which.
        number: usize,
        /// Its pixels from the left.
        x: f32,
        /// Its pixels from the top.
        y: f32,
        /// Size of the picture.
        picture: Size,
    },
    /// A line that starts where it ends.
    #[error("it starts and ends at ({x}, {y}): give two different points")]
    NoLength {
        /// Pixels from the left.
        x: f32,
        /// Pixels from the top.
        y: f32,
    },
    /// No anchor, so that nothing would ever count, or more than there are.
    #[error("it has {0} anchors: give 1 to 9, or leave them out for the bottom centre")]
    Anchors(usize),
    /// No class, so that nothing would ever count.
    #[error("it has no class: leave classes out for all of them")]
    NoClass,
    /// A longer filter than any model needs.
    #[error("it has {0} classes: at most {MAX_CLASSES} are possible")]
    TooManyClasses(usize),
    /// An inertia out of range.
    #[error("its inertia is {0} frames: give 1 to {MAX_INERTIA}")]
    Inertia(u32),
    /// A stay that is no time.
    #[error("its minimum stay is {0} s: give more than 0, or leave it out")]
    MinStay(f64),
}

impl PlanError {
    /// Of a zone or line with this name.
    pub(super) fn place(what: &'static str, name: &Arc<str>, fault: PlaceError) -> Self {
        Self::Place { what, name: name.clone(), fault }
    }
}

impl PlaceError {
    /// Of the point with this number from 0.
    pub(super) fn outside(place: usize, point: Point, picture: Size) -> Self {
        Self::Outside { number: place + 1, x: point.x, y: point.y, picture }
    }
}

impl Plan {
    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.lines.is_empty() && self.ground.is_none()
    }

    /// Checks what does not depend on a picture's size.
    ///
    /// # Errors
    /// When the plan fits no picture.
    pub fn check(&self) -> Result<(), PlanError> {
        let mut names = BTreeSet::new();
        check_names("zone", self.zones.iter().map(|zone| &zone.name), &mut names)?;
        check_names("line", self.lines.iter().map(|line| &line.name), &mut names)?;
        for zone in &self.zones {
            let place = |fault| PlanError::place("zone", &zone.name, fault);
            let is_time = |s: f64| s.is_finite() && s > 0.0;
            if let Some(stay) = zone.min_stay_s.filter(|s| !is_time(*s)) {
                return Err(place(PlaceError::MinStay(stay)));
            }
            check(&zone.anchors, zone.classes.as_deref(), zone.inertia_frames).map_err(place)?;
        }
        for line in &self.lines {
            let place = |fault| PlanError::place("line", &line.name, fault);
            check(&line.anchors, line.classes.as_deref(), line.inertia_frames).map_err(place)?;
        }
        Ok(())
    }
}

fn check_names<'a>(
    what: &'static str,
    given: impl ExactSizeIterator<Item = &'a Arc<str>>,
    names: &mut BTreeSet<&'a Arc<str>>,
) -> Result<(), PlanError> {
    if given.len() > MAX_PLACES {
        return Err(PlanError::TooMany { what, count: given.len() });
    }
    for (place, name) in given.enumerate() {
        // A few more characters are looked at than a name may have, not all of a hostile one.
        let length = name.chars().take(MAX_NAME + 1).count();
        if name.trim().is_empty() || length > MAX_NAME || name.chars().any(char::is_control) {
            return Err(PlanError::Name { what, number: place + 1 });
        }
        if !names.insert(name) {
            return Err(PlanError::Duplicate(name.clone()));
        }
    }
    Ok(())
}

fn check(anchors: &[Anchor], classes: Option<&[u32]>, inertia: u32) -> Result<(), PlaceError> {
    match classes.map(<[u32]>::len) {
        _ if !(1..=Anchor::ALL.len()).contains(&anchors.len()) => {
            Err(PlaceError::Anchors(anchors.len()))
        }
        _ if !(1..=MAX_INERTIA).contains(&inertia) => Err(PlaceError::Inertia(inertia)),
        Some(0) => Err(PlaceError::NoClass),
        Some(count) if count > MAX_CLASSES => Err(PlaceError::TooManyClasses(count)),
        _ => Ok(()),
    }
}
