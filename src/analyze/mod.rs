//! What is seen becomes records: who is who, what happened, and what is reported of it.

mod anchor;
mod ground;
mod inertia;
mod line;
mod memory;
mod motion;
mod plan;
mod polygon;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod published;
mod rule;
mod scene;
mod watch;
#[cfg(test)]
mod watching;
mod zone;

use std::time::Duration;

pub use anchor::Anchor;
pub use ground::{Calibration, Ground, GroundError, MAX_METRES, Metres};
pub use line::{Direction, LineCount};
pub use motion::Motion;
pub use plan::{
    Line, MAX_CLASSES, MAX_INERTIA, MAX_NAME, MAX_PLACES, Mask, PlaceError, Plan, PlanError, Zone,
};
pub use polygon::{MAX_POINTS, Polygon, PolygonError};
pub use rule::Rule;
pub use scene::{Scene, Takes, file_stem};
pub use watch::{Happening, LineShape, Overlay, Sighting, Watch, What, ZoneShape};
pub use zone::{Stay, ZoneCount};

use crate::frame::{FrameMeta, Size};
use crate::infer::Found;
use crate::record::{EventRecord, FrameRecord};

/// The record of a frame, and what became known with it.
pub type Told = (FrameRecord, Vec<EventRecord>);

/// Makes the records of a source, frame by frame in their order.
pub trait Observer: Send {
    /// The record of a frame and what happened in it. `decode` is how long reading it took.
    fn frame(&mut self, meta: &FrameMeta, image: Size, found: Found, decode: Duration) -> Told;

    /// What is left to be told when there are no more frames.
    fn end(&mut self) -> Vec<EventRecord> {
        Vec::new()
    }
}
