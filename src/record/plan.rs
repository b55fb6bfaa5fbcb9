//! What `plan` says of inputs.

use std::sync::Arc;

use serde::Serialize;

use super::FailedInput;

/// An input that would be run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlanRecord {
    /// What it is called in the records of a run.
    pub source: Arc<str>,
    /// The input as it is opened, credentials masked.
    pub uri: String,
    /// As in the `run` record; absent for what is never the same again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// Bytes of its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Width of the pictures as shown, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height of the pictures as shown, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Nominal frames a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Length of its picture by the container, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Frames by the container's count, else by length and rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// FFmpeg's name of what it is coded with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<&'static str>,
    /// Its video streams, where it has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub video_streams: Vec<VideoStreamRecord>,
    /// With `--estimate`: seconds that a run on this machine would take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate_s: Option<f64>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The exit code of a run on it alone, where that would fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
}

/// A video stream of an input that has several.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoStreamRecord {
    /// Its number among them, from 0 on, as `--video-stream` takes it.
    pub video_stream: usize,
    /// Width of its pictures as shown, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height of its pictures as shown, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Nominal frames a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// FFmpeg's name of what it is coded with.
    pub codec: &'static str,
    /// Whether it is the one that a run reads.
    pub is_read: bool,
}

/// All inputs that would be run on; the last line of `plan`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlanTotalRecord {
    /// Which shard of all inputs these are, `I/N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// How many there are.
    pub inputs: u64,
    /// Those that cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedInput>,
    /// Bytes of all files.
    pub size_bytes: u64,
    /// Length of all, seconds.
    pub duration_s: f64,
    /// Frames of all.
    pub frames: u64,
    /// Its video streams, where it has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub video_streams: Vec<VideoStreamRecord>,
    /// With `--estimate`: seconds that a run on all would take on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate_s: Option<f64>,
    /// The exit code of `plan`.
    pub exit_code: u8,
}
