//! A break of the source.

use std::sync::Arc;

use serde::Serialize;

/// The source gave nothing for a while, or the engine failed at a frame; its line comes before that
/// of the next frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapRecord {
    /// As in the `run` record.
    pub run_id: String,
    /// Name of the source.
    pub source: Arc<str>,
    /// What ended the flow: `timeout`, `end_of_stream`, `error`, or `reconnect` where no cause is
    /// known; `engine_error` where the engine failed at a frame, which has no line of its own.
    pub reason: &'static str,
    /// Presentation time of the last frame before it, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_pts_s: Option<f64>,
    /// From that frame to the next, seconds.
    pub seconds: f64,
    /// Frames that the nominal rate would have given: an estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames_lost: Option<u64>,
}
