//! What can be set on each tracker, with the references' defaults where nothing else is said.

use std::ops::RangeInclusive;

/// Parameters of ByteTrack.
///
/// The defaults of `high`, `first_match` and `buffer` were chosen for small detectors on footage of
/// TUD, MOT15 and MOT17 (`benches/README.md`). The reference has 0.5, 0.8 and 30 in its program for
/// videos (`tools/demo_track.py`), and 0.6 and 0.9 in its benchmark (`tools/track.py`), for a
/// detector that was trained on the benchmark's own sequences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByteTrackParams {
    /// Detections above this confidence are matched first (`track_thresh`). 0 to 1, default
    /// 0.45.
    pub high: f64,
    /// Detections above this confidence and below `high` are matched to the tracks left over; the
    /// tracker takes no others. One that equals `high` is in neither group. 0 to 1, default 0.1.
    pub low: f64,
    /// Least confidence that starts a track; `None` is the reference's `high + 0.1`.
    pub new: Option<f64>,
    /// Largest cost in the first round (`match_thresh`). 0 to 1, default 0.85.
    pub first_match: f64,
    /// Largest cost in the second round, of detections of low confidence. 0 to 1, default 0.5.
    pub second_match: f64,
    /// Largest cost in the third round, of tracks seen once. 0 to 1, default 0.7.
    pub unconfirmed_match: f64,
    /// A live and a lost track whose cost is below this are one; the younger goes. 0 to 1, default
    /// 0.15.
    pub duplicate: f64,
    /// How long a lost track is remembered, in thirtieths of a second (`track_buffer`: frames of a
    /// video of 30 fps). 0 to 100 000, default 60.
    pub buffer: u32,
    /// Whether a cost is 1 - IoU * confidence instead of 1 - IoU in the first and third round (the
    /// reference's `not mot20`). Default true.
    pub fuse_score: bool,
    /// Whether detections match only tracks of their class. See the head of the room.
    pub per_class: bool,
}

impl Default for ByteTrackParams {
    fn default() -> Self {
        Self {
            high: 0.45,
            low: 0.1,
            new: None,
            first_match: 0.85,
            second_match: 0.5,
            unconfirmed_match: 0.7,
            duplicate: 0.15,
            buffer: 60,
            fuse_score: true,
            per_class: true,
        }
    }
}

impl ByteTrackParams {
    /// Says which value is out of its range.
    pub fn check(&self) -> Result<(), ParamError> {
        let shares = [
            ("high", self.high),
            ("low", self.low),
            ("first_match", self.first_match),
            ("second_match", self.second_match),
            ("unconfirmed_match", self.unconfirmed_match),
            ("duplicate", self.duplicate),
        ];
        shares.into_iter().try_for_each(|(name, value)| within(name, value, SHARE))?;
        within("new", self.new.unwrap_or(1.0), SHARE)?;
        within("buffer", f64::from(self.buffer), FRAMES)?;
        if self.low > self.high {
            return Err(ParamError::Order);
        }
        Ok(())
    }
}

/// Parameters of SORT, with the defaults of `sort.py` except for `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SortParams {
    /// Detections above this confidence are tracked. 0 to 1, default 0.5; the reference leaves the
    /// choice to who calls it.
    pub high: f64,
    /// Least IoU of a match. 0 to 1, default 0.3.
    pub min_iou: f64,
    /// Frames in a row in which a track must be found before it is reported, also after it was
    /// lost. 0 to 100 000, default 3.
    pub min_hits: u32,
    /// A track that was not found in more frames than this in a row ends. Frames, not time, in
    /// both kinds of time: it is about what the detector misses. 0 to 100 000, default 1.
    pub max_age: u32,
    /// Whether detections match only tracks of their class. See the head of the room.
    pub per_class: bool,
}

impl Default for SortParams {
    fn default() -> Self {
        Self { high: 0.5, min_iou: 0.3, min_hits: 3, max_age: 1, per_class: true }
    }
}

impl SortParams {
    /// Says which value is out of its range.
    pub fn check(&self) -> Result<(), ParamError> {
        within("high", self.high, SHARE)?;
        within("min_iou", self.min_iou, SHARE)?;
        within("min_hits", f64::from(self.min_hits), FRAMES)?;
        within("max_age", f64::from(self.max_age), FRAMES)
    }
}

/// Parameters of OC-SORT, with the defaults of `utils/args.py` of the reference except for `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OcSortParams {
    /// Detections above this confidence are tracked. 0 to 1, default 0.5 (the reference's
    /// benchmark has 0.6).
    pub high: f64,
    /// With `use_byte`, detections above this and below `high` are matched to the tracks left
    /// over. 0 to 1, default 0.1.
    pub low: f64,
    /// Whether a second round takes detections of low confidence, as ByteTrack's. Default false.
    pub use_byte: bool,
    /// Least IoU of a match. 0 to 1, default 0.3.
    pub min_iou: f64,
    /// Frames in a row in which a track must be found before it is reported, also after it was
    /// lost. 0 to 100 000, default 3.
    pub min_hits: u32,
    /// A track that was not found for more frames than this ends; nominal frames where real time
    /// counts. 0 to 100 000, default 30.
    pub max_age: u32,
    /// Frames over which the direction of a track is taken. 1 to 100 000, default 3.
    pub delta_t: u32,
    /// Weight of the direction in a match. 0 to 1, default 0.2.
    pub inertia: f64,
    /// Whether detections match only tracks of their class. See the head of the room.
    pub per_class: bool,
}

impl Default for OcSortParams {
    fn default() -> Self {
        Self {
            high: 0.5,
            low: 0.1,
            use_byte: false,
            min_iou: 0.3,
            min_hits: 3,
            max_age: 30,
            delta_t: 3,
            inertia: 0.2,
            per_class: true,
        }
    }
}

impl OcSortParams {
    /// Says which value is out of its range.
    pub fn check(&self) -> Result<(), ParamError> {
        let shares = [
            ("high", self.high),
            ("low", self.low),
            ("min_iou", self.min_iou),
            ("inertia", self.inertia),
        ];
        shares.into_iter().try_for_each(|(name, value)| within(name, value, SHARE))?;
        within("min_hits", f64::from(self.min_hits), FRAMES)?;
        within("max_age", f64::from(self.max_age), FRAMES)?;
        within("delta_t", f64::from(self.delta_t), 1.0..=*FRAMES.end())?;
        if self.low > self.high {
            return Err(ParamError::Order);
        }
        Ok(())
    }
}

const SHARE: RangeInclusive<f64> = 0.0..=1.0;
const FRAMES: RangeInclusive<f64> = 0.0..=100_000.0;

fn within(name: &'static str, value: f64, range: RangeInclusive<f64>) -> Result<(), ParamError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ParamError::Range { name, value, least: *range.start(), most: *range.end() })
}

/// A tracker cannot be set like this: give another value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamError {
    /// One value is outside its range.
    #[error("the tracker's {name} is {value}, outside {least} to {most}")]
    Range {
        /// Name of the field.
        name: &'static str,
        /// What was given.
        value: f64,
        /// Least value.
        least: f64,
        /// Largest value.
        most: f64,
    },
    /// The groups of detections would overlap.
    #[error("the tracker's low threshold is above its high threshold")]
    Order,
}
