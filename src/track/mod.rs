//! Tracking: which detections of successive frames are the same object.
//!
//! A tracker sees the detections of one source, frame by frame in order, and says for each of them
//! which track it belongs to. It works on boxes, confidences and classes alone and never looks at
//! pixels. Which detections are reported is decided elsewhere: give a tracker everything from its
//! low threshold up, for ByteTrack lives on what others throw away.
//!
//! All state is in the tracker's own value. Make one for each source and numbers start at 1.
//!
//! Where `per_class` is set, the default, a detection matches only tracks of its class, so that a
//! person and the bicycle below it never change places; it is what the author of ByteTrack
//! advises (<https://github.com/ifzhang/ByteTrack/issues/75>: "run tracking for each class").
//! Without it boxes alone decide and a track takes the class of its last detection: for models
//! that waver between car and truck.
//!
//! Left to others: reading parameters from flags (`config`), zones and lines (`analyze`).

mod assign;
mod bytetrack;
mod clock;
mod kalman;
mod life;
mod motion;
mod ocsort;
mod overlap;
mod params;
mod sort;
#[cfg(test)]
mod tests;

pub use bytetrack::ByteTrack;
pub use clock::{Pace, TrackTime};
pub use ocsort::OcSort;
pub use params::{ByteTrackParams, OcSortParams, ParamError, SortParams};
pub use sort::Sort;

use crate::geometry::BBox;

/// Follows objects through the frames of one source.
pub trait Tracker: Send {
    /// Takes the next frame's detections and its time in seconds, where known.
    ///
    /// Call it for every frame that the detector looked at, also when it found nothing: an object
    /// that is not found is lost. Boxes without an area and numbers that are none are passed over.
    fn update(&mut self, seen: &[Seen], time_s: Option<f64>) -> Update;

    /// Passes a frame that the detector did not look at: all tracks move on as they moved; none is
    /// found, lost or ended by it. Returns the confirmed tracks that were found in the last frame
    /// that was looked at, in the order of their numbers; `estimate` says where they should be.
    fn coast(&mut self, time_s: Option<f64>) -> Vec<Track>;

    /// The confirmed tracks that live, found or lost, in the order of their numbers: what is still
    /// there at the end of a source.
    fn tracks(&self) -> Vec<Track>;
}

/// A detection, as a tracker sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Where, in pixels of the source frame.
    pub bbox: BBox,
    /// How sure the model is, 0 to 1.
    pub confidence: f32,
    /// Index of the class in the model.
    pub class_id: u32,
}

/// What a frame brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// For each detection, in their order, the confirmed track that it is.
    ///
    /// A number above all earlier ones is a track that appears. New numbers follow the highest one
    /// without holes.
    pub ids: Vec<Option<u64>>,
    /// Confirmed tracks that ended: their numbers will not come back.
    pub ended: Vec<Track>,
}

/// A confirmed track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Track {
    /// Its number in this source, from 1.
    pub id: u64,
    /// Class of the last detection.
    pub class_id: u32,
    /// Box of the last detection, in pixels.
    pub bbox: BBox,
    /// Where the object is believed to be in the last frame, in pixels: the filter's state.
    pub estimate: BBox,
    /// Confidence of the last detection, 0 to 1.
    pub confidence: f32,
    /// Time of the first detection in seconds, where known: before the track was confirmed.
    pub first_s: Option<f64>,
    /// Time of the last detection in seconds, where known.
    pub last_s: Option<f64>,
    /// How many detections it has.
    pub hits: u64,
    /// Whether it was not found in the last frame.
    pub lost: bool,
}

/// A way to track, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// [`ByteTrack`].
    ByteTrack(ByteTrackParams),
    /// [`Sort`].
    Sort(SortParams),
    /// [`OcSort`].
    OcSort(OcSortParams),
}

impl Method {
    /// The lowest confidence that it looks at, 0 to 1.
    pub fn least_confidence(&self) -> f64 {
        match self {
            Self::ByteTrack(params) => params.low,
            Self::Sort(params) => params.high,
            Self::OcSort(params) if params.use_byte => params.low,
            Self::OcSort(params) => params.high,
        }
    }

    /// A tracker for one source.
    pub fn tracker(&self, pace: Pace) -> Result<Box<dyn Tracker>, ParamError> {
        Ok(match *self {
            Self::ByteTrack(params) => Box::new(ByteTrack::new(params, pace)?),
            Self::Sort(params) => Box::new(Sort::new(params, pace)?),
            Self::OcSort(params) => Box::new(OcSort::new(params, pace)?),
        })
    }
}
