//! Which frames of its source a run was for.

use serde::{Deserialize, Serialize};

/// A segment of a source, by `--segment-of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// Which of them, from 1.
    pub index: u64,
    /// Of how many.
    pub count: u64,
    /// Its first frame.
    pub from_frame: u64,
    /// The first frame of the next segment, equal to `from_frame` where this one is empty; absent
    /// where the segment goes on to the end, wherever that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_frame: Option<u64>,
}
