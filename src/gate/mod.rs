//! Which frames the model looks at: less inference where little happens, or where there is too
//! little time for all of them.
//!
//! What becomes of the others is not decided here: [`Basis`] says what is known of them, and
//! `analyze` makes their records.

mod motion;
mod rhythm;

use std::time::Duration;

pub use motion::Motion;
pub use rhythm::{Every, Rhythm};

use crate::frame::{FrameMeta, Image};
use crate::infer::Basis;

/// Decides, frame by frame in their order, whether the model looks at it.
pub trait Gate: Send {
    /// What the detections of a frame will rest on. `took` is how long the model lately took a
    /// frame, on one worker; nothing before it has looked at one.
    fn look(&mut self, meta: &FrameMeta, image: &Image, took: Option<Duration>) -> Basis;
}

/// Looks at a frame where the picture has changed and it is time for one.
pub struct Thrift {
    rhythm: Rhythm,
    motion: Option<Motion>,
}

impl Thrift {
    /// With a motion gate where `motion` is given.
    pub fn new(rhythm: Rhythm, motion: Option<Motion>) -> Self {
        Self { rhythm, motion }
    }
}

impl Gate for Thrift {
    fn look(&mut self, meta: &FrameMeta, image: &Image, took: Option<Duration>) -> Basis {
        let is_due = self.rhythm.next(took);
        let changed = self.motion.as_mut().is_none_or(|motion| motion.has_changed(meta, image));
        match (changed, is_due) {
            (false, _) => Basis::Unchanged,
            (true, false) => Basis::Skipped,
            (true, true) => {
                self.rhythm.looked();
                if let Some(motion) = &mut self.motion {
                    motion.looked(meta);
                }
                Basis::Model
            }
        }
    }
}

#[cfg(test)]
mod tests;
