//! What is seen becomes records: who is who, what happened, and what is reported of it.

mod scene;

use std::time::Duration;

pub use scene::{Scene, Takes};

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
