//! The last record of several runs together.

use std::sync::Arc;

use serde::Serialize;

use super::Exit;

/// How the runs on several inputs ended together.
#[derive(Clone, Debug, Serialize)]
pub struct TotalRecord {
    /// Which shard of all inputs these were, `I/N`; the numbers are of this shard alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// Inputs that were given.
    pub inputs: u64,
    /// Inputs that were done well, each with a `summary` of its own.
    pub done: u64,
    /// Inputs that an earlier run had done, with `--skip-done`.
    #[serde(skip_serializing_if = "is_none")]
    pub done_before: u64,
    /// Inputs that were not begun, or not brought to their end, because a stop was asked for or
    /// something else failed.
    #[serde(skip_serializing_if = "is_none")]
    pub left: u64,
    /// Inputs that failed, in the order they were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedInput>,
    /// Frame records made.
    pub frames: u64,
    /// Predictions made.
    pub detections: u64,
    /// Seconds from the start of the first run to the end of the last.
    pub elapsed_s: f64,
    /// `frames / elapsed_s`.
    pub fps: f64,
    /// Why it ended.
    pub exit: Exit,
    /// The exit code that follows.
    pub exit_code: u8,
}

/// An input that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedInput {
    /// Name of the source.
    pub source: Arc<str>,
    /// What went wrong.
    pub error: String,
    /// The exit code that it alone would have had.
    pub exit_code: u8,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}
